package corpus

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/flowpub/flowpub/internal/pcap"
)

// Datagram is one that an exporter sent.
type Datagram struct {
	From    netip.AddrPort
	Payload []byte
}

// Datagrams returns the datagrams of a capture that are of NetFlow v9, IPFIX or sFlow: the
// expected records are numbered by these.
func Datagrams(tb testing.TB, path string) (found []Datagram) {
	tb.Helper()
	file, err := os.Open(path) //nolint:gosec // tests name it
	if err != nil {
		tb.Fatal(err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	err = pcap.Read(file, nil, func(p pcap.Packet) error {
		if b := p.Payload; len(b) >= 2 && b[0] == 0 && (b[1] == 9 || b[1] == 10) || bytes.HasPrefix(b, []byte{0, 0, 0, 5}) {
			found = append(found, Datagram{p.Source, bytes.Clone(b)})
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return found
}

// open returns the content of a file, unpacked if its name, or its name with .gz, says so.
func open(tb testing.TB, path string) io.Reader {
	tb.Helper()
	b, err := os.ReadFile(path) //nolint:gosec // tests name it
	if errors.Is(err, os.ErrNotExist) {
		b, err = os.ReadFile(path + ".gz") //nolint:gosec // tests name it
		path += ".gz"
	}
	if err != nil {
		tb.Fatal(err)
	}
	if !strings.HasSuffix(path, ".gz") {
		return bytes.NewReader(b)
	}
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// Table reads a CSV file, compressed or not, whose first line names the columns.
func Table(tb testing.TB, path string) (rows []map[string]string) {
	tb.Helper()
	lines, err := csv.NewReader(open(tb, path)).ReadAll()
	if err != nil {
		tb.Fatalf("%s: %v", path, err)
	}
	for _, line := range lines[1:] {
		row := make(map[string]string, len(line))
		for i, value := range line {
			row[lines[0][i]] = value
		}
		rows = append(rows, row)
	}
	return rows
}

// Lines returns the values of a file with a JSON value on each line.
func Lines[T any](tb testing.TB, path string) (values []T) {
	tb.Helper()
	for d := json.NewDecoder(open(tb, path)); ; {
		var v T
		err := d.Decode(&v)
		if errors.Is(err, io.EOF) {
			return values
		}
		if err != nil {
			tb.Fatalf("%s: %v", path, err)
		}
		values = append(values, v)
	}
}

// Field is the value of an element in a record.
type Field struct {
	Enterprise uint32
	ID         uint16
	Value      []byte
}

// UnmarshalJSON reads enterprise number, element, length, and the value in hexadecimal digits.
func (f *Field) UnmarshalJSON(text []byte) error {
	var length int
	var digits string
	if err := json.Unmarshal(text, &[]any{&f.Enterprise, &f.ID, &length, &digits}); err != nil {
		return err
	}
	value, err := hex.DecodeString(digits)
	f.Value = value
	return err
}

// Row is a flow record that an independent decoder found in a capture.
type Row struct {
	// Pkt is the number of its datagram in the capture, Set and Rec where it is in there.
	Pkt, Set, Rec int
	Exporter      string `json:"exporter_ip"`
	Port          uint16 `json:"exporter_port"`
	Version       int
	Domain        uint32
	Sequence      uint32
	ExportTime    uint32 `json:"export_time"`
	TemplateID    uint64 `json:"template_id"`
	// Late is the datagram with its template, if that came later.
	Late          *int
	Src, Dst      *string
	Sport, Dport  *uint64
	Proto         *uint64
	Octets        *uint64
	Packets       *uint64
	OctetsIE      *int    `json:"octets_ie"`
	PacketsIE     *int    `json:"packets_ie"`
	PostOctets    *uint64 `json:"post_octets"`
	PostPackets   *uint64 `json:"post_packets"`
	RevOctets     *uint64 `json:"reverse_octets"`
	RevPackets    *uint64 `json:"reverse_packets"`
	Start         *int64  `json:"start_ns"`
	End           *int64  `json:"end_ns"`
	Event         *int64  `json:"event_ns"`
	RulesAgree    bool    `json:"rules_agree"`
	Input         *uint64 `json:"input_if"`
	Output        *uint64 `json:"output_if"`
	TCPFlags      *uint64 `json:"tcp_flags"`
	TOS           *uint64
	SrcAS         *uint64 `json:"src_as"`
	DstAS         *uint64 `json:"dst_as"`
	SrcMask       *uint64 `json:"src_mask"`
	DstMask       *uint64 `json:"dst_mask"`
	NextHop       *string `json:"next_hop"`
	BGPNextHop    *string `json:"bgp_next_hop"`
	VLAN          []uint64
	CustomerVLAN  *uint64 `json:"customer_vlan"`
	SrcMAC        *string `json:"src_mac"`
	DstMAC        *string `json:"dst_mac"`
	Direction     *uint64
	EndReason     *uint64  `json:"flow_end_reason"`
	ICMPType      *uint64  `json:"icmp_type"`
	ICMPCode      *uint64  `json:"icmp_code"`
	NATSrc        *string  `json:"nat_src"`
	NATDst        *string  `json:"nat_dst"`
	NATSport      *uint64  `json:"nat_sport"`
	NATDport      *uint64  `json:"nat_dport"`
	NATEvent      *uint64  `json:"nat_event"`
	FirewallEvent *uint64  `json:"firewall_event"`
	MPLS          []uint32 `json:"mpls_labels"`
	Sampling      *float64
	DupIEs        [][2]uint32 `json:"dup_ies"`
	// Fields are what the record carries, as it was exported.
	Fields []Field
	// SamplingFrom says where Sampling was found.
	SamplingFrom *string `json:"sampling_from"`
}

// Repeats reports whether the record has one of the elements twice; then any occurrence
// of it may be taken.
func (r *Row) Repeats(ids ...uint32) bool {
	for _, dup := range r.DupIEs {
		if slices.Contains(ids, dup[1]) {
			return true
		}
	}
	return false
}

// Contested are the packets of a recording for which this project decides otherwise than the
// independent decoder did, with how many records that gives.
//
// The decoder discards an IPFIX message with a malformed set, and the templates in it: RFC
// 7011, section 9.1. Here what comes before such a set stays. And it takes no template
// from another port of the exporter: here that serves as long as all ports agree.
var Contested = map[string]map[int]int{
	"telegraf-issue_14370":        {0: 1},
	"pmacct-112-option-reassign":  {10: 1, 20: 8},
	"cesnet-enterprise-from-nfv9": {1: 1, 2: 7, 3: 7, 4: 7, 5: 7, 6: 7, 7: 7, 8: 7, 9: 7},
}

// Case is one of a crafted capture, of its index.json: datagrams of one exporter.
type Case struct {
	Name       string
	Pkts       [2]int
	Canonical  int   `json:"records_canonical"`
	Acceptable []int `json:"records_acceptable"`
	Late       int   `json:"late_records"`
}

// OnlyAcceptable are the cases in which this project decides otherwise than the strictest
// reading of the specifications, with how many records and late records that gives, and why.
var OnlyAcceptable = map[string]struct {
	Records, Late int
	Why           string
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
