//go:build linux

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	// What the program is built from, so that go test does not take an old
	// result for one of what has changed there.
	_ "github.com/flowpub/flowpub/collector"
	_ "github.com/flowpub/flowpub/internal/config"
)

// program is the path of the flowpub that the tests run.
var program string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

// buildAndRun builds flowpub, runs the tests and returns the exit status.
func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "flowpub-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "flowpub")
	if output, err := exec.Command("go", "build", "-o", program, "../../cmd/flowpub").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building flowpub: %v\n%s", err, output)
		return 1
	}
	return m.Run()
}
