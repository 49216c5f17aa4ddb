package house

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
)

// ignored are the files and folders that git ignores, by their slash-separated paths: what tools
// have fetched or built. Without git there are none, as in an archive of the sources.
var ignored = sync.OnceValue(func() map[string]bool {
	all := make(map[string]bool)
	command := exec.Command("git", "ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory")
	command.Dir = "../.."
	out, _ := command.Output()
	for name := range strings.SplitSeq(string(out), "\x00") {
		all[strings.TrimSuffix(name, "/")] = true
	}
	return all
})

// hidden reports whether a folder is the tools', or of a test that is running.
func hidden(base string) bool {
	return strings.HasPrefix(base, ".") && base != "." && base != ".github"
}

// tree returns the files of the repository with one of the suffixes, by their slash-separated
// paths below its root. It walks, so that the tests run again when there is another file.
func tree(t *testing.T, suffixes ...string) (files []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS("../.."), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // other tests work there
		case err != nil:
			return err
		case d.IsDir() && (hidden(path.Base(name)) || ignored()[name]):
			return fs.SkipDir
		case d.IsDir() || ignored()[name]:
			return nil
		}
		if slices.ContainsFunc(suffixes, func(suffix string) bool { return strings.HasSuffix(name, suffix) }) {
			files = append(files, name)
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
