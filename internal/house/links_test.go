package house

import (
	"fmt"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

var (
	markdownLink = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	fencedBlock  = regexp.MustCompile("(?ms)^[ ]*```.*?\n[ ]*```$")
)

// anchorOf is what a heading is called in a link, as GitHub has it.
func anchorOf(heading string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(strings.TrimSpace(heading)) {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
			b.WriteRune(r)
		case r == ' ':
			b.WriteByte('-')
		}
	}
	return b.String()
}

// anchorsOf returns those of a document.
func anchorsOf(t *testing.T, document string) map[string]bool {
	t.Helper()
	all := make(map[string]bool)
	for line := range strings.Lines(fencedBlock.ReplaceAllString(read(t, document), "")) {
		if heading := strings.TrimLeft(line, "#"); heading != line {
			text := markdownLink.ReplaceAllString(heading, "")
			all[anchorOf(strings.NewReplacer("`", "", "[", "", "]", "").Replace(text))] = true
		}
	}
	return all
}

// Links between documents lead to files and headings that are there. Those that leave the
// repository, or are addresses, are not followed.
func TestLinks(t *testing.T) {
	t.Parallel()
	links := 0
	for _, document := range tree(t, ".md") {
		for _, match := range markdownLink.FindAllStringSubmatch(fencedBlock.ReplaceAllString(read(t, document), ""), -1) {
			target, anchor, _ := strings.Cut(match[1], "#")
			file := document
			if target != "" {
				file = path.Join(path.Dir(document), target)
			}
			if strings.Contains(match[1], ":") || strings.HasPrefix(file, "../") {
				continue
			}
			links++
			if _, err := os.Stat("../../" + file); err != nil {
				t.Errorf("%s: the link to %s leads nowhere", document, match[1])
			} else if anchor != "" && strings.HasSuffix(file, ".md") && !anchorsOf(t, file)[anchor] {
				t.Errorf("%s: the link to %s leads to no heading", document, match[1])
			}
		}
	}
	if links < 400 {
		t.Errorf("%d links are checked, want 400 at least", links)
	}
}

// Decisions are numbered from 1, each number is there once, the title has it, and each has a status.
func TestDecisionsAreNumbered(t *testing.T) {
	t.Parallel()
	number := 0
	for _, file := range tree(t, ".md") {
		if path.Dir(file) != "docs/decisions" {
			continue
		}
		number++
		prefix := fmt.Sprintf("%04d", number)
		if !strings.HasPrefix(path.Base(file), prefix+"-") || !strings.HasPrefix(read(t, file), "# "+prefix+": ") {
			t.Errorf("%s is to be number %s, in its name and its title", file, prefix)
		}
		if !strings.Contains(read(t, file), "\n\nStatus: accepted") {
			t.Errorf("%s has no line \"Status: accepted\"", file)
		}
	}
	if number == 0 {
		t.Error("found no decision")
	}
}

// Documents name targets of the Makefile that are there.
func TestTargetsAreThere(t *testing.T) {
	t.Parallel()
	makefile := read(t, "Makefile")
	command := regexp.MustCompile("(?m)(?:`|^ *|&& )make ([a-z][a-z0-9-]*)\\b")
	named := 0
	for _, document := range tree(t, ".md") {
		for _, match := range command.FindAllStringSubmatch(read(t, document), -1) {
			named++
			if !strings.Contains(makefile, "\n"+match[1]+":") {
				t.Errorf("%s: there is no target of %q", document, match[0])
			}
		}
	}
	if named < 50 {
		t.Errorf("documents name %d targets, want 50 at least", named)
	}
}
