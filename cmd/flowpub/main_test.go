package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

// alreadyPast is a deadline that ends a wait at once.
var alreadyPast = time.Unix(1, 0)

func TestUntilSignal(t *testing.T) {
	t.Parallel()
	forever := make(chan struct{})
	t.Cleanup(func() { close(forever) })
	tests := []struct {
		name    string
		signals int
		program func(context.Context) int
		want    int
	}{
		{"no signal", 0, func(context.Context) int { return 2 }, 2},
		{"one signal ends it in order", 1, func(ctx context.Context) int { <-ctx.Done(); return 0 }, 0},
		{"one signal, and flows were given up", 1, func(ctx context.Context) int { <-ctx.Done(); return 1 }, 1},
		{"two signals end it at once", 2, func(context.Context) int { <-forever; return 0 }, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			signals := make(chan os.Signal, 2)
			for range tt.signals {
				signals <- os.Interrupt
			}
			if got := untilSignal(signals, tt.program); got != tt.want {
				t.Errorf("exit status %d, want %d", got, tt.want)
			}
		})
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	status, stdout, stderr := runWith(t, []string{"-version"}, []string{"FLOWPUB_X=1"})
	if status != 0 || stderr != "" {
		t.Errorf("exit status %d and standard error %q, want 0 and nothing", status, stderr)
	}
	for _, want := range []string{"flowpub  " + programVersion() + "\n", runtime.Version(), runtime.GOARCH, "revision "} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%q lacks %q", stdout, want)
		}
	}
}

func TestRevision(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		settings []debug.BuildSetting
		want     string
	}{
		{"not recorded", []debug.BuildSetting{{Key: "GOOS", Value: "linux"}}, "unknown"},
		{"clean", []debug.BuildSetting{{Key: "vcs.revision", Value: "4e35ae6"}, {Key: "vcs.modified", Value: "false"}}, "4e35ae6"},
		{"changed", []debug.BuildSetting{{Key: "vcs.modified", Value: "true"}, {Key: "vcs.revision", Value: "4e35ae6"}},
			"4e35ae6 (with changes that are not committed)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := revision(tt.settings); got != tt.want {
				t.Errorf("revision = %q, want %q", got, tt.want)
			}
		})
	}
}
