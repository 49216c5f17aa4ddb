package publisher

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/flowpub/flowpub/decoder"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// mustSpread returns a spread of one network.
func mustSpread(network string, partitions int, datagrams bool) []Spread {
	return []Spread{{netip.MustParsePrefix(network), partitions, datagrams}}
}

// A key is spread over exactly as many partitions as asked for, the first of which is
// where it is without; over all when there are not as many, each as often as another
// or once more.
func TestSpreadOverExactly(t *testing.T) {
	t.Parallel()
	const hash = 0x1234567
	for n := 1; n <= 130; n++ {
		used := make([]int, n)
		for slot := range 3 * n {
			used[place{hash, uint16(slot)}.partition(PartitionerMurmur2, n)]++
			for i, times := range used {
				if times != slot/n && times != slot/n+1 {
					t.Fatalf("of %d partitions, %d is used %d times by %d slots", n, i, times, slot+1)
				}
			}
		}
		if used[hash%n] != 3 {
			t.Errorf("of %d partitions, %d is used %d times", n, hash%n, used[hash%n])
		}
		if got := (place{hash: hash}).partition(PartitionerMurmur2, n); got != hash%n {
			t.Errorf("of %d partitions slot 0 is in %d, want %d", n, got, hash%n)
		}
	}
}

// Slots are divided among brokers that lead every third partition, and among
// consumers of runs of neighbours.
func TestSpreadDividesWork(t *testing.T) {
	t.Parallel()
	const n = 12
	var leaders, consumers [3]int
	for slot := range 6 {
		at := place{7, uint16(slot)}.partition(PartitionerMurmur2, n) // 7, 2, 9, 4, 11, 6
		leaders[at%3]++
		consumers[at/4]++
	}
	if leaders != [3]int{2, 2, 2} || consumers != [3]int{1, 3, 2} {
		t.Errorf("leaders have %v, consumers %v", leaders, consumers)
	}
}

// The partitions were found by the definitions of murmur2 and of the finalizer of
// MurmurHash3, written down in Python. They must never change: replicas of
// different versions share an exporter's streams during a roll-out.
func TestSpreadPartition(t *testing.T) {
	t.Parallel()
	tests := []struct {
		exporter                  string
		domain                    uint32
		engineType, engineID      uint8
		of4in12, of4in100, all    int
		of8in6                    int
		zero, sequence, up, times int
	}{
		{"192.0.2.1:50000", 0, 0, 0, 9, 57, 9, 1, 4, 7, 9, 9},
		{"192.0.2.1:50000", 0, 0, 1, 7, 35, 7, 1, 7, 9, 4, 4},
		{"192.0.2.1:50001", 0, 0, 0, 9, 57, 5, 5, 7, 2, 9, 2},
		{"192.0.2.1:50000", 7, 0, 0, 7, 35, 11, 1, 7, 4, 4, 2},
		{"[::ffff:192.0.2.1]:50000", 7, 0, 0, 7, 35, 11, 1, 7, 4, 4, 2},
		{"192.0.2.1:50000", 0, 1, 0, 2, 96, 2, 2, 2, 4, 4, 4},
		{"[2001:db8::1]:2055", 0xffffffff, 255, 255, 3, 17, 3, 1, 3, 3, 5, 10},
		{"[2001:db8::1%eth0]:2055", 0xffffffff, 255, 255, 3, 17, 3, 1, 3, 3, 5, 10},
	}
	for _, tt := range tests {
		from := netip.MustParseAddrPort(tt.exporter)
		network := netip.PrefixFrom(from.Addr().Unmap().WithZone(""), 0).Masked()
		h := decoder.Header{ObservationDomain: tt.domain, EngineType: tt.engineType, EngineID: tt.engineID}
		check := func(partitions int, datagrams bool, n, want int) {
			t.Helper()
			p := NewPlacer(PartitionerMurmur2, []Spread{{network, partitions, datagrams}})
			if got := p.Partition(from, &h, n); got != want {
				t.Errorf("%s, header %+v: spread over %d (datagrams %v) it is in %d of %d, want %d", from, h, partitions, datagrams, got, n, want)
			}
		}
		check(4, true, 12, tt.zero)
		h.FlowSequence = 30
		check(4, true, 12, tt.sequence)
		h.SystemUptime = 1000
		check(4, true, 12, tt.up)
		h.ExportSeconds, h.ExportNanoseconds = 1700000000, 1
		check(4, true, 12, tt.times)
		check(4, false, 12, tt.of4in12)
		check(4, false, 100, tt.of4in100)
		check(12, false, 12, tt.all)
		check(8, false, 6, tt.of8in6)
	}
}

// Agents behind a relay are streams of their own. The partitions were found as those
// above.
func TestSpreadAgents(t *testing.T) {
	t.Parallel()
	p := NewPlacer(PartitionerMurmur2, mustSpread("192.0.2.1/32", 12, false))
	for agent, want := range map[string]int{"10.0.0.1": 2, "10.0.0.2": 0, "10.0.0.3": 9, "2001:db8::a": 0, "2001:db8:1::a": 5} {
		h := decoder.Header{ObservationDomain: 7, AgentAddress: netip.MustParseAddr(agent)}
		if got := p.Partition(netip.MustParseAddrPort("192.0.2.1:6343"), &h, 12); got != want {
			t.Errorf("agent %s is in partition %d, want %d", agent, got, want)
		}
	}
}

// Of many streams, and of the datagrams of one, each partition gets its share,
// whatever the exporter counts.
func TestSpreadDistribution(t *testing.T) {
	t.Parallel()
	const n, partitions, each = 48, 8, 2000
	from := netip.MustParseAddrPort("198.51.100.7:2055")
	tests := []struct {
		name      string
		datagrams bool
		header    func(i uint32) (port uint16, h decoder.Header)
	}{
		{"ports", false, func(i uint32) (uint16, decoder.Header) { return uint16(40000 + i), decoder.Header{} }},
		{"domains", false, func(i uint32) (uint16, decoder.Header) { return 2055, decoder.Header{ObservationDomain: i << 8} }},
		{"engines", false, func(i uint32) (uint16, decoder.Header) {
			return 2055 + uint16(i>>8), decoder.Header{EngineID: uint8(i)}
		}},
		{"flows counted", true, func(i uint32) (uint16, decoder.Header) { return 2055, decoder.Header{FlowSequence: 32 * i} }},
		{"datagrams counted", true, func(i uint32) (uint16, decoder.Header) { return 2055, decoder.Header{FlowSequence: i} }},
		{"uptime alone", true, func(i uint32) (uint16, decoder.Header) {
			return 2055, decoder.Header{SystemUptime: decoder.Uptime(i)}
		}},
		{"time alone", true, func(i uint32) (uint16, decoder.Header) {
			return 2055, decoder.Header{ExportSeconds: i >> 4, ExportNanoseconds: i & 15 * 62_500_000}
		}},
	}
	for _, tt := range tests {
		p := NewPlacer(PartitionerMurmur2, mustSpread("198.51.100.7/32", partitions, tt.datagrams))
		got := make(map[int]int)
		for i := range uint32(partitions * each) {
			port, h := tt.header(i)
			got[p.Partition(netip.AddrPortFrom(from.Addr(), port), &h, n)]++
		}
		if len(got) != partitions {
			t.Errorf("%s: %d partitions are used, want %d", tt.name, len(got), partitions)
		}
		for at, k := range got {
			if k < each*9/10 || k > each*11/10 { // nearly five standard deviations
				t.Errorf("%s: partition %d has %d of %d", tt.name, at, k, partitions*each)
			}
		}
	}
}

// The longest network counts, and 1 takes an exporter out of it.
func TestSpreadNetworks(t *testing.T) {
	t.Parallel()
	p := NewPlacer(PartitionerCRC32, []Spread{
		{netip.MustParsePrefix("198.51.100.0/24"), 4, false},
		{netip.MustParsePrefix("198.51.100.7/32"), 1, false},
		{netip.MustParsePrefix("198.51.100.8/32"), 12, true},
	})
	for exporter, want := range map[string]int{"198.51.100.6": 4, "198.51.100.7": 1, "198.51.100.8": 1, "192.0.2.1": 1} {
		used := make(map[int]bool)
		for port := range uint16(200) {
			h := decoder.Header{FlowSequence: uint32(port)}
			if exporter == "198.51.100.8" {
				port, want = 2055, 12
			}
			used[p.Partition(netip.AddrPortFrom(netip.MustParseAddr(exporter), port), &h, 24)] = true
		}
		if len(used) != want {
			t.Errorf("%s is spread over %d partitions, want %d", exporter, len(used), want)
		}
		home := PartitionerCRC32.of([]byte(exporter), 24)
		if !used[home] {
			t.Errorf("%s: partition %d, where its key is, is not used", exporter, home)
		}
	}
}

// spreadExporter sends the packets of tests with several streams, of spreadRecords.
const (
	spreadExporter = "198.51.100.7"
	spreadRecords  = 7
)

// spreadPacket returns a packet of one of four streams: two ports, two engines.
func spreadPacket(seed uint64) (netip.AddrPort, *decoder.ExportPacket) {
	p := testPacket(seed, spreadRecords)
	p.EngineType, p.EngineID = 0, uint8(seed/2%2)
	p.FlowSequence = uint32(seed) * spreadRecords
	return netip.AddrPortFrom(netip.MustParseAddr(spreadExporter), 50000+uint16(seed%2)), p
}

// publishSpread publishes packets with the seeds from..to-1 of that exporter.
func publishSpread(t *testing.T, p *Publisher, from, to uint64) uint64 {
	t.Helper()
	for seed := from; seed < to; seed++ {
		exporter, packet := spreadPacket(seed)
		if err := p.Publish(exporter, testReceived(seed), packet); err != nil {
			t.Fatalf("packet %d: %v", seed, err)
		}
	}
	return (to - from) * spreadRecords
}

// streamOf is what tells one stream of the exporter from another.
type streamOf struct{ port, engine uint32 }

// spans are where the flows of a stream are, in the order of a partition.
type spans map[streamOf]map[int32][]flowIdentity

// spansOf reads what was consumed; every flow has the exporter's key, and is there
// once.
func spansOf(t *testing.T, got consumed, n uint64) spans {
	t.Helper()
	all := make(spans)
	seen := make(map[flowIdentity]bool)
	for number, records := range got {
		for _, r := range records {
			id := identify(t, r)
			if seen[id] || string(r.Key) != spreadExporter {
				t.Fatalf("partition %d: %v is there twice, or has key %q", number, id, r.Key)
			}
			seen[id] = true
			var flow flowv1.FlowRecord
			if err := proto.Unmarshal(r.Value, &flow); err != nil {
				t.Fatal(err)
			}
			s := streamOf{flow.GetExporterPort(), flow.GetEngineId()}
			if all[s] == nil {
				all[s] = make(map[int32][]flowIdentity)
			}
			all[s][number] = append(all[s][number], id)
		}
	}
	if uint64(len(seen)) != n || len(all) != 4 {
		t.Fatalf("the topic has %d flows of %d streams, want %d of 4", len(seen), len(all), n)
	}
	return all
}

// inOrder fails the test unless the flows are.
func inOrder(t *testing.T, flows []flowIdentity) {
	t.Helper()
	for i := range flows[1:] {
		if !follows(flows[i], flows[i+1]) {
			t.Fatalf("%v comes after %v", flows[i+1], flows[i])
		}
	}
}

// Each stream has one partition and its order; the exporter has as many as there are
// slots its streams fall into, and that is where the placer says.
func TestStreamsAreSpread(t *testing.T) {
	t.Parallel()
	const packets, partitions = 400, 12
	broker := startBroker(t, partitions)
	spread := mustSpread("198.51.100.0/24", 4, false)
	p := startPublisher(t, broker.ListenAddrs(), func(c *Config) { c.Spreads = spread })
	n := publishSpread(t, p, 0, packets)
	closeWithin(t, p, patience)
	wantDelivered(t, p, n)
	placer := NewPlacer(PartitionerMurmur2, spread)
	used := make(map[int32]bool)
	for s, homes := range spansOf(t, consume(t, broker.ListenAddrs(), int(n)), n) {
		h := decoder.Header{EngineID: uint8(s.engine)}
		want := int32(placer.Partition(netip.AddrPortFrom(netip.MustParseAddr(spreadExporter), uint16(s.port)), &h, partitions))
		if len(homes) != 1 || len(homes[want]) == 0 {
			t.Errorf("stream %v is in %d partitions, want partition %d alone", s, len(homes), want)
			continue
		}
		inOrder(t, homes[want])
		used[want] = true
	}
	if len(used) < 2 {
		t.Errorf("all streams are in one partition: the test says nothing")
	}
}

// Divided by datagram, flows of one datagram stay together and in order, and
// exactly as many partitions are used as asked for.
func TestDatagramsAreSpread(t *testing.T) {
	t.Parallel()
	const packets = 400
	broker := startBroker(t, 12)
	p := startPublisher(t, broker.ListenAddrs(), func(c *Config) { c.Spreads = mustSpread(spreadExporter+"/32", 5, true) })
	n := publishSpread(t, p, 0, packets)
	closeWithin(t, p, patience)
	wantDelivered(t, p, n)
	used := make(map[int32]bool)
	home := make(map[uint32]int32)
	for s, homes := range spansOf(t, consume(t, broker.ListenAddrs(), int(n)), n) {
		for number, flows := range homes {
			used[number] = true
			inOrder(t, flows) // of one producer: in order within each partition
			for _, id := range flows {
				if at, known := home[id.sequence]; known && at != number {
					t.Fatalf("stream %v: datagram %d is in partitions %d and %d", s, id.sequence, at, number)
				}
				home[id.sequence] = number
			}
		}
	}
	if len(used) != 5 || len(home) != packets {
		t.Errorf("%d datagrams in %d partitions, want %d in 5", len(home), len(used), packets)
	}
}

// When partitions are added a stream moves at most once, as a whole: all it has in
// the new partition was sent after all it has in the old one, and no flow is lost.
func TestStreamsMoveInOrder(t *testing.T) {
	t.Parallel()
	broker := startBroker(t, 5)
	p := startPublisher(t, broker.ListenAddrs(), func(c *Config) { c.Spreads = mustSpread(spreadExporter+"/32", 4, false) })
	eventually(t, 10*time.Second, "the publisher is ready", func() bool { return len(p.Missing()) == 0 })
	n := publishSpread(t, p, 0, 300)
	addPartitions(t, broker, 11)
	p.topics[0].adopt(11)
	n += publishSpread(t, p, 300, 600)
	closeWithin(t, p, patience)
	wantDelivered(t, p, n)
	moved := 0
	for s, homes := range spansOf(t, consume(t, broker.ListenAddrs(), int(n)), n) {
		if len(homes) > 2 {
			t.Errorf("stream %v is in %d partitions", s, len(homes))
		}
		var first, last []flowIdentity
		for _, flows := range homes {
			inOrder(t, flows)
			if flows[0].sequence < 300*spreadRecords {
				first = flows
			} else {
				last = flows
			}
		}
		if len(homes) == 2 {
			moved++
			inOrder(t, append(first, last...))
		}
	}
	if moved == 0 {
		t.Error("no stream moved: the test says nothing")
	}
}

func TestSpreadMistakes(t *testing.T) {
	t.Parallel()
	many := make([]Spread, MaxSpreads+1)
	for i := range many {
		many[i] = Spread{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24), 2, false}
	}
	tests := []struct {
		spreads []Spread
		want    string
	}{
		{[]Spread{{netip.Prefix{}, 4, false}}, "publisher: invalid Prefix=4 is not for a network: write it as 192.0.2.1/32=4 or 2001:db8::1/128=4"},
		{mustSpread("10.0.0.1/8", 4, true), "publisher: 10.0.0.1/8=4 is not for a network: write it as 192.0.2.1/32=4 or 2001:db8::1/128=4"},
		{append(mustSpread("10.0.0.0/8", 4, true), mustSpread("10.0.0.0/8", 4, true)...), "publisher: 10.0.0.0/8 is spread twice: remove one"},
		{mustSpread("10.0.0.0/8", 0, false), "publisher: 10.0.0.0/8 is spread over 0 partitions: it must be from 1 to 1024"},
		{mustSpread("10.0.0.0/8", 1025, false), "publisher: 10.0.0.0/8 is spread over 1025 partitions: it must be from 1 to 1024"},
		{many, "publisher: there are 1025 networks to spread: at most 1024 are possible"},
	}
	for _, tt := range tests {
		c := DefaultConfig()
		c.Brokers, c.Spreads = []string{"a:9092"}, tt.spreads
		wantError(t, c.Validate(), tt.want)
	}
	c := DefaultConfig()
	c.Brokers, c.Spreads = []string{"a:9092"}, many[1:]
	c.Spreads[0].Partitions, c.Spreads[1].Partitions = 1, 1024
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

func TestPlacingAllocatesNothing(t *testing.T) {
	p := NewPlacer(PartitionerMurmur2, mustSpread("2001:db8::/32", 4, true))
	from := netip.MustParseAddrPort("[2001:db8:ffff:1:2:3:4:5]:2055")
	var h decoder.Header
	if n := testing.AllocsPerRun(100, func() { h.FlowSequence++; p.Partition(from, &h, 12) }); n != 0 {
		t.Errorf("%v allocations a datagram, want none", n)
	}
}

// BenchmarkPlacing is what the choice of a partition costs a datagram.
func BenchmarkPlacing(b *testing.B) {
	for name, spreads := range map[string][]Spread{
		"off": nil, "others": mustSpread("198.51.100.7/32", 4, false),
		"stream": mustSpread("192.0.2.1/32", 4, false), "datagram": mustSpread("192.0.2.1/32", 4, true),
	} {
		for _, n := range []int{12, 1000} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				p := NewPlacer(PartitionerMurmur2, spreads)
				from := netip.MustParseAddrPort("192.0.2.1:2055")
				var h decoder.Header
				for b.Loop() {
					h.FlowSequence++
					p.Partition(from, &h, n)
				}
			})
		}
	}
}
