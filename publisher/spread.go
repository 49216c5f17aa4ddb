package publisher

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/flowpub/flowpub/decoder"
)

// Limits of Config.Spreads.
const (
	// MaxSpreads bounds their number.
	MaxSpreads = 1024
	// MaxSpreadPartitions bounds Spread.Partitions.
	MaxSpreadPartitions = 1024
)

// Spread divides what some exporters send among several partitions, when one is too
// small for it. Keys stay the exporters' addresses.
type Spread struct {
	// Network holds the exporters' addresses, as that of a Route.
	Network netip.Prefix
	// Partitions is among how many partitions each exporter's datagrams are divided,
	// from 1, which is as without a spread, to MaxSpreadPartitions. If the topic has
	// fewer, these are all used.
	Partitions int
	// Datagrams divides datagram by datagram, and keeps order within each alone.
	// Otherwise a stream goes to one of the partitions, and keeps its order: that is what
	// comes from one port of the exporter with one observation domain, of one agent.
	Datagrams bool
}

func (c Config) validateSpreads() error {
	var errs []error
	mistake := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("publisher: "+format, args...))
	}
	if n := len(c.Spreads); n > MaxSpreads {
		mistake("there are %d networks to spread: at most %d are possible", n, MaxSpreads)
	}
	seen := make(map[netip.Prefix]bool)
	for _, s := range c.Spreads {
		switch {
		case !isNetwork(s.Network):
			mistake("%v=%d is not for a network: write it as 192.0.2.1/32=4 or 2001:db8::1/128=4", s.Network, s.Partitions)
		case seen[s.Network]:
			mistake("%v is spread twice: remove one", s.Network)
		}
		if s.Partitions < 1 || s.Partitions > MaxSpreadPartitions {
			mistake("%v is spread over %d partitions: it must be from 1 to %d", s.Network, s.Partitions, MaxSpreadPartitions)
		}
		seen[s.Network] = true
	}
	return errors.Join(errs...)
}

// Placer says which partition the records of a datagram go to, as a Publisher with
// the same configuration does. It is safe for concurrent use.
type Placer struct {
	partitioner Partitioner
	shares      *networks[share]
}

// share is how an exporter's datagrams are divided.
type share struct {
	partitions uint16
	datagrams  bool
}

// NewPlacer returns a placer; the spreads are valid.
func NewPlacer(p Partitioner, spreads []Spread) *Placer {
	list := make([]network[share], len(spreads))
	for i, s := range spreads {
		list[i] = network[share]{s.Network, share{uint16(s.Partitions), s.Datagrams}}
	}
	return &Placer{partitioner: p, shares: newNetworks(share{}, list)}
}

// Partition returns the partition, of n, of a datagram with a header. The observation
// domain, the engine and the agent tell the streams of one port apart; where datagrams
// are divided, sequence number and times are looked at, too.
func (p *Placer) Partition(from netip.AddrPort, h *decoder.Header, n int) int {
	var buf [64]byte
	key := from.Addr().Unmap().WithZone("").AppendTo(buf[:0])
	at := p.place(from, h, key)
	return at.partition(p.partitioner, n)
}

// place returns the place of the records of a datagram from an exporter, of which key
// is the address.
func (p *Placer) place(from netip.AddrPort, h *decoder.Header, key []byte) place {
	at := place{hash: p.partitioner.hash(key)}
	if s := p.shares.of(from.Addr()); s.partitions > 1 {
		at.slot = uint16(s.mix(at.hash, from.Port(), h) % uint32(s.partitions))
	}
	return at
}

// mix returns a number that is equal for all datagrams that belong in one partition.
// It takes nothing but what is in a datagram, so that a copy of one that the network
// makes goes where the first goes, whichever replica it reaches.
func (s share) mix(hash uint32, port uint16, h *decoder.Header) uint32 {
	x := scramble(uint64(hash)<<32 | uint64(h.ObservationDomain))
	x = scramble(x ^ (uint64(port) | uint64(h.EngineType)<<16 | uint64(h.EngineID)<<24))
	if h.AgentAddress.IsValid() {
		agent := h.AgentAddress.As16()
		x = scramble(x ^ binary.BigEndian.Uint64(agent[:8]))
		x = scramble(x ^ binary.BigEndian.Uint64(agent[8:]))
	}
	if s.datagrams {
		x = scramble(x ^ (uint64(h.FlowSequence) | uint64(h.SystemUptime)<<32))
		x = scramble(x ^ (uint64(h.ExportSeconds) | uint64(h.ExportNanoseconds)<<32))
	}
	return uint32(x >> 32)
}

// scramble is the finalizer of 64-bit MurmurHash3: each bit of x changes half of the
// result's.
func scramble(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// place is what chooses a partition, however many there are: the key's hash, and
// which of the partitions that the key is spread over. Slot 0 is where it is without
// a spread.
type place struct {
	hash uint32
	slot uint16
}

// partition returns the partition of a place, of n. The first n slots of a key are
// each in a partition of their own.
func (at place) partition(p Partitioner, n int) int {
	first := p.partition(at.hash, n)
	if at.slot == 0 {
		return first
	}
	return (first + int(at.slot)*stride(n)) % n
}

// stride is how far apart the partitions of consecutive slots are, of n. It has no
// factor in common with n, so that it leads to all of them; and is near the golden
// section of n, so that few slots are far apart, too. Consumers are often assigned
// runs of neighbouring partitions, and brokers lead every third or so: slots are
// divided among the ones as among the others.
func stride(n int) int {
	golden := max(1, n*618/1000)
	for step := 0; ; step++ {
		for _, s := range [...]int{golden + step, golden - step} {
			if s > 0 && coprime(s, n) {
				return s
			}
		}
	}
}

// coprime reports whether 1 is all that divides both.
func coprime(a, b int) bool {
	for b != 0 {
		a, b = b, a%b
	}
	return a == 1
}
