//go:build examples || flink

package examples_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flowpub/flowpub/internal/testpage"
)

// The tables of docs/consumers.md with what readers say.
const (
	ofOtherForms = "A wrong form, and how it looks"
	ofNoCodec    = "A codec that is missing"
)

// sees fails the test unless a reader printed a symptom, and docs/consumers.md has that of it.
func sees(t *testing.T, table, reader, symptom, printed string) {
	t.Helper()
	for _, row := range testpage.Read(t, "consumers.md").Section(t, table).Rows(t) {
		if strings.HasPrefix(row[0], reader) && strings.Contains(row[len(row)-1], "`"+symptom) {
			if !strings.Contains(printed, symptom) {
				t.Errorf("it does not say %s, but\n%.3000s", symptom, printed)
			}
			return
		}
	}
	t.Errorf("docs/consumers.md has no %s of %s", symptom, reader)
}

// withoutLibrary copies a program of Java, but for one of its libraries.
func withoutLibrary(t *testing.T, jar, library string) string {
	t.Helper()
	dir := t.TempDir()
	output(t, command(t.Context(), nil, "cp", jar, dir))
	if err := os.Mkdir(filepath.Join(dir, "libs"), 0o700); err != nil {
		t.Fatal(err)
	}
	libraries, err := filepath.Glob(filepath.Join(root, filepath.Dir(jar), "libs", "*"))
	if err != nil {
		t.Fatal(err)
	}
	left := 0
	for _, file := range libraries {
		if strings.HasPrefix(filepath.Base(file), library) {
			left++
			continue
		}
		if file, err = filepath.Abs(file); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(file, filepath.Join(dir, "libs", filepath.Base(file))); err != nil {
			t.Fatal(err)
		}
	}
	if left != 1 {
		t.Fatalf("%d of %d libraries of %s are %s, want one", left, len(libraries), jar, library)
	}
	return filepath.Join(dir, filepath.Base(jar))
}
