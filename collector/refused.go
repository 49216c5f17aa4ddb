package collector

import (
	"hash/maphash"
	"net/netip"
	"time"
)

// refusedFor says why a sender's datagrams were refused: for one of these, or as a
// protocol.
type refusedFor uint8

const (
	refusedNotAllowed refusedFor = iota
	refusedUnreadable
	refusedProtocols
)

// refusedAs is the refusal of a protocol.
func refusedAs(p protocol) refusedFor { return refusedProtocols + refusedFor(p) }

// String returns the reason, or the protocol's name.
func (r refusedFor) String() string {
	switch r {
	case refusedNotAllowed:
		return "not_allowed"
	case refusedUnreadable:
		return "unreadable"
	default:
		return protocol(r - refusedProtocols).String()
	}
}

// refusal is datagrams of a sender that were refused one after the other.
type refusal struct {
	address   [16]byte
	reason    refusedFor
	datagrams uint32
}

// refuse notes a datagram that is refused.
func (in *intake) refuse(from netip.AddrPort, why refusedFor) {
	address := from.Addr().As16()
	if n := len(in.refused); n > 0 && in.refused[n-1].reason == why && in.refused[n-1].address == address {
		in.refused[n-1].datagrams++
		return
	}
	in.refused = append(in.refused, refusal{address, why, 1})
}

// Senders who are refused are remembered by each socket in refusedSets sets of
// refusedWays: 256 of them. Whoever forges addresses displaces those that were heard the
// longest time ago; the metrics count all of them.
const (
	refusedSets = 64
	refusedWays = 4
)

// refusedSender is what is known of a sender who was refused.
type refusedSender struct {
	reason    refusedFor // of the last datagram
	datagrams uint64
	heard     time.Duration
}

// refusals is a bounded table of senders. It is for one goroutine at a time.
type refusals struct {
	seed  maphash.Seed
	slots []refusalSlot
}

type refusalSlot struct {
	address [16]byte
	refusedSender
}

func newRefusals() *refusals {
	return &refusals{seed: maphash.MakeSeed(), slots: make([]refusalSlot, refusedSets*refusedWays)}
}

// see takes datagrams that were refused at the moment now.
func (t *refusals) see(r *refusal, now time.Duration) {
	set := maphash.Comparable(t.seed, r.address) % refusedSets
	ways := t.slots[set*refusedWays:][:refusedWays]
	worst := &ways[0]
	for i := range ways {
		s := &ways[i]
		if s.datagrams > 0 && s.address == r.address {
			s.reason, s.heard = r.reason, now
			s.datagrams += uint64(r.datagrams)
			return
		}
		if s.datagrams == 0 || worst.datagrams > 0 && s.heard < worst.heard {
			worst = s
		}
	}
	*worst = refusalSlot{r.address, refusedSender{r.reason, uint64(r.datagrams), now}}
}

// addTo adds the senders heard within the last hour to all.
func (t *refusals) addTo(all map[[16]byte]refusedSender, now time.Duration) {
	for i := range t.slots {
		s := &t.slots[i]
		if s.datagrams == 0 || now-s.heard > refusedFresh {
			continue
		}
		known := all[s.address]
		known.datagrams += s.datagrams
		if known.datagrams == s.datagrams || s.heard > known.heard {
			known.reason, known.heard = s.reason, s.heard
		}
		all[s.address] = known
	}
}

// refusedFresh is how long a sender who was refused is listed.
const refusedFresh = time.Hour
