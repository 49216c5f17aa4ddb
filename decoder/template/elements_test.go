package template

import (
	"encoding/csv"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/flowpub/flowpub/decoder"
)

// testdata/elements.csv is a copy of IANA's registry that others made.
func TestElementsAgainstRegistry(t *testing.T) {
	t.Parallel()
	file, err := os.Open("testdata/elements.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	registry := make(map[uint16][]string)
	for _, line := range lines[1:] {
		id, err := strconv.ParseUint(line[0], 10, 16)
		if err != nil {
			t.Fatal(err)
		}
		registry[uint16(id)] = line[1:]
	}
	for _, e := range elements {
		if want := []string{e.name, string(e.kind)}; !slices.Equal(registry[e.id], want) {
			t.Errorf("element %d is %v here, %v in the registry", e.id, want, registry[e.id])
		}
	}
	for _, e := range reverseElements {
		if want := registry[e.id]; e.name != "reverse"+string(want[0][0]-'a'+'A')+want[0][1:] || string(e.kind) != want[1] {
			t.Errorf("reverse element %d is %s, %s; in the registry %v", e.id, e.name, e.kind, want)
		}
	}
}

// The rows are in order, each once, and a field of decoder.Extension has one rank
// for each element that fills it.
func TestElementsAreDistinct(t *testing.T) {
	t.Parallel()
	type filling struct {
		to   place
		rank uint8
	}
	seen := make(map[filling]uint16)
	for i, e := range elements {
		if i > 0 && elements[i-1].id >= e.id {
			t.Errorf("element %d comes after %d", e.id, elements[i-1].id)
		}
		f := filling{e.fill.to, e.fill.rank}
		if other, taken := seen[f]; taken {
			t.Errorf("elements %d and %d fill the same with the same rank", e.id, other)
		}
		seen[f] = e.id
		if e.fill.to == nowhere {
			t.Errorf("element %d fills nothing", e.id)
		}
	}
	if lookUp(fieldSpec{id: 33002}).fill != into(decoder.FieldFirewallExtendedEvent) || lookUp(fieldSpec{enterprise: 9, id: 1}) != nil {
		t.Error("vendors' elements are mixed up with others")
	}
}
