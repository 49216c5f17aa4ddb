package manifests

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What the runbooks ask of Prometheus is PromQL, and of metrics and labels that
// there are.
func TestRunbookQueries(t *testing.T) {
	t.Parallel()
	known, err := knownMetrics()
	if err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob("../../../docs/runbooks/*.md")
	if err != nil {
		t.Fatal(err)
	}
	block, span := regexp.MustCompile("(?ms)^```promql\n(.*?)\n```$"), regexp.MustCompile("`([a-z_]+ ?[(][^`\n]*|[a-z]+ by [(][^`\n]*)`")
	queries := 0
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, found := range block.FindAllStringSubmatch(string(text), -1) {
			// A query a line; it goes on in lines that are indented.
			all = append(all, strings.Split(regexp.MustCompile(`\n +`).ReplaceAllString(found[1], " "), "\n")...)
		}
		for _, found := range span.FindAllStringSubmatch(string(text), -1) {
			all = append(all, found[1])
		}
		for _, query := range all {
			queries++
			for _, finding := range checkQuery(filepath.Base(path), query, known) {
				t.Error(finding)
			}
		}
	}
	if queries < 30 {
		t.Errorf("found %d queries, want 30 at least", queries)
	}
}
