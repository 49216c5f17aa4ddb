package kafka_test

import (
	"strings"
	"testing"
)

// The tests that the Makefile names for older releases exist: go test is silent
// when one of several names matches nothing.
func TestOlderReleases(t *testing.T) {
	_, names, found := strings.Cut(read(t, "../../Makefile"), "\nKAFKA_SUBSET := ")
	if !found {
		t.Fatal("the Makefile does not say what KAFKA_SUBSET is")
	}
	names, _, _ = strings.Cut(strings.ReplaceAll(names, "\\\n", " "), "\n")
	all, _ := listTests(t)
	for name := range strings.FieldsSeq(names) {
		if !all[name] {
			t.Errorf("the Makefile names the test %s, which does not exist", name)
		}
	}
}
