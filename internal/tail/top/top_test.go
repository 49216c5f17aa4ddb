package top

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/flowpub/flowpub/internal/tail/flow"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// between is a flow from 10.0.0.A to 10.0.0.B.
func between(a, b byte, packets, octets uint64) *flowv1.FlowRecord {
	return &flowv1.FlowRecord{
		ExporterAddress: []byte{192, 0, 2, 1}, SourceAddress: []byte{10, 0, 0, a}, DestinationAddress: []byte{10, 0, 1, b},
		Protocol: 6, SourcePort: 1000 + uint32(a), DestinationPort: 443, Packets: packets, Octets: octets,
		SamplingInterval: 10, ExporterName: "core", TcpFlags: 2, Format: 5,
	}
}

// The sums are added up by hand.
func TestRows(t *testing.T) {
	t.Parallel()
	flows := []*flowv1.FlowRecord{
		between(1, 2, 10, 1000), between(1, 3, 1, 5000), between(2, 2, 100, 100), between(1, 2, 5, 500),
	}
	for _, tt := range []struct {
		name string
		cfg  Config
		want []Row
	}{
		{"by source", Config{Keys: keys(t, "src")}, []Row{
			{[]string{"10.0.0.1"}, Sum{3, 16, 6500}}, {[]string{"10.0.0.2"}, Sum{1, 100, 100}},
		}},
		{"by packets", Config{Keys: keys(t, "src"), By: Packets}, []Row{
			{[]string{"10.0.0.2"}, Sum{1, 100, 100}}, {[]string{"10.0.0.1"}, Sum{3, 16, 6500}},
		}},
		{"the first row", Config{Keys: keys(t, "src"), By: Flows, Rows: 1}, []Row{{[]string{"10.0.0.1"}, Sum{3, 16, 6500}}}},
		{"by both ends", Config{Keys: keys(t, "src,dst")}, []Row{
			{[]string{"10.0.0.1", "10.0.1.3"}, Sum{1, 1, 5000}}, {[]string{"10.0.0.1", "10.0.1.2"}, Sum{2, 15, 1500}},
			{[]string{"10.0.0.2", "10.0.1.2"}, Sum{1, 100, 100}},
		}},
		{"networks", Config{Keys: keys(t, "src/23,dst/31")}, []Row{
			{[]string{"10.0.0.0/23", "10.0.1.2/31"}, Sum{4, 116, 6600}},
		}},
		{"of either end", Config{Keys: keys(t, "ip/24"), By: Flows}, []Row{
			{[]string{"10.0.0.0/24"}, Sum{4, 116, 6600}}, {[]string{"10.0.1.0/24"}, Sum{4, 116, 6600}},
		}},
		{"both ends are equal", Config{Keys: keys(t, "net/16")}, []Row{{[]string{"10.0.0.0/16"}, Sum{4, 116, 6600}}}},
		{"scaled", Config{Keys: keys(t, "proto"), Scaled: true}, []Row{{[]string{"TCP"}, Sum{4, 1160, 66000}}}},
		{"other keys", Config{Keys: keys(t, "exporter,name,dstport,flags,format,icmp,srcas")}, []Row{
			{[]string{"192.0.2.1", "core", "443", "......S.", "v5", "-", "0"}, Sum{4, 116, 6600}},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			table := New(tt.cfg)
			for range 2 { // Reset leaves nothing
				table.Reset()
				for _, m := range flows {
					table.Add(decoded(t, m))
				}
			}
			if got := table.Rows(); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got  %v\nwant %v", got, tt.want)
			}
			if table.Total.Flows != 4 || table.Others.Flows != 0 {
				t.Errorf("all flows are %v, others %v", table.Total, table.Others)
			}
		})
	}
}

// However many keys come, as many are kept as may be, and the rest is told.
func TestOthers(t *testing.T) {
	t.Parallel()
	table := New(Config{Keys: keys(t, "src"), MaxSums: 10})
	for range 2 {
		for i := range byte(100) {
			table.Add(decoded(t, between(i, 1, 1, 10)))
		}
	}
	if table.Len() != 10 || table.Others != (Sum{180, 180, 1800}) || table.Total != (Sum{200, 200, 2000}) {
		t.Errorf("%d sums are kept, others are %v of %v; want 10, 180 flows of 200", table.Len(), table.Others, table.Total)
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": `key "" is not known: use as, domain, dst,`, "src,,dst": `key "" is not known`, "city": `key "city" is not known`,
		"src/33": `network "src/33" is not known: write src/24`, "src/a": "is not known", "src/24/129": "is not known", "dstport/8": "has no networks",
		strings.Repeat("src,", 8) + "dst": "9 keys are too many: give at most 8",
	} {
		var k Keys
		if err := k.UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error is %v, want %s", text, err, want)
		}
	}
	if k := keys(t, "SrcIP, dst/24/56"); k.String() != "srcip,dst/24/56" || !k.IsAddress(1) || k[1].bits6 != 56 {
		t.Errorf("got %+v", k)
	}
	six := between(1, 1, 1, 1)
	six.SourceAddress = []byte{0x20, 0x01, 0x0d, 0xb8, 0xab, 0xcd, 0x12, 0x34, 15: 1}
	table := New(Config{Keys: keys(t, "src/8")})
	table.Add(decoded(t, six))
	if got := table.Rows()[0].Keys[0]; got != "2001:db8:abcd::/48" {
		t.Errorf("the IPv6 network is %s", got)
	}
}

// A flow with keys that are there already is added without memory of its own.
func TestAddAllocatesNothing(t *testing.T) {
	table := New(Config{Keys: keys(t, "src,dst/24,dstport,proto")})
	f := decoded(t, between(1, 2, 3, 4))
	if n := testing.AllocsPerRun(100, func() { table.Add(f) }); n != 0 {
		t.Errorf("%v allocations a flow", n)
	}
}

func BenchmarkAdd(b *testing.B) {
	var flows []*flow.Flow
	for i := range 256 {
		flows = append(flows, decoded(b, between(byte(i), byte(i), 3, 4)))
	}
	table := New(Config{Keys: keys(b, "src,dst")})
	for i := 0; b.Loop(); i++ {
		table.Add(flows[i%256])
	}
}

func keys(tb testing.TB, text string) (k Keys) {
	tb.Helper()
	if err := k.UnmarshalText([]byte(text)); err != nil {
		tb.Fatal(err)
	}
	return k
}

func decoded(tb testing.TB, m *flowv1.FlowRecord) *flow.Flow {
	tb.Helper()
	value, err := proto.Marshal(m)
	if err != nil {
		tb.Fatal(err)
	}
	f := new(flow.Flow)
	if err := f.Decode(flow.Protobuf, value); err != nil {
		tb.Fatal(err, fmt.Sprint(m))
	}
	return f
}
