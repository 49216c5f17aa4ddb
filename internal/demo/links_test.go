package demo

import (
	"fmt"
	"os"
	"path/filepath"
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

// anchorsOf returns those of a document, which may not be there.
func anchorsOf(t *testing.T, path string) map[string]bool {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
	}
	all := make(map[string]bool)
	for line := range strings.Lines(fencedBlock.ReplaceAllString(string(content), "")) {
		if heading := strings.TrimLeft(line, "#"); heading != line {
			text := markdownLink.ReplaceAllString(heading, "")
			all[anchorOf(strings.NewReplacer("`", "", "[", "", "]", "").Replace(text))] = true
		}
	}
	return all
}

// Links between documents lead to files and headings that are there.
func TestLinks(t *testing.T) {
	t.Parallel()
	var documents []string
	for _, pattern := range []string{"../../*.md", "../../docs/*.md", "../../docs/*/*.md", "../../examples/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		documents = append(documents, found...)
	}
	links := 0
	for _, document := range documents {
		content, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range markdownLink.FindAllStringSubmatch(fencedBlock.ReplaceAllString(string(content), ""), -1) {
			target, anchor, _ := strings.Cut(match[1], "#")
			if strings.Contains(match[1], ":") || strings.HasPrefix(target, "../../") && strings.Count(document, "/") == 2 {
				continue // elsewhere
			}
			links++
			path := document
			if target != "" {
				path = filepath.Join(filepath.Dir(document), target)
			}
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%s: the link to %s leads nowhere", document, match[1])
			} else if anchor != "" && strings.HasSuffix(path, ".md") && !anchorsOf(t, path)[anchor] {
				t.Errorf("%s: the link to %s leads to no heading", document, match[1])
			}
		}
	}
	if links < 200 {
		t.Errorf("%d links are checked, want 200 at least", links)
	}
}

// Decisions are numbered from 1, each number is there once, and the title has it.
func TestDecisionsAreNumbered(t *testing.T) {
	t.Parallel()
	decisions, err := filepath.Glob("../../docs/decisions/*.md")
	if err != nil || len(decisions) == 0 {
		t.Fatal(len(decisions), err)
	}
	for i, path := range decisions {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		number := fmt.Sprintf("%04d", i+1)
		if !strings.HasPrefix(filepath.Base(path), number+"-") || !strings.HasPrefix(string(content), "# "+number+": ") {
			t.Errorf("%s is to be number %s, in its name and its title", path, number)
		}
	}
}
