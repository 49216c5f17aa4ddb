package collector

import (
	"net/netip"
	"sync"
	"time"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/ipfix"
	"github.com/flowpub/flowpub/decoder/netflow9"
	"github.com/flowpub/flowpub/decoder/template"
)

// setDropReason says why a data set was given up.
type setDropReason uint8

// The reasons.
const (
	setNoTemplate setDropReason = iota // its template did not come
	setMalformed                       // a length in it is impossible
	setLimit                           // its packet has more records than are taken

	setDropReasons // how many there are
)

// String returns the reason's metric label.
func (r setDropReason) String() string {
	return [setDropReasons]string{"no_template", "malformed", "limit"}[r]
}

// setCounts tells what became of the data sets of NetFlow v9 and IPFIX.
//
// The ledger's equation of sets: received is decoded, waiting and the sum of dropped.
type setCounts struct {
	received, decoded, waiting uint64
	dropped                    [setDropReasons]uint64
	options                    uint64 // options records
}

// read adds what became of a packet's sets, but for those without a template.
func (c *setCounts) read(s *template.Sets) {
	c.received += uint64(s.Received) - uint64(len(s.Missing))
	c.decoded += uint64(s.Decoded)
	c.dropped[setMalformed] += uint64(s.Dropped[template.DropMalformed])
	c.dropped[setLimit] += uint64(s.Dropped[template.DropLimit])
	c.options += uint64(s.Options)
}

func (c *setCounts) add(other *setCounts) {
	c.received += other.received
	c.decoded += other.decoded
	c.waiting += other.waiting
	c.options += other.options
	addAll(c.dropped[:], other.dropped[:])
}

// droppedByReason returns the counts by metric label, every label present.
func (c *setCounts) droppedByReason() map[string]uint64 {
	all := make(map[string]uint64, setDropReasons)
	for r, n := range c.dropped {
		all[setDropReason(r).String()] = n
	}
	return all
}

// sharedTemplates is what all sockets share of the formats with templates: an exporter may send
// templates to one socket and data to another. It is for any number of goroutines.
//
// The counts of all sockets are here, since a set that waits is received by one
// socket and decoded by another: in no scrape it may be missing, or be there twice.
type sharedTemplates struct {
	table *template.Table
	room  *template.Room

	mu     sync.Mutex // taken before the room's
	counts setCounts
}

func newTemplates(elements *template.Selection, stored bool) *sharedTemplates {
	table := template.NewTable(template.Config{Elements: elements, Track: stored})
	return &sharedTemplates{table: table, room: template.NewRoom(table)}
}

// book adds counts.
func (t *sharedTemplates) book(c *setCounts) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.add(c)
}

// snapshot returns the counts.
func (t *sharedTemplates) snapshot() setCounts {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts
}

// lodge lets a set of a packet wait for its template, and reports whether there is
// room; if not, the set is dropped.
func (t *sharedTemplates) lodge(from netip.AddrPort, h *decoder.Header, set template.Set, at decoder.UnixNano, now time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.received++
	if !t.room.Add(from, h, set, at, now) {
		t.counts.dropped[setNoTemplate]++
		return false
	}
	t.counts.waiting++
	return true
}

// read books a set that has waited and was read.
func (t *sharedTemplates) read(s *template.Sets) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.waiting--
	t.counts.received-- // it was booked when it came
	t.counts.read(s)
	if len(s.Missing) > 0 { // the template has gone meanwhile
		t.counts.received++
		t.counts.dropped[setNoTemplate]++
	}
}

// drop books sets that have waited in vain.
func (t *sharedTemplates) drop(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.waiting -= uint64(n)
	t.counts.dropped[setNoTemplate] += uint64(n)
}

// lostSet is a data set that is dropped because it has no template.
type lostSet struct {
	from     netip.AddrPort
	at       decoder.UnixNano
	header   *decoder.Header
	template uint16
	records  []byte
}

// waitedInVain returns the set that w was.
func waitedInVain(w *template.Waiting) *lostSet {
	return &lostSet{w.From, w.ReceivedAt, &w.Header, w.Template, w.Records()}
}

// packet returns the set as a datagram: alone, below the header of its packet.
func (s *lostSet) packet() []byte {
	if s.header.Format == decoder.FormatIPFIX {
		return ipfix.AppendMessage(nil, s.header, s.template, s.records)
	}
	return netflow9.AppendPacket(nil, s.header, s.template, s.records)
}

// setLosses tells of data sets without a template: in the log, and as dead letters if
// those are wanted.
type setLosses struct {
	publisher   flowPublisher
	notices     *notices
	table       *template.Table
	deadLetters bool
}

func (l *setLosses) tell(s *lostSet, now time.Duration) {
	l.notices.noTemplate(s, l.table, now)
	if l.deadLetters {
		l.publisher.PublishDeadLetter(s.from, s.at, setNoTemplate.String(), s.packet())
	}
}

// tellAll tells of sets that have waited in vain.
func (l *setLosses) tellAll(lost []*template.Waiting, now time.Duration) {
	for _, w := range lost {
		l.tell(waitedInVain(w), now)
	}
}

func (c *Collector) setLosses() *setLosses {
	return &setLosses{c.publisher, c.notices, c.templates.table, c.cfg.Publisher.DeadLetterTopic != ""}
}

// readSets sees to the sets of the packet that was just decoded: those without a
// template wait, and those that waited for what it brought are published, before
// its own records.
func (in *intake) readSets(from netip.AddrPort, at decoder.UnixNano, now time.Duration) {
	sets := &in.reader.Sets
	in.sets.read(sets)
	in.tellDropped(from, now)
	if sets.Refused != 0 {
		in.notices.templatesRefused(from, sets.Refused, now)
	}
	if sets.SamplingsRefused != 0 {
		in.notices.samplingsRefused(from, sets.SamplingsRefused, now)
	}
	if len(in.reader.Missing)+len(in.reader.Learned) == 0 {
		return
	}
	in.awaited = append(in.awaited[:0], in.reader.Learned...)
	for _, set := range in.reader.Missing {
		if in.templates.lodge(from, &in.packet.Header, set, at, now) {
			// Another socket may have learned its template meanwhile, and has not seen
			// this set: so it is looked for once more.
			in.awaited = append(in.awaited, set.Template)
			continue
		}
		in.losses.tell(&lostSet{from, at, &in.packet.Header, set.Template, set.Records}, now)
	}
	ready, lost := in.templates.room.Take(from, &in.packet.Header, in.awaited, now)
	in.templates.drop(len(lost))
	in.losses.tellAll(lost, now)
	if len(ready) > 0 {
		in.readWaiting(ready, now)
	}
}

// tellDropped tells of the sets of the exporter that could not be read to their end.
func (in *intake) tellDropped(from netip.AddrPort, now time.Duration) {
	if sets := &in.reader.Sets; sets.Dropped != [template.NumDropReasons]uint32{} {
		in.notices.setsDropped(from, sets, now)
	}
}

// readWaiting decodes and publishes sets whose template has come. That is seldom, so
// the packet it takes is not kept.
func (in *intake) readWaiting(ready []*template.Waiting, now time.Duration) {
	var p decoder.ExportPacket
	for _, w := range ready {
		in.reader.Waited(w, now, &p)
		in.templates.read(&in.reader.Sets)
		if len(in.reader.Missing) > 0 {
			in.losses.tell(waitedInVain(w), now)
			continue
		}
		in.tellDropped(w.From, now)
		in.annotate(w.From, &p)
		all := p.AllAnomalies()
		in.batch.note(all)
		in.late = append(in.late, late{w.From.Addr().As16(), tally{flows: uint64(len(p.Records)), anomalous: 1, anomalies: all}})
		// What it refuses, the publisher has counted by its reason.
		_ = in.publisher.Publish(w.From, w.ReceivedAt, &p)
	}
}

// expireTemplates forgets templates that are past their lifetime, and drops the data sets
// that have waited for too long.
func (c *Collector) expireTemplates(now time.Duration) {
	c.templates.table.Expire(now)
	c.dropWaiting(c.templates.room.Expire(now), now)
}

// giveUpWaiting drops all data sets that wait: no more templates will come.
func (c *Collector) giveUpWaiting() {
	c.dropWaiting(c.templates.room.Empty(), time.Since(c.started))
}

func (c *Collector) dropWaiting(lost []*template.Waiting, now time.Duration) {
	if len(lost) > 0 {
		c.templates.drop(len(lost))
		c.setLosses().tellAll(lost, now)
	}
}
