package template_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/ipfix"
	"github.com/flowpub/flowpub/decoder/netflow9"
	"github.com/flowpub/flowpub/decoder/template"
	"github.com/flowpub/flowpub/internal/pcap"
)

// A datagram is one that an exporter sent.
type datagram struct {
	from    netip.AddrPort
	payload []byte
}

// readCapture returns the datagrams of a capture that are of NetFlow v9, IPFIX or sFlow: the
// expected records are numbered by these.
func readCapture(tb testing.TB, path string) (found []datagram) {
	tb.Helper()
	file, err := os.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer file.Close()
	err = pcap.Read(file, nil, func(p pcap.Packet) error {
		if b := p.Payload; len(b) >= 2 && b[0] == 0 && (b[1] == 9 || b[1] == 10) || bytes.HasPrefix(b, []byte{0, 0, 0, 5}) {
			found = append(found, datagram{p.Source, bytes.Clone(b)})
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
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		b, err = os.ReadFile(path + ".gz")
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

// readLines returns the values of a file with a JSON value on each line.
func readLines[T any](tb testing.TB, path string) (values []T) {
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

// A decoded record is one that a collector publishes.
type decodedRecord struct {
	header *decoder.Header
	record *decoder.Record
	*decoder.Extension
}

// A rig decodes datagrams as a collector does.
type rig struct {
	table  *template.Table
	room   *template.Room
	reader *template.Reader
	now    time.Duration

	received, decoded, dropped, lost int // data sets
}

func newRig() *rig {
	t := template.NewTable(template.Config{})
	return &rig{table: t, room: template.NewRoom(t), reader: template.NewReader(t)}
}

// take decodes a datagram. It calls late for each packet of a set that had to wait, with
// what number it was given, and returns the packet of the datagram.
func (g *rig) take(tb testing.TB, number int, d datagram, late func(int, *decoder.ExportPacket)) (*decoder.ExportPacket, error) {
	tb.Helper()
	g.now += time.Millisecond
	var p decoder.ExportPacket
	var err error
	if d.payload[1] == 9 {
		err = netflow9.Decode(g.reader, d.payload, d.from, g.now, &p)
	} else {
		err = ipfix.Decode(g.reader, d.payload, d.from, g.now, &p)
	}
	sets := g.reader.Sets
	g.account(tb, &sets)
	for _, set := range sets.Missing {
		if !g.room.Add(d.from, &p.Header, set, decoder.UnixNano(number), g.now) {
			g.lost++
		}
	}
	if len(sets.Learned) > 0 {
		ready, lost := g.room.Take(d.from, &p.Header, sets.Learned, g.now)
		g.lost += len(lost)
		for _, w := range ready {
			var old decoder.ExportPacket
			g.reader.Waited(w, g.now, &old)
			if len(g.reader.Missing) > 0 {
				tb.Errorf("set %d that waited has no template", w.Template)
			}
			late(int(w.ReceivedAt), &old)
		}
	}
	return &p, err
}

// account books the data sets of a packet, and checks the sum.
func (g *rig) account(tb testing.TB, s *template.Sets) {
	tb.Helper()
	sum := s.Decoded + uint32(len(s.Missing))
	for _, n := range s.Dropped {
		sum += n
		g.dropped += int(n)
	}
	if s.Received != sum {
		tb.Errorf("%d data sets received, %d decoded, missing or dropped: %+v", s.Received, sum, *s)
	}
	g.received += int(s.Received)
	g.decoded += int(s.Decoded)
}

// A row is a flow record that an independent decoder found in a capture.
type row struct {
	Pkt, Set, Rec int
	Version       int
	Domain        uint32
	Sequence      uint32
	ExportTime    uint32 `json:"export_time"`
	TemplateID    uint64 `json:"template_id"`
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
	Fields        [][]any
}

// repeats reports whether the record has one of the elements twice; then any occurrence
// of it may be taken.
func (r *row) repeats(ids ...uint32) bool {
	for _, dup := range r.DupIEs {
		if slices.Contains(ids, dup[1]) {
			return true
		}
	}
	return false
}
