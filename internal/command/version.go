package command

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
)

// Version returns linked, the version that a release is built with, or when that
// is empty what the go command knows: after go install, the module's version.
func Version(linked string) string {
	if linked != "" {
		return linked
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}

// printVersion prints the version of the command name, and what it was built
// from and with.
func printVersion(w io.Writer, name, linked string) {
	fmt.Fprintf(w, "%-8s %s\ngo       %s %s/%s\nrevision %s\n",
		name, Version(linked), runtime.Version(), runtime.GOOS, runtime.GOARCH, revision(buildSettings()))
}

// buildSettings returns what the go command recorded of the build.
func buildSettings() []debug.BuildSetting {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Settings
	}
	return nil
}

// revision names the commit that was built.
func revision(settings []debug.BuildSetting) string {
	recorded := make(map[string]string)
	for _, s := range settings {
		recorded[s.Key] = s.Value
	}
	commit := recorded["vcs.revision"]
	switch {
	case commit == "":
		return "unknown"
	case recorded["vcs.modified"] == "true":
		return commit + " (with changes that are not committed)"
	default:
		return commit
	}
}
