package main

import (
	"flag"
	"os"
	"regexp"
	"slices"
	"testing"
)

// docs/flowtail.md has every flag, and no other.
func TestDocumentedFlags(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/flowtail.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented, want []string
	for _, row := range regexp.MustCompile("(?m)^\\| `-([a-z-]+)` \\|").FindAllSubmatch(text, -1) {
		documented = append(documented, string(row[1]))
	}
	var o options
	newFlags(&o).VisitAll(func(f *flag.Flag) { want = append(want, f.Name) })
	slices.Sort(documented)
	if !slices.Equal(documented, want) {
		t.Errorf("docs/flowtail.md has the flags\n%v, want\n%v", documented, want)
	}
}
