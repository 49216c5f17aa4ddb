package corpus

import (
	"os"
	"path/filepath"
	"testing"
)

// FieldRecordings returns the directory with a format's recordings of real exporters in the field, which are not
// part of the repository: see CONTRIBUTING.md. The format is netflow5, netflow9, ipfix or sflow.
// NETFLOW_CAPTURES_DIR names that of netflow5, beside which the others are; a test is skipped
// where it is not set. In CI a skipped test fails.
func FieldRecordings(tb testing.TB, format string) string {
	tb.Helper()
	dir := os.Getenv("NETFLOW_CAPTURES_DIR") //nolint:forbidigo // it is for tests
	if dir == "" {
		tb.Skip("NETFLOW_CAPTURES_DIR names no directory with recordings")
	}
	if format == "netflow5" {
		return dir
	}
	return filepath.Join(dir, "..", format, "real")
}

// Find returns the files that match patterns, of which there must be at least so many.
func Find(tb testing.TB, atLeast int, patterns ...string) (paths []string) {
	tb.Helper()
	for _, pattern := range patterns {
		found, err := filepath.Glob(pattern)
		if err != nil {
			tb.Fatal(err)
		}
		paths = append(paths, found...)
	}
	if len(paths) < atLeast {
		tb.Fatalf("%d files match %v, want %d or more", len(paths), patterns, atLeast)
	}
	return paths
}
