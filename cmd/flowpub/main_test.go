package main

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/flowpub/flowpub/internal/command"
)

// alreadyPast is a deadline that ends a wait at once.
var alreadyPast = time.Unix(1, 0)

func TestVersion(t *testing.T) {
	t.Parallel()
	status, stdout, stderr := runWith(t, []string{"-version"}, []string{"FLOWPUB_X=1"})
	if status != 0 || stderr != "" {
		t.Errorf("exit status %d and standard error %q, want 0 and nothing", status, stderr)
	}
	for _, want := range []string{"flowpub  " + command.Version(version) + "\n", runtime.Version(), runtime.GOARCH, "revision "} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%q lacks %q", stdout, want)
		}
	}
}
