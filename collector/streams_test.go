package collector

import (
	"testing"
	"time"
	"unsafe"
)

// seen shows a table one packet of a stream that is never missing any.
func seen(t *streams, address byte, port, packet int, now time.Duration) {
	p := export{at: now, seq: uint32(packet) * 30, records: 30}.sighting()
	p.address[0], p.port = address, uint16(port)
	t.see(p, now)
}

func TestStreamsAreBoundedAndRegularsStay(t *testing.T) {
	t.Parallel()
	const capacity, regulars = 64, 40
	table := newStreams(capacity)
	now := time.Duration(0)
	for packet := range regularPackets {
		for r := range regulars {
			seen(table, 1, r, packet, now)
		}
		now += s
	}
	for forged := range 10_000 {
		seen(table, 2, forged, 0, now)
		now += ms
	}
	if len(table.slots) != capacity || len(table.index) != capacity || cap(table.slots) > 2*capacity {
		t.Errorf("%d slots of %d, %d in the index; want %d", len(table.slots), cap(table.slots), len(table.index), capacity)
	}
	known := 0
	for i := range table.slots {
		if st := &table.slots[i]; st.key.address[0] == 1 {
			known++
			if st.packets != regularPackets {
				t.Errorf("port %d has %d packets, want %d", st.key.port, st.packets, regularPackets)
			}
		}
	}
	if known != regulars {
		t.Errorf("%d of %d regular streams survived forged sources", known, regulars)
	}
}

// Of capacity 3: the newcomer that was silent longest goes first; when there
// are only regulars, the one that was silent longest.
func TestStreamsEvictTheOldest(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		packets []int // ports in the order of their packets
		regular []int // ports that are regulars before
		want    []int // ports that are left
	}{
		{"all newcomers", []int{1, 2, 3, 4}, nil, []int{2, 3, 4}},
		{"heard again", []int{1, 2, 3, 1, 4}, nil, []int{1, 3, 4}},
		{"newcomer before regular", []int{8, 9, 4}, []int{1}, []int{1, 9, 4}},
		{"only regulars", []int{4}, []int{1, 2, 3}, []int{2, 3, 4}},
		{"only regulars, one heard again", []int{1, 4}, []int{1, 2, 3}, []int{1, 3, 4}},
		{"the next newcomer displaces the first", []int{4, 5, 6}, []int{1, 2, 3}, []int{2, 3, 6}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			table := newStreams(3)
			now := time.Duration(0)
			show := func(port, packet int) {
				seen(table, 1, port, packet, now)
				now += ms
			}
			for _, port := range test.regular {
				for packet := range regularPackets {
					show(port, packet)
				}
			}
			for _, port := range test.packets {
				show(port, regularPackets)
			}
			left := make(map[int]bool)
			for key := range table.index {
				left[int(key.port)] = true
			}
			for _, port := range test.want {
				if !left[port] {
					t.Errorf("%d is gone; left: %v", port, left)
				}
			}
			if len(left) != len(test.want) {
				t.Errorf("left are %v, want %v", left, test.want)
			}
		})
	}
}

func TestEvictionCountsWhatIsCertain(t *testing.T) {
	t.Parallel()
	table := newStreams(1)
	for _, at := range []time.Duration{0, ms} { // 0-29 and 60-89
		p := export{at: at, seq: uint32(at/ms) * 60, records: 30}.sighting()
		table.see(p, at)
	}
	seen(table, 2, 2, 0, ms+gapPatience)
	if table.missed != 30 {
		t.Errorf("%d flows missed, want the 30 whose gap was open for a second", table.missed)
	}
}

func TestStreamsTellWhatChanged(t *testing.T) {
	t.Parallel()
	table := newStreams(10)
	show := func(e export, skewed bool) findings {
		p := e.sighting()
		p.skewed = skewed
		return table.see(p, e.at)
	}
	steps := []struct {
		packet export
		skewed bool
		want   findings
	}{
		{export{at: 0, seq: 0, records: 30}, false, 0},
		{export{at: 1 * s, seq: 60, records: 30}, true, foundSkew},
		{export{at: 2 * s, seq: 90, records: 30}, true, foundLoss},
		{export{at: 3 * s, seq: 120, records: 30}, false, 0},
		{export{at: 4 * s, seq: 120, records: 30}, false, 0},
		{export{at: 5 * s, seq: 120, records: 30}, false, 0},
		{export{at: 6 * s, seq: 120, records: 30}, true, foundSkew | foundUnsequenced},
	}
	for i, step := range steps {
		if got := show(step.packet, step.skewed); got != step.want {
			t.Errorf("step %d: got %b, want %b", i, got, step.want)
		}
	}
	if table.missed != 30 {
		t.Errorf("%d flows missed, want 30", table.missed)
	}
}

// What the comment at maxStreams promises. A map keeps at least 7 of 16 places
// filled, each key and value and a byte.
func TestStreamSize(t *testing.T) {
	t.Parallel()
	place := unsafe.Sizeof(streamKey{}) + unsafe.Sizeof(int32(0)) + 1
	if size := unsafe.Sizeof(stream{}) + place*16/7; size > 350 {
		t.Errorf("a stream takes %d bytes, more than the 350 that are promised", size)
	}
}

func BenchmarkStreams(b *testing.B) {
	for _, test := range []struct {
		name      string
		exporters int
	}{{"exporters=16", 16}, {"exporters=8192", 8192}, {"forged", 1 << 20}} {
		b.Run(test.name, func(b *testing.B) {
			table := newStreams(maxStreams / 4)
			p := export{records: 30}.sighting()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				source := i % test.exporters
				p.address[13], p.address[14], p.address[15] = byte(source>>16), byte(source>>8), byte(source)
				p.flowSequence = uint32(i/test.exporters) * 30
				table.see(p, time.Duration(i)*time.Microsecond)
			}
		})
	}
}
