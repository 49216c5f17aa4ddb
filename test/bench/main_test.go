package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/flowpub/flowpub/internal/testwait"
)

// TestMain lets the test binary play the roles, as the program starts itself.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && strings.HasPrefix(os.Args[1], "role-") {
		os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// buildFlowpub builds the collector.
func buildFlowpub(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "flowpub")
	if output, err := exec.Command("go", "build", "-o", program, "../../cmd/flowpub").CombinedOutput(); err != nil {
		t.Fatalf("building flowpub: %v\n%s", err, output)
	}
	return program
}

// bench runs the program.
func bench(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	status = run(t.Context(), args, strings.NewReader(""), &out, &errs)
	return status, out.String(), errs.String()
}

// row is a line of the table, up to the kernel's drops; flows and figures are
// not known beforehand.
func row(collector, rate, codec string) *regexp.Regexp {
	return regexp.MustCompile(fmt.Sprintf(`(?m)^%s +v5 +%s +%s +4 +3 +0s +([0-9]+) +([0-9]+) +0 [ 0-9.]+$`, collector, rate, codec))
}

// TestQuick measures flowpub, and flowpub again as another collector, whose
// configuration comes from the environment.
func TestQuick(t *testing.T) {
	testwait.Long(t)
	program := buildFlowpub(t)
	versus := "env FLOWPUB_LISTEN={listen} FLOWPUB_HTTP_LISTEN={http} FLOWPUB_KAFKA_BROKERS={brokers}" +
		" FLOWPUB_KAFKA_TOPIC={topic} FLOWPUB_KAFKA_COMPRESSION={codec} " + program
	status, stdout, stderr := bench(t, "-quick", "-flowpub", program, "-versus", versus,
		"-partitions", "4", "-exporters", "3", "-duration", "1s", "-warmup", "100ms", "-runs", "2")
	if status != exitDone {
		t.Fatalf("status %d\n%s\n%s", status, stdout, stderr)
	}
	for _, collector := range []string{"flowpub", "env"} {
		for _, codec := range []string{"none", "zstd-fast"} {
			found := row(collector, "20000", codec).FindAllStringSubmatch(stdout, -1)
			if len(found) != 2 {
				t.Fatalf("%s, %s: %d rows, want 2:\n%s", collector, codec, len(found), stdout)
			}
			for _, sent := range found {
				if sent[1] == "0" || sent[1] != sent[2] {
					t.Errorf("%s, %s: sent %s, delivered %s", collector, codec, sent[1], sent[2])
				}
			}
		}
	}
}

func TestProfilesAreWritten(t *testing.T) {
	testwait.Long(t)
	directory := t.TempDir()
	status, stdout, stderr := bench(t, "-quick", "-flowpub", buildFlowpub(t), "-traffic", "ipfix", "-codec", "none", "-warmup", "0",
		"-duration", "1s", "-profile", directory)
	if status != exitDone {
		t.Fatalf("status %d\n%s\n%s", status, stdout, stderr)
	}
	for _, kind := range []string{"cpu", "allocs"} {
		if info, err := os.Stat(filepath.Join(directory, "ipfix-20000-none-16p-16e."+kind+".pprof")); err != nil || info.Size() == 0 {
			t.Errorf("profile of %s: %v", kind, err)
		}
	}
}

func TestCollectorThatEndsAtOnce(t *testing.T) {
	t.Parallel()
	status, _, stderr := bench(t, "-quick", "-flowpub", "false")
	if status != exitFailed || !strings.Contains(stderr, "it ended at once") {
		t.Errorf("status %d, errors %q", status, stderr)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	if status, stdout, _ := bench(t, "-h"); status != exitDone || !strings.Contains(stdout, "-partitions") {
		t.Errorf("status %d, output %q", status, stdout)
	}
	for _, args := range []string{
		"-rate 0", "-traffic v7", "-traffic v5-ipv6", "-traffic all", "-rate 5,fast", "-codec br", "-partitions 0", "-exporters x", "-delay 10", "-delay -1s",
		"-runs 0", "-duration 1ms", "-warmup -1s", "-format xml", "-nonsense", "rest",
	} {
		status, stdout, stderr := bench(t, strings.Fields(args)...)
		last := args[strings.LastIndex(args, " ")+1:]
		last = last[strings.LastIndex(last, ",")+1:]
		if status != exitUsage || stdout != "" || !strings.Contains(stderr, last) {
			t.Errorf("%s: status %d, output %q, errors %q", args, status, stdout, stderr)
		}
	}
}
