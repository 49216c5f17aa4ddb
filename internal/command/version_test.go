package command

import (
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
)

func TestVersion(t *testing.T) {
	t.Parallel()
	info, ok := debug.ReadBuildInfo()
	if !ok {
		t.Fatal("the go command recorded nothing")
	}
	built := info.Main.Version
	if built == "" {
		built = "unknown"
	}
	for linked, want := range map[string]string{"v1.2.3": "v1.2.3", "": built} {
		if got := Version(linked); got != want {
			t.Errorf("Version(%q) = %q, want %q", linked, got, want)
		}
	}
}

func TestPrintVersion(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	printVersion(&out, "flowgen", "v1.2.3")
	want := "flowgen  v1.2.3\ngo       " + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH + "\nrevision "
	if !strings.HasPrefix(out.String(), want) || strings.Count(out.String(), "\n") != 3 {
		t.Errorf("printed %q, want three lines that begin %q", out.String(), want)
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
