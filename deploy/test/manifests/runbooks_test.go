package manifests

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// What the runbooks patch the Service with are fields that it has, and the last patch
// leaves it as the base has it.
func TestRunbookPatches(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../docs/runbooks/FlowpubExportersSkewed.md")
	if err != nil {
		t.Fatal(err)
	}
	patches := regexp.MustCompile(`patch service flowpub -p '(.*)'`).FindAllSubmatch(text, -1)
	if len(patches) != 2 {
		t.Fatalf("found %d patches, want one that takes the affinity away and one that gives it back", len(patches))
	}
	var patched corev1.Service
	for _, patch := range patches {
		patched = corev1.Service{}
		if err := yaml.UnmarshalStrict(patch[1], &patched); err != nil {
			t.Errorf("%s: %v", patch[1], err)
		}
	}
	patched.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal // which no patch is about
	for _, finding := range checkUDP(&patched) {
		t.Error(finding)
	}
}

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
