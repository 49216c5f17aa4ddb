package house

import (
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"
)

// tree returns the files of the repository with one of the suffixes, by their slash-separated
// paths below its root. What tools have fetched or built is none of it.
func tree(t *testing.T, suffixes ...string) (files []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS("../.."), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if base := path.Base(name); base == "node_modules" || base == "target" || name != "." && base[0] == '.' && base != ".github" {
				return fs.SkipDir
			}
			return nil
		}
		for _, suffix := range suffixes {
			if strings.HasSuffix(name, suffix) {
				files = append(files, name)
				break
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 10 {
		t.Fatalf("found %d files that end with %q", len(files), suffixes)
	}
	return files
}

// read returns a file of the tree.
func read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile("../../" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
