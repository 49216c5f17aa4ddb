package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/publisher"
)

const (
	// streamsEach is how many streams an exporter has: ports, line cards.
	streamsEach = 8
	// datagramsEach is how many datagrams stand for what an exporter sends, for each of
	// its partitions.
	datagramsEach = 32
	// largest is the share of a partition's mean beyond which the page has exporters spread.
	largest = 0.25
	// placements is how many exporters are placed for a row of the page.
	placements = 200_000
)

// fleet is some exporters, and the partitions of their topic.
type fleet struct{ exporters, partitions int }

var fleets = []fleet{{16, 12}, {200, 12}, {1000, 48}, {10_000, 96}, {100_000, 384}}

// rates are how exporters share the flows.
var rates = []struct {
	name  string
	share func(rank int) float64 // of the exporter with a rank from 0, before it is made to sum up to 1
}{
	{"equal", func(int) float64 { return 1 }},
	{"Zipf", func(rank int) float64 { return 1 / float64(rank+1) }},
}

// shares returns what each exporter sends of all flows, the largest first.
func shares(exporters int, share func(int) float64) []float64 {
	all := make([]float64, exporters)
	sum := 0.0
	for i := range all {
		all[i] = share(i)
		sum += all[i]
	}
	for i := range all {
		all[i] /= sum
	}
	return all
}

// skewTable is how much the busiest partition has, over the mean.
func skewTable(o options) table {
	t := table{name: "skew", head: []string{
		"exporters", "partitions", "rates", "busiest / mean", "empty", "exporters spread", "busiest / mean, by stream", "by datagram",
	}}
	random := o.random(1)
	for _, f := range fleets {
		for _, r := range rates {
			all := shares(f.exporters, r.share)
			draws := min(max(placements/f.exporters, 3), 201)*o.more | 1
			var off, empty, byStream, byDatagram []float64
			named := 0
			for range draws {
				d := newDraw(random, f, all)
				named = len(d.spreads)
				busiest, unused := d.load(nil, whole)
				off, empty = append(off, busiest), append(empty, float64(unused))
				busiest, _ = d.load(d.spreads, byStreams)
				byStream = append(byStream, busiest)
				for i := range d.spreads {
					d.spreads[i].Datagrams = true
				}
				busiest, _ = d.load(d.spreads, byDatagrams)
				byDatagram = append(byDatagram, busiest)
			}
			t.add(count(f.exporters), count(f.partitions), r.name, short(median(off)), count(median(empty)), count(named),
				short(median(byStream)), short(median(byDatagram)))
		}
	}
	return t
}

// draw is one choice of exporters' addresses.
type draw struct {
	fleet
	shares    []float64
	addresses []netip.Addr
	spreads   []publisher.Spread // of the largest, over as many partitions as make them small
}

func newDraw(random *rand.Rand, f fleet, shares []float64) *draw {
	d := &draw{fleet: f, shares: shares, addresses: make([]netip.Addr, f.exporters)}
	seen := make(map[netip.Addr]bool, f.exporters)
	for i := range d.addresses {
		address := randomAddress(random)
		for seen[address] {
			address = randomAddress(random)
		}
		d.addresses[i], seen[address] = address, true
	}
	for i, share := range shares {
		parts := int(math.Ceil(share * float64(f.partitions) / largest))
		if parts < 2 || len(d.spreads) == publisher.MaxSpreads {
			break
		}
		d.spreads = append(d.spreads, publisher.Spread{Network: netip.PrefixFrom(d.addresses[i], 32), Partitions: min(parts, f.partitions)})
	}
	return d
}

// randomAddress returns one of 10.0.0.0/8.
func randomAddress(random *rand.Rand) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], 10<<24|random.Uint32N(1<<24))
	return netip.AddrFrom4(b)
}

// division is how what an exporter sends is made up of equal parts, each of which is in one
// partition.
type division struct {
	parts func(partitions int) int
	part  func(i int) (port uint16, h decoder.Header)
}

var (
	whole     = division{func(int) int { return 1 }, func(int) (uint16, decoder.Header) { return 2055, decoder.Header{} }}
	byStreams = division{
		func(int) int { return streamsEach },
		func(i int) (uint16, decoder.Header) { return uint16(40_000 + i), decoder.Header{} },
	}
	byDatagrams = division{
		func(partitions int) int { return partitions * datagramsEach },
		func(i int) (uint16, decoder.Header) { return 2055, decoder.Header{FlowSequence: uint32(30 * i)} },
	}
)

// load returns what the busiest partition has, over the mean, and how many have nothing.
// The exporters that are spread are divided.
func (d *draw) load(spreads []publisher.Spread, divided division) (busiest float64, empty int) {
	placer := publisher.NewPlacer(publisher.PartitionerMurmur2, spreads)
	loads := make([]float64, d.partitions)
	for i, address := range d.addresses {
		division, parts := whole, 1
		if i < len(spreads) {
			division, parts = divided, divided.parts(spreads[i].Partitions)
		}
		for k := range parts {
			port, h := division.part(k)
			loads[placer.Partition(netip.AddrPortFrom(address, port), &h, d.partitions)] += d.shares[i] / float64(parts)
		}
	}
	for _, load := range loads {
		if load == 0 {
			empty++
		}
	}
	return slices.Max(loads) * float64(d.partitions), empty
}

// streamsTable is what becomes of a few equal streams that are spread over four
// partitions.
func streamsTable(o options) table {
	const partitions, among, draws = 48, 4, 2001
	t := table{name: "streams", head: []string{"streams", "partitions used, of 4", "busiest / mean of the 4", "worst of 20 exporters"}}
	random := o.random(2)
	for _, streams := range []int{2, 4, 8, 16, 64, 256} {
		var used, busiest []float64
		sum := 0.0
		for range draws * o.more {
			address := randomAddress(random)
			placer := publisher.NewPlacer(publisher.PartitionerMurmur2, []publisher.Spread{{Network: netip.PrefixFrom(address, 32), Partitions: among}})
			loads := make(map[int]int)
			for i := range streams {
				port := uint16(40_000 + i)
				loads[placer.Partition(netip.AddrPortFrom(address, port), &decoder.Header{}, partitions)]++
			}
			most := 0
			for _, n := range loads {
				most = max(most, n)
			}
			sum += float64(len(loads))
			used = append(used, float64(len(loads)))
			busiest = append(busiest, float64(most)*among/float64(streams))
		}
		typical := median(busiest)
		t.add(count(streams), fmt.Sprintf("%.1f", sum/float64(len(used))), short(typical), short(busiest[len(busiest)*19/20]))
	}
	return t
}
