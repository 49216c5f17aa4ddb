package template_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// contested are the packets of a recording for which this project decides otherwise than the
// independent decoder did, with how many records that gives.
//
// The decoder discards an IPFIX message with a malformed set, and the templates in it: RFC
// 7011, section 9.1. Here what comes before such a set stays. And it takes no template
// from another port of the exporter: here that serves as long as all ports agree.
var contested = map[string]map[int]int{
	"telegraf-issue_14370":            {0: 1},
	"pmacct-112-option-reassign":      {10: 1, 20: 8},
	"cesnet-enterprise-from-nfv9":     {1: 1, 2: 7, 3: 7, 4: 7, 5: 7, 6: 7, 7: 7, 8: 7, 9: 7},
	"cesnet-bad-length-in-set":        {},
	"cesnet-bad-template-field-count": {},
}

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
	dir := os.Getenv("NETFLOW_CAPTURES_DIR")
	if dir == "" {
		t.Skip("NETFLOW_CAPTURES_DIR names no directory with recordings")
	}
	testRecordings(t, filepath.Join(dir, "..", "netflow9", "real", "*.pcap"), 30)
	testRecordings(t, filepath.Join(dir, "..", "ipfix", "real", "*.pcap"), 30)
}

// testRecordings compares all recordings that match a pattern; there are at least so many.
func testRecordings(t *testing.T, pattern string, atLeast int) {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) < atLeast {
		t.Fatalf("%d recordings match %s, want %d or more", len(paths), pattern, atLeast)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			name, _, _ := strings.Cut(filepath.Base(path), ".")
			compare(t, path, contested[name])
		})
	}
}

// A craftedCase is a case of testdata/*/crafted/*.index.json: datagrams of one exporter.
type craftedCase struct {
	Name       string
	Pkts       [2]int
	Canonical  int   `json:"records_canonical"`
	Acceptable []int `json:"records_acceptable"`
	Late       int   `json:"late_records"`
}

// onlyAcceptable are the cases in which this project decides otherwise than the strictest
// reading of the specifications, with how many records and late records that gives, and why.
var onlyAcceptable = map[string]struct {
	records, late int
	why           string
}{
	"message_length_beyond_datagram":   {2, 0, lenient},
	"set_length_1":                     {2, 0, lenient},
	"set_length_2":                     {2, 0, lenient},
	"set_beyond_message":               {2, 0, lenient},
	"templates_of_a_discarded_message": {2, 0, lenient},
	"varlen_beyond_set_second_record":  {2, 0, lenient},
	"60000_templates":                  {1, 0, "an exporter with more than 512 templates in a domain loses its oldest"},
	"template_of_5000_fields":          {0, 0, "a template has up to 512 fields"},
}

const lenient = "what comes before the error in an IPFIX message stays"

// Cases made by hand, with what the specifications say about them.
func TestCrafted(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"netflow9/crafted/v9_semantics", "netflow9/crafted/v9_malformed", "netflow9/crafted/v9_flood",
		"ipfix/crafted/ipfix_semantics", "ipfix/crafted/ipfix_malformed", "ipfix/crafted/ipfix_flood",
	} {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			compareCases(t, filepath.Join("testdata", filepath.FromSlash(name)))
		})
	}
}

func compareCases(t *testing.T, path string) {
	t.Helper()
	index := readLines[struct{ Cases []craftedCase }](t, path+".index.json")[0]
	got := replay(t, readCapture(t, path+".pcap.gz"))
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
		want, listed := onlyAcceptable[c.Name]
		if !listed {
			want.records, want.late = c.Canonical, c.Late
		} else {
			for pkt := c.Pkts[0]; pkt <= c.Pkts[1]; pkt++ {
				differ[pkt] = anyRecords
			}
		}
		if records != want.records || late != want.late {
			t.Errorf("%s: %d records and %d late ones, want %d and %d (acceptable: %s)",
				c.Name, records, late, want.records, want.late, fmt.Sprint(c.Acceptable))
		}
	}
	compare(t, path+".pcap.gz", differ)
}
