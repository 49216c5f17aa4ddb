// Manual writes manual pages and shells' completions of this module's programs.
//
//	manual PROGRAMS OUT VERSION DATE
//
// It runs the programs in the directory PROGRAMS with -h, and writes the pages to
// OUT/man, the completions to OUT/bash, OUT/zsh and OUT/fish.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/flowpub/flowpub/internal/manual"
)

// sections are the sections of the manual in which programs are explained.
var sections = map[string]int{"flowpub": 8, "flowgen": 1, "flowtail": 1, "flowdemo": 1}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "manual:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 4 {
		return errors.New("usage: manual PROGRAMS OUT VERSION DATE")
	}
	for program, section := range sections {
		if err := write(program, section, args[0], args[1], args[2], args[3]); err != nil {
			return err
		}
	}
	return nil
}

// write writes what there is of a program.
func write(program string, section int, programs, out, version, date string) error {
	page, err := read(programs, program)
	if err != nil {
		return err
	}
	var commands []*manual.Page
	for _, word := range page.Commands() {
		command, err := read(programs, program+" "+word)
		if err != nil {
			return err
		}
		commands = append(commands, command)
	}
	files := map[string]string{
		"bash/" + program:           page.Bash(commands...),
		"zsh/_" + program:           page.Zsh(commands...),
		"fish/" + program + ".fish": page.Fish(commands...),
	}
	for _, p := range append(commands, page) {
		files[fmt.Sprintf("man/%s.%d", p.Name(), section)] = p.Man(section, version, date)
	}
	for name, text := range files {
		path := filepath.Join(out, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // all may read the manual
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil { //nolint:gosec // as above
			return err
		}
	}
	return nil
}

// read asks a command for its help.
func read(programs, command string) (*manual.Page, error) {
	words := strings.Fields(command)
	path := filepath.Join(programs, words[0])
	//nolint:gosec // the programs that were just built
	help, err := exec.CommandContext(context.Background(), path, append(words[1:], "-h")...).Output()
	if err != nil {
		return nil, fmt.Errorf("%s -h: %w", command, err)
	}
	return manual.Parse(command, string(help))
}
