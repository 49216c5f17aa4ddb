package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
)

// version is set when a release is built: go build -ldflags '-X main.version=v1.2.3'.
var version string

// programVersion returns the version the program was built with, or else what
// the go command knows of it.
func programVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}

// printVersion prints the version, and what the program was built from and with.
func printVersion(w io.Writer) {
	fmt.Fprintf(w, "flowpub  %s\ngo       %s %s/%s\nrevision %s\n",
		programVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH, revision(buildSettings()))
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
