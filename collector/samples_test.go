package collector

import (
	"encoding/binary"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/flowpub/flowpub/decoder/sflow"
)

// numbers returns 32 bits each.
func numbers(values ...uint32) (b []byte) {
	for _, v := range values {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return b
}

// opaque returns a sample of a format.
func opaque(format uint32, content []byte) []byte {
	return append(numbers(format, uint32(len(content))), content...)
}

// sflowDatagram returns a datagram of agent 192.0.2.200 that has a flow sample of one
// interface with each of these numbers.
func sflowDatagram(sequence uint32, samples ...uint32) []byte {
	b := numbers(5, 1, 0xc00002c8, 0, sequence, 1000, uint32(len(samples)))
	for _, n := range samples {
		b = append(b, opaque(1, numbers(n, 5, 100, 100, 0, 1, 2, 0))...)
	}
	return b
}

// What becomes of the samples of a datagram, whose flows are in the ledger as others.
func TestSamples(t *testing.T) {
	t.Parallel()
	c := newTestCollector(t, 1, 1, nil)
	good := opaque(1, numbers(1, 5, 100, 100, 0, 1, 2, 0))
	datagram := func(announced uint32, samples ...[]byte) []byte {
		return append(numbers(5, 1, 0xc00002c8, 0, 1, 1000, announced), slices.Concat(samples...)...)
	}
	broken := opaque(1, numbers(1, 5, 100, 100, 0, 1, 2, 1))
	discarded := opaque(5, numbers(1, 0, 5, 0, 1, 2, 258, 0))
	counters := opaque(2, numbers(1, 5, 0))
	for _, payload := range [][]byte{
		datagram(5, good, discarded, counters, opaque(4, nil), opaque(77, nil)),
		datagram(2, good, broken),
		datagram(258, slices.Repeat(good, 258)),
		datagram(1, counters),
		datagram(1, broken), // rejected
	} {
		c.intakes[0][0].handle(from("192.0.2.1:6343", payload), time.Now())
	}
	s := c.Snapshot()
	if want := map[string]uint64{"flow": 258, "discarded": 1, "counters": 3, "unknown": 1, "malformed": 1, "limit": 2}; !maps.Equal(s.Samples, want) {
		t.Errorf("samples %v, want %v", s.Samples, want)
	}
	if s.DatagramsDecoded["sflow"] != 4 || s.DatagramsRejected["no_records"] != 1 || s.FlowsDecoded != 259 {
		t.Errorf("%v decoded, %v rejected, %d flows, want 4, 1 and 259", s.DatagramsDecoded, s.DatagramsRejected, s.FlowsDecoded)
	}
	if datagrams, sets, flows := s.Imbalance(); datagrams != 0 || sets != 0 || flows != 0 {
		t.Errorf("the ledger is off by %d datagrams, %d data sets, %d flows", datagrams, sets, flows)
	}
	if lines := c.log.Lines("samples of sFlow dropped"); len(lines) != 1 {
		t.Errorf("%q, want one line", lines)
	}
}

// Samples that are missing, and those that their agent dropped, are counted and told.
func TestSamplesMissing(t *testing.T) {
	t.Parallel()
	c := newTestCollector(t, 1, 1, nil)
	began := time.Now()
	for i, samples := range [][]uint32{{1, 2, 3, 4}, {5, 8, 9}, {10, 11}} {
		payload := sflowDatagram(uint32(i), samples...)
		if i == 1 {
			binary.BigEndian.PutUint32(payload[28+8+16:], 7) // the first sample's drops
			binary.BigEndian.PutUint32(payload[28+40+8+16:], 7)
			binary.BigEndian.PutUint32(payload[28+80+8+16:], 7)
		}
		c.intakes[0][0].handle(from("192.0.2.1:6343", payload), began.Add(time.Duration(i)*time.Second))
	}
	c.intakes[0][0].handle(from("192.0.2.9:1", v5(0, 1, began)), began.Add(4*time.Second))
	if s := c.Snapshot(); s.SamplesMissed != 2 || s.SamplesAgentDropped != 7 {
		t.Errorf("%d missed, %d dropped by the agent, want 2 and 7", s.SamplesMissed, s.SamplesAgentDropped)
	}
	if lines := c.log.Lines("agent=192.0.2.200 source_type=0 source_index=5 drops=7"); len(lines) != 1 {
		t.Errorf("%q, want one line", c.log.Lines("sFlow"))
	}
}

// What sample numbers of one data source tell, each a second after the one before unless it
// is negative: -n is a silence of n minutes.
func TestSources(t *testing.T) {
	t.Parallel()
	inOrder := []int64{1, 2, 3, 4}
	for _, test := range []struct {
		name    string
		numbers []int64
		missed  uint64
	}{
		{"in order", []int64{1, 2, 3, 4, 5, 6}, 0},
		{"a gap", append(inOrder, 10, 11, 12), 5},
		{"a gap before there is trust", []int64{1, 2, 3, 10, 11}, 0},
		{"one that counts no numbers", []int64{0, 0, 0, 0, 0, 0, 0, 0, 0}, 0},
		{"one that numbers two sources' samples", []int64{1, 3, 4, 6, 7, 9, 10, 12, 13, 15, 16}, 0},
		{"a restart", append(inOrder, 100_000, 100_001, 1, 2), 0},
		{"10,000 missing", append(inOrder, 10_005, 10_006), 10_000},
		{"10,001 missing", append(inOrder, 10_006, 10_007), 0},
		{"silence", append(inOrder, -11, 10, 11), 0},
		{"copies", append(inOrder, 3, 4, 5, 6), 0},
		{"the wrap", []int64{1<<32 - 4, 1<<32 - 3, 1<<32 - 2, 1<<32 - 1, 1, 2}, 1},
		{"a restart by a few", append(inOrder, 1, 2, 3, 4, 5, 6, 7, 10, 11), 2},
		{"two gaps", append(inOrder, 5, 6, 7, 8, 12, 14, 15), 4},
		{"a gap too soon after another", append(inOrder, 5, 6, 10, 12, 13), 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			table := newSources(1024)
			var c sampleCounts
			var now time.Duration
			for _, n := range test.numbers {
				if n < 0 {
					now += time.Duration(-n) * time.Minute
					continue
				}
				c.missed += table.see(&sflow.Source{Index: 1, Sequence: uint32(n)}, now).missed
				now += time.Second
			}
			table.closeGaps(&c, now+time.Minute)
			if c.missed != test.missed || table.gaps != 0 {
				t.Errorf("%d missed, %d gaps open, want %d and none", c.missed, table.gaps, test.missed)
			}
		})
	}
}

// A late sample is not missing, as long as its gap is open; nor does a copy of one that was
// there close it.
func TestLateSamples(t *testing.T) {
	t.Parallel()
	table := newSources(1024)
	var c sampleCounts
	see := func(now time.Duration, all ...uint32) {
		for _, n := range all {
			c.missed += table.see(&sflow.Source{Index: 1, Sequence: n}, now).missed
		}
	}
	see(0, 1, 2, 3, 4, 8)
	see(500*time.Millisecond, 6, 2, 9)
	table.closeGaps(&c, 900*time.Millisecond)
	if c.missed != 0 {
		t.Errorf("%d missed before a second was over, want none", c.missed)
	}
	see(time.Second, 10)
	table.closeGaps(&c, 2*time.Second)
	if c.missed != 2 {
		t.Errorf("%d missed, want 2", c.missed)
	}
	see(3*time.Second, 5)
	if table.gaps != 0 {
		t.Error("a gap that was counted is open again")
	}
}

// What an agent's drops rise by counts; where they fall or jump they began anew.
func TestAgentDrops(t *testing.T) {
	t.Parallel()
	table := newSources(1024)
	var dropped uint64
	for i, drops := range []uint32{50, 50, 53, 60, 0, 1, 1 << 30, 1<<30 + 2} {
		dropped += table.see(&sflow.Source{Sequence: uint32(i), Drops: drops}, 0).drops
	}
	if dropped != 3+7+1+2 {
		t.Errorf("%d dropped, want 13", dropped)
	}
}

// Data sources differ in everything that their numbers may depend on.
func TestSourceKeys(t *testing.T) {
	t.Parallel()
	in := newTestCollector(t, 1, 1, nil).intakes[0][0]
	table := newSources(4096)
	for _, exporter := range []string{"192.0.2.1:1", "192.0.2.1:2", "192.0.2.2:1"} {
		for _, agent := range []uint32{1, 2} {
			for _, domain := range []uint32{0, 7} {
				for _, source := range []uint32{5, 6, 1<<24 | 5} {
					for _, format := range []uint32{1, 5} {
						sample := opaque(1, numbers(1, source, 0, 0, 0, 0, 0, 0))
						if format == 5 {
							sample = opaque(5, numbers(1, source>>24, source&0xffffff, 0, 0, 0, 0, 0))
						}
						payload := append(numbers(5, 1, agent, domain, 1, 1, 1), sample...)
						if err := sflow.Decode(payload, &in.packet, &in.samples); err != nil {
							t.Fatal(err)
						}
						table.begin(netip.MustParseAddrPort(exporter), &in.packet.Header)
						table.see(&in.samples.Sources[0], 0)
					}
				}
			}
		}
	}
	used := 0
	for i := range table.slots {
		used += one(table.slots[i].used)
	}
	if used != 3*2*2*3*2 {
		t.Errorf("%d data sources, want %d", used, 3*2*2*3*2)
	}
}

// A flood of forged data sources takes the places of others, never of one with full trust as
// long as there are others.
func TestForgedSources(t *testing.T) {
	t.Parallel()
	table := newSources(1024)
	var c sampleCounts
	for n := range uint32(20) {
		table.see(&sflow.Source{Index: 1, Sequence: n}, 0)
	}
	for i := range uint32(100_000) {
		for n := range uint32(5) {
			c.missed += table.see(&sflow.Source{Index: 2 + i, Sequence: 3 * n}, time.Duration(i)).missed
		}
	}
	c.missed += table.see(&sflow.Source{Index: 1, Sequence: 25}, time.Minute).missed
	table.closeGaps(&c, 2*time.Minute)
	if c.missed != 5 || len(table.slots) != 1024 {
		t.Errorf("%d missed, %d slots, want 5 and 1024", c.missed, len(table.slots))
	}
}

// The constants and the documentation tell how much memory data sources take.
func TestSourceSize(t *testing.T) {
	t.Parallel()
	if size := unsafe.Sizeof(source{}); size > 64 {
		t.Errorf("a data source takes %d bytes, want 64 at most", size)
	}
	if n := len(newSources(maxStreams * sourcesOfStream).slots); n != 65536 {
		t.Errorf("%d data sources, want 65536", n)
	}
}

func BenchmarkSources(b *testing.B) {
	for _, n := range []int{64, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			table := newSources(maxStreams * sourcesOfStream)
			var s sflow.Source
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				s.Index, s.Sequence = uint32(i%n), uint32(i/n)
				table.see(&s, 0)
				i++
			}
		})
	}
}
