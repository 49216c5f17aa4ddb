package collector

import (
	"net/netip"
	"slices"
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

func TestStreamsAreBoundedAndFrequentOnesStay(t *testing.T) {
	t.Parallel()
	const capacity, known = 64, 40
	table := newStreams(capacity, nil)
	now := time.Duration(0)
	for packet := range regularPackets {
		for port := range known {
			seen(table, 1, port, packet, now)
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
	left := 0
	for i := range table.slots {
		if st := &table.slots[i]; st.key.address[0] == 1 {
			left++
			if st.packets != regularPackets {
				t.Errorf("port %d has %d packets, want %d", st.key.port, st.packets, regularPackets)
			}
		}
	}
	if left != known {
		t.Errorf("%d of %d streams of ten packets survived forged sources", left, known)
	}
}

// regularly shows the table a stream that has become regular when it returns,
// two minutes later.
func regularly(t *streams, address byte, port int, from time.Duration) {
	for packet := range regularPackets {
		minute := max(0, packet-(regularPackets-regularMinutes))
		seen(t, address, port, packet, from+time.Duration(minute)*time.Minute)
	}
}

// standingAt returns the standing of a stream, and whether it is there.
func standingAt(table *streams, address byte, port int) (standing, bool) {
	for key, i := range table.index {
		if key.address[0] == address && int(key.port) == port {
			return table.slots[i].standing, true
		}
	}
	return 0, false
}

// Regular is who sent ten packets and was heard in three minutes: neither a burst
// nor a few packets that are far apart are enough.
func TestStreamsBecomeRegular(t *testing.T) {
	t.Parallel()
	const minute = time.Minute
	tests := []struct {
		name    string
		packets []time.Duration
		want    standing
	}{
		{"a burst", slices.Repeat([]time.Duration{0}, 1000), frequent},
		{"two bursts a minute apart", append(slices.Repeat([]time.Duration{0}, 500), slices.Repeat([]time.Duration{minute}, 500)...), frequent},
		{"just below two minutes", append(slices.Repeat([]time.Duration{0}, 8), minute, 2*minute-1), frequent},
		{"two minutes", append(slices.Repeat([]time.Duration{0}, 8), minute, 2*minute), regular},
		{"minutes begin with a packet", append(slices.Repeat([]time.Duration{0}, 8), minute+30*s, 2*minute+29*s), frequent},
		{"nine packets", append(slices.Repeat([]time.Duration{0}, 7), minute, 2*minute), newcomer},
		{"one in ten minutes", []time.Duration{0, 10 * minute, 20 * minute, 30 * minute, 40 * minute, 50 * minute, 60 * minute, 70 * minute, 80 * minute, 90 * minute}, regular},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			table := newStreams(4, nil)
			for i, at := range test.packets {
				seen(table, 1, 1, i, at)
			}
			if got, _ := standingAt(table, 1, 1); got != test.want {
				t.Errorf("standing %d, want %d", got, test.want)
			}
		})
	}
}

// Even forged sources that send for as long as it takes do not displace a
// regular that goes on, and leave a quarter of the table to others.
func TestRegularsKeepTheirSeats(t *testing.T) {
	t.Parallel()
	const capacity, seats = 64, 48
	table := newStreams(capacity, nil)
	regularly(table, 1, 1, 0)
	var now time.Duration
	for minute := range 10 {
		for packet := range 10 {
			now = 2*time.Minute + time.Duration(minute)*time.Minute + time.Duration(packet)*s
			for port := range capacity - 2 {
				seen(table, 2, port, packet, now)
			}
			seen(table, 1, 1, packet, now)
		}
	}
	if table.regulars != seats {
		t.Errorf("%d regulars, want %d: three quarters", table.regulars, seats)
	}
	for port := range 10_000 {
		seen(table, 3, port, 0, now)
	}
	if got, _ := standingAt(table, 1, 1); got != regular {
		t.Error("the exporter is not regular any more")
	}
	if len(table.slots) != capacity || len(table.index) != capacity || table.regulars != seats {
		t.Errorf("%d slots, %d in the index, %d regulars", len(table.slots), len(table.index), table.regulars)
	}
}

// Of capacity 4 there are 3 seats. The fourth that earns one gets that of a
// regular which was silent for ten minutes, and that one is evicted next.
func TestSilentRegularsGiveUpTheirSeats(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		last time.Duration // when the fourth sends its last packet
		want standing
	}{
		{"silent for ten minutes", 2*time.Minute + regularSilence, frequent},
		{"silent for longer", 2*time.Minute + regularSilence + 1, regular},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			table := newStreams(4, nil)
			for port := range 3 {
				regularly(table, 1, port, 0)
			}
			regularly(table, 2, 9, 2*time.Minute)
			if got, _ := standingAt(table, 2, 9); got != frequent {
				t.Fatalf("standing %d while there is no seat, want frequent", got)
			}
			seen(table, 2, 9, regularPackets, test.last)
			if got, _ := standingAt(table, 2, 9); got != test.want {
				t.Errorf("standing %d, want %d", got, test.want)
			}
			if table.regulars != 3 {
				t.Errorf("%d regulars, want 3", table.regulars)
			}
			if test.want != regular {
				return
			}
			seen(table, 3, 7, 0, test.last)
			if _, there := standingAt(table, 1, 0); there {
				t.Error("the regular that gave up its seat is still there")
			}
		})
	}
}

// A stream whose address is allowed by name is evicted after all that are not.
func TestStreamsAllowedByNameStay(t *testing.T) {
	t.Parallel()
	table := newStreams(8, namedBy([]netip.Prefix{netip.MustParsePrefix("100::/8"), netip.MustParsePrefix("100::/120")}))
	seen(table, 1, 1, 0, 0) // address 100::
	for forged := range 1000 {
		for packet := range regularPackets {
			seen(table, 2, forged, packet, ms)
		}
	}
	if got, there := standingAt(table, 1, 1); got != named || !there {
		t.Errorf("standing %d, there: %v; want named", got, there)
	}
}

// Of capacity 3: the newcomer that was silent longest goes first; when all are
// frequent, the one that was silent longest.
func TestStreamsEvictTheOldest(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		packets  []int // ports in the order of their packets
		frequent []int // ports that sent ten packets before
		want     []int // ports that are left
	}{
		{"all newcomers", []int{1, 2, 3, 4}, nil, []int{2, 3, 4}},
		{"heard again", []int{1, 2, 3, 1, 4}, nil, []int{1, 3, 4}},
		{"newcomer before frequent", []int{8, 9, 4}, []int{1}, []int{1, 9, 4}},
		{"only frequent", []int{4}, []int{1, 2, 3}, []int{2, 3, 4}},
		{"only frequent, one heard again", []int{1, 4}, []int{1, 2, 3}, []int{1, 3, 4}},
		{"the next newcomer displaces the first", []int{4, 5, 6}, []int{1, 2, 3}, []int{2, 3, 6}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			table := newStreams(3, nil)
			now := time.Duration(0)
			show := func(port, packet int) {
				seen(table, 1, port, packet, now)
				now += ms
			}
			for _, port := range test.frequent {
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
	table := newStreams(1, nil)
	for _, at := range []time.Duration{0, ms} { // 0-29 and 60-89
		p := export{at: at, seq: uint32(at/ms) * 60, records: 30}.sighting()
		table.see(p, at)
	}
	seen(table, 2, 2, 0, ms+gapPatience)
	if table.missedRecords != 30 {
		t.Errorf("%d flows missed, want the 30 whose gap was open for a second", table.missedRecords)
	}
}

func TestStreamsTellWhatChanged(t *testing.T) {
	t.Parallel()
	table := newStreams(10, nil)
	show := func(e export, skewed bool) findings {
		p := e.sighting()
		p.skewed = skewed
		found, _ := table.see(p, e.at)
		return found
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
	if table.missedRecords != 30 {
		t.Errorf("%d flows missed, want 30", table.missedRecords)
	}
}

// What the comment at maxStreams promises. A map in which others take the place of
// those that are deleted grows until a fifth of its places is filled, each key and
// value and a byte.
func TestStreamSize(t *testing.T) {
	t.Parallel()
	place := unsafe.Sizeof(streamKey{}) + unsafe.Sizeof(int32(0)) + 1
	if size := unsafe.Sizeof(stream{}) + place*5; size > 640 {
		t.Errorf("a stream takes %d bytes, more than the 640 that are promised", size)
	}
}

func BenchmarkStreams(b *testing.B) {
	for _, test := range []struct {
		name      string
		exporters int
	}{{"exporters=16", 16}, {"exporters=8192", 8192}, {"forged", 1 << 20}} {
		b.Run(test.name, func(b *testing.B) {
			table := newStreams(maxStreams/4, nil)
			p := export{records: 30}.sighting()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				source := i % test.exporters
				p.address[13], p.address[14], p.address[15] = byte(source>>16), byte(source>>8), byte(source)
				p.number = uint32(i/test.exporters) * 30
				table.see(p, time.Duration(i)*time.Microsecond)
			}
		})
	}
}
