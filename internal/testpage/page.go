// Package testpage reads pages of the documentation, for tests that hold what these say.
package testpage

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Page is a page, or a part of one.
type Page struct {
	name, text string
}

// Read reads a page of the folder docs, as in "values.md".
func Read(t *testing.T, name string) Page {
	t.Helper()
	for dir := "."; ; dir = filepath.Join(dir, "..") {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			b, err := os.ReadFile(filepath.Join(dir, "docs", name)) //nolint:gosec // a page that a test names
			if err != nil {
				t.Fatal(err)
			}
			return Page{"docs/" + name, string(b)}
		}
		if path, err := filepath.Abs(dir); err != nil || path == "/" {
			t.Fatalf("no folder above has a go.mod: %v", err)
		}
	}
}

// Section is what follows a heading, until the next one.
func (p Page) Section(t *testing.T, heading string) Page {
	t.Helper()
	_, text, found := strings.Cut(p.text, "\n## "+heading+"\n")
	if !found {
		t.Fatalf("%s has no heading %q", p.name, heading)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	return Page{p.name + ", " + heading, text}
}

// Rows are those of the first table, without its head; a row is its cells.
func (p Page) Rows(t *testing.T) (rows [][]string) {
	t.Helper()
	for line := range strings.Lines(p.text) {
		if !strings.HasPrefix(line, "|") {
			if len(rows) > 0 {
				break
			}
			continue
		}
		var cells []string
		for cell := range strings.SplitSeq(strings.Trim(strings.TrimSpace(line), "|"), "|") {
			cells = append(cells, strings.TrimSpace(cell))
		}
		rows = append(rows, cells)
	}
	if len(rows) < 3 {
		t.Fatalf("%s has no table", p.name)
	}
	return rows[2:]
}

// Blocks are the blocks of code in a language, of which there is one at least.
func (p Page) Blocks(t *testing.T, language string) (blocks []string) {
	t.Helper()
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(p.text, -1) {
		blocks = append(blocks, m[1])
	}
	if len(blocks) == 0 {
		t.Fatalf("%s has no block of %s", p.name, language)
	}
	return blocks
}

// Find returns what the groups of a pattern match in the text, in which lines end with a space.
func (p Page) Find(t *testing.T, pattern string) []string {
	t.Helper()
	groups := regexp.MustCompile(pattern).FindStringSubmatch(strings.Join(strings.Fields(p.text), " "))
	if groups == nil {
		t.Fatalf("%s says nothing like %q", p.name, pattern)
	}
	return groups[1:]
}
