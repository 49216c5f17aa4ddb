package template_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flowpub/flowpub/internal/corpus"
	"github.com/flowpub/flowpub/internal/testwait"
)

// Recordings made with real exporters.
func TestExporters(t *testing.T) {
	t.Parallel()
	testRecordings(t, filepath.Join("testdata", "netflow9", "exporters", "*.pcap.gz"), 3)
	testRecordings(t, filepath.Join("testdata", "ipfix", "exporters", "*.pcap.gz"), 6)
}

// Recordings of real exporters in the field, which are not part of the repository: see
// CONTRIBUTING.md.
func TestRealExporters(t *testing.T) {
	t.Parallel()
	testRecordings(t, filepath.Join(corpus.FieldRecordings(t, "netflow9"), "*.pcap"), 30)
	testRecordings(t, filepath.Join(corpus.FieldRecordings(t, "ipfix"), "*.pcap"), 30)
}

// testRecordings compares all recordings that match a pattern; there are at least so many.
func testRecordings(t *testing.T, pattern string, atLeast int) {
	t.Helper()
	for _, path := range corpus.Find(t, atLeast, pattern) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			name, _, _ := strings.Cut(filepath.Base(path), ".")
			compare(t, path, corpus.Contested[name])
		})
	}
}

// Cases made by hand, with what the specifications say about them.
func TestCrafted(t *testing.T) {
	t.Parallel()
	for _, name := range testwait.Few(4, []string{
		"netflow9/crafted/v9_semantics", "netflow9/crafted/v9_malformed",
		"ipfix/crafted/ipfix_semantics", "ipfix/crafted/ipfix_malformed",
		"netflow9/crafted/v9_flood", "ipfix/crafted/ipfix_flood",
	}) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			compareCases(t, filepath.Join("testdata", filepath.FromSlash(name)))
		})
	}
}

func compareCases(t *testing.T, path string) {
	t.Helper()
	index := corpus.Lines[struct{ Cases []corpus.Case }](t, path+".index.json")[0]
	got := replay(t, corpus.Datagrams(t, path+".pcap.gz"), nil)
	differ := make(map[int]int)
	for _, c := range index.Cases {
		records, late := 0, 0
		for g, rs := range got {
			switch {
			case g.pkt < c.Pkts[0] || g.pkt > c.Pkts[1]:
			case g.template == 0:
				records += len(rs)
			default:
				late += len(rs)
			}
		}
		want, listed := corpus.OnlyAcceptable[c.Name]
		if !listed {
			want.Records, want.Late = c.Canonical, c.Late
		} else {
			for pkt := c.Pkts[0]; pkt <= c.Pkts[1]; pkt++ {
				differ[pkt] = anyRecords
			}
		}
		if records != want.Records || late != want.Late {
			t.Errorf("%s: %d records and %d late ones, want %d and %d (acceptable: %s)",
				c.Name, records, late, want.Records, want.Late, fmt.Sprint(c.Acceptable))
		}
	}
	compare(t, path+".pcap.gz", differ)
}
