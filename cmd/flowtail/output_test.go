//go:build unix

package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func writeText(w io.Writer) error {
	_, err := io.WriteString(w, "text")
	return err
}

// What is no file stays what it is, and so does a link: a device in whose place there is a file is of no more use to
// anybody.
func TestOutputReplacesFilesOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, link, pipe := filepath.Join(dir, "file"), filepath.Join(dir, "link"), filepath.Join(dir, "pipe")
	if err := os.Symlink("file", link); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	reader, err := os.OpenFile(pipe, os.O_RDWR, 0) // which does not wait for a writer
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	for _, name := range []string{file, link, link, pipe} {
		if err := toFile(name, writeText); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := toFile(dir, writeText); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("a directory: %v", err)
	}
	for name, want := range map[string]os.FileMode{file: 0, link: os.ModeSymlink, pipe: os.ModeNamedPipe} {
		if info, err := os.Lstat(name); err != nil || info.Mode().Type() != want {
			t.Errorf("%s: error %v, %v, want %v", name, err, info, want)
		}
	}
	got := make([]byte, 4)
	if _, err := io.ReadFull(reader, got); err != nil || string(got) != "text" {
		t.Errorf("from the pipe came %q, error %v", got, err)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "text" {
		t.Errorf("the file has %q, error %v", text, err)
	}
	if left, _ := filepath.Glob(dir + "/*.partial"); len(left) > 0 {
		t.Errorf("%v were left", left)
	}
}
