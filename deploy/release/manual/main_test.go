package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Every flag and variable that a program prints for -h is in its manual page, and every
// flag in the completions of all shells.
func TestNothingIsLeftOut(t *testing.T) {
	t.Parallel()
	dependOn(t, "../../../cmd", "../../../internal/config")
	programs, out := t.TempDir(), t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", programs+string(filepath.Separator), "../../../cmd/...")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if err := run([]string{programs, out, "v1.2.3", "2026-11-29"}); err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(out, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for command, page := range map[string]string{
		"flowpub": "flowpub.8", "flowgen": "flowgen.1", "flowgen replay": "flowgen-replay.1", "flowtail": "flowtail.1", "flowdemo": "flowdemo.1",
	} {
		words := strings.Fields(command)
		help, err := exec.CommandContext(t.Context(), filepath.Join(programs, words[0]), append(words[1:], "-h")...).Output()
		if err != nil {
			t.Fatal(err)
		}
		man := strings.ReplaceAll(read("man/"+page), `\-`, "-")
		names := regexp.MustCompile(`(?m)^  (-[a-z0-9-]+|FLOWPUB_[A-Z_]+)\b`).FindAllStringSubmatch(string(help), -1)
		if len(names) == 0 {
			t.Errorf("the help of %s has neither flags nor variables", command)
		}
		for _, name := range names {
			if !strings.Contains(man, "\n.TP\n\\fB"+name[1]+"\\fR") {
				t.Errorf("%s lacks %s", page, name[1])
			}
			if !strings.HasPrefix(name[1], "-") {
				continue
			}
			for file, want := range map[string]string{
				"bash/" + words[0]:           name[1],
				"zsh/_" + words[0]:           "'" + name[1] + "[",
				"fish/" + words[0] + ".fish": " -o " + name[1][1:],
			} {
				if !strings.Contains(read(file), want) {
					t.Errorf("%s lacks %s", file, name[1])
				}
			}
		}
	}
	completed(t, filepath.Join(out, "bash"))
}

// dependOn reads what is in folders. Go's cache of tests takes notice of files that a
// test reads, and of none that it has built.
func dependOn(t *testing.T, folders ...string) {
	t.Helper()
	for _, folder := range folders {
		err := filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
			if err == nil && !entry.IsDir() {
				_, err = os.ReadFile(path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// completed asks bash what it offers.
func completed(t *testing.T, dir string) {
	t.Helper()
	for _, c := range []struct {
		line string
		want []string
	}{
		{"flowtail -form", []string{"-format"}},
		{"flowtail --form", []string{"-format"}},
		{"flowtail -by ", []string{"octets", "packets", "flows"}},
		{"flowtail -by p", []string{"packets"}},
		{"flowtail -topic ", nil},
		{"flowgen re", []string{"replay"}},
		{"flowgen replay -own", []string{"-own-sources"}},
		{"flowgen replay main_te", []string{"main_test.go"}},
		{"flowgen -own", nil},
		{"flowpub -ver", []string{"-version"}},
	} {
		words := strings.Split(c.line, " ")
		script := `. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); "_$1"; printf '%s\n' "${COMPREPLY[@]}"`
		args := append([]string{"-uc", script, "bash", filepath.Join(dir, words[0])}, words...)
		offered, err := exec.CommandContext(t.Context(), "bash", args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", c.line, err, offered)
		}
		if got := strings.Fields(string(offered)); !slices.Equal(got, c.want) {
			t.Errorf("%q is completed by %q, not by %q", c.line, got, c.want)
		}
	}
}
