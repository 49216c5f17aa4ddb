package template

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/flowpub/flowpub/decoder"
)

// Limits of a waiting room.
const (
	maxWaitingOctets        = 16 << 20
	maxAddressWaitingOctets = 1 << 20
	maxAddressWaitingSets   = 256
	maxWait                 = 60 * time.Second
	// waitingOverhead is what a set takes beside its records' bytes.
	waitingOverhead = 512
)

// Waiting is a data set that came before its template.
type Waiting struct {
	// From is where its datagram came from, ReceivedAt when, by the wall clock.
	From       netip.AddrPort
	ReceivedAt decoder.UnixNano
	// Header is that of its packet.
	Header decoder.Header
	// Template is the id of the template that it waits for.
	Template uint16
	// Offset is where its records began in the datagram.
	Offset int

	padded []byte // lead bytes, then the records
	since  time.Duration
}

// Records returns the bytes of the set's records.
func (w *Waiting) Records() []byte { return w.padded[lead:] }

func (w *Waiting) octets() int { return waitingOverhead + len(w.padded) }

// Room is where data sets wait for their templates. It is bounded, in all and for each
// address; a set that finds no room does not wait. It is for any number of goroutines,
// and has no clock: moments are passed in, those of the table.
type Room struct {
	table *Table

	mu        sync.Mutex
	addresses map[[16]byte]*queue
	sets      int
	octets    int
}

// queue holds the sets of an address in the order in which they came.
type queue struct {
	sets   []*Waiting
	octets int
}

// NewRoom returns an empty room, for sets that wait for templates of t.
func NewRoom(t *Table) *Room {
	return &Room{table: t, addresses: make(map[[16]byte]*queue)}
}

// Add lets a set of a packet wait, from the moment now. It copies what it keeps. It reports
// whether there was room.
func (rm *Room) Add(from netip.AddrPort, h *decoder.Header, set Set, receivedAt decoder.UnixNano, now time.Duration) bool {
	octets := waitingOverhead + lead + len(set.Records)
	rm.mu.Lock()
	defer rm.mu.Unlock()
	address := from.Addr().As16()
	q := rm.addresses[address]
	if rm.octets+octets > maxWaitingOctets || q != nil && q.full(octets) || octets > maxAddressWaitingOctets {
		return false
	}
	if q == nil {
		q = &queue{}
		rm.addresses[address] = q
	}
	w := &Waiting{
		From: from, ReceivedAt: receivedAt, Header: *h, Template: set.Template, Offset: set.Offset, since: now,
		padded: append(make([]byte, lead, lead+len(set.Records)), set.Records...),
	}
	q.sets = append(q.sets, w)
	q.octets += octets
	rm.octets += octets
	rm.sets++
	return true
}

func (q *queue) full(octets int) bool {
	return len(q.sets) >= maxAddressWaitingSets || q.octets+octets > maxAddressWaitingOctets
}

// Take removes the sets that the templates learned from a packet make decodable, and
// returns them in the order in which they came. Unlike those, the sets in lost will never
// be: their exporter has restarted since.
func (rm *Room) Take(from netip.AddrPort, h *decoder.Header, learned []uint16, now time.Duration) (ready, lost []*Waiting) {
	rm.mu.Lock()
	defer rm.mu.Unlock()
	q := rm.addresses[from.Addr().As16()]
	if q == nil {
		return nil, nil
	}
	rm.sift(from.Addr().As16(), q, func(w *Waiting) bool {
		switch {
		case !w.waitsFor(h, learned) || !rm.table.knows(w, now):
			return false
		case w.outlived(h):
			lost = append(lost, w)
		default:
			ready = append(ready, w)
		}
		return true
	})
	return ready, lost
}

// Ready removes and returns the sets that have a template now, of whatever exporter.
func (rm *Room) Ready(now time.Duration) (ready []*Waiting) {
	rm.mu.Lock()
	defer rm.mu.Unlock()
	for address, q := range rm.addresses {
		rm.sift(address, q, func(w *Waiting) bool {
			if !rm.table.knows(w, now) {
				return false
			}
			ready = append(ready, w)
			return true
		})
	}
	return ready
}

// waitsFor reports whether a set waits for one of the templates of a packet.
func (w *Waiting) waitsFor(h *decoder.Header, learned []uint16) bool {
	return w.Header.Format == h.Format && w.Header.ObservationDomain == h.ObservationDomain &&
		slices.Contains(learned, w.Template)
}

// outlived reports whether the exporter has restarted between a set and a packet that
// came later, so that the packet's templates may say something else about it.
func (w *Waiting) outlived(h *decoder.Header) bool {
	if w.Header.HasUptime && h.HasUptime {
		return apart(bootTime(&w.Header), bootTime(h))
	}
	return h.ExportTime()+decoder.UnixNano(maxWait) < w.Header.ExportTime()
}

// knows reports whether there is a template for a set: one that was stored must fit it, or the
// set goes on waiting for that of its exporter.
func (t *Table) knows(w *Waiting, now time.Duration) bool {
	var src source
	src.put(w.From, &w.Header)
	s := t.shardOf(&src.address)
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.domains[src.domainKey]
	if d == nil {
		return false
	}
	e := d.find(w.Template, src.port)
	if e == nil || t.age(s, e, now) {
		return false
	}
	return !e.provisional || e.fits(&use{boot: bootTime(&w.Header), records: w.Records()})
}

// sift removes the sets of an address for which out returns true.
func (rm *Room) sift(address [16]byte, q *queue, out func(*Waiting) bool) {
	kept := q.sets[:0]
	for _, w := range q.sets {
		if !out(w) {
			kept = append(kept, w)
			continue
		}
		q.octets -= w.octets()
		rm.octets -= w.octets()
		rm.sets--
	}
	clear(q.sets[len(kept):])
	q.sets = kept
	if len(kept) == 0 {
		delete(rm.addresses, address)
	}
}

// Expire removes and returns the sets that have waited for too long at the moment now.
func (rm *Room) Expire(now time.Duration) (lost []*Waiting) {
	rm.mu.Lock()
	defer rm.mu.Unlock()
	for address, q := range rm.addresses {
		if now-q.sets[0].since <= maxWait {
			continue
		}
		rm.sift(address, q, func(w *Waiting) bool {
			if now-w.since <= maxWait {
				return false
			}
			lost = append(lost, w)
			return true
		})
	}
	return lost
}

// Empty removes and returns all sets: nobody will decode them any more.
func (rm *Room) Empty() (lost []*Waiting) {
	rm.mu.Lock()
	defer rm.mu.Unlock()
	for _, q := range rm.addresses {
		lost = append(lost, q.sets...)
	}
	rm.addresses = make(map[[16]byte]*queue)
	rm.sets, rm.octets = 0, 0
	return lost
}

// Len returns how many sets wait, and the bytes that they take.
func (rm *Room) Len() (sets, octets int) {
	rm.mu.Lock()
	defer rm.mu.Unlock()
	return rm.sets, rm.octets
}

// Waited replaces *p with the records of a set that waited, by the template that has come since.
// Their anomalies have decoder.AnomalyWaited, and p.FirstRecord keeps them apart from those of the
// set's packet. Sets tells the result: the set is missing again if the template is gone, and the
// caller must count it as one without a template. A set of which nothing could be read is dropped
// and counted like any other.
func (r *Reader) Waited(w *Waiting, now time.Duration, p *decoder.ExportPacket) {
	p.Reset()
	p.Header = w.Header
	p.DataRecords = 0
	p.FirstRecord = uint32(maxRecords + w.Offset)
	r.Begin(p, w.From, len(w.Records()), now)
	r.setAnomalies = decoder.AnomalyWaited
	r.data(w.Template, w.padded, lead, len(w.padded))
	r.finish()
}
