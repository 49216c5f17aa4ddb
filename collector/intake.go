package collector

import (
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/sflow"
	"github.com/flowpub/flowpub/decoder/template"
	"github.com/flowpub/flowpub/internal/inventory"
	"github.com/flowpub/flowpub/listener"
)

// intake takes the datagrams of one socket: it refuses, decodes, publishes and
// books them. Its handle method is the hot path: it allocates nothing once its
// buffers have grown, and takes its lock once a batch.
//
// A batch is booked when the last of its packets was published, so that a
// scrape never waits for the publisher, whatever state that is in.
type intake struct {
	allow     *allowList
	publisher flowPublisher
	notices   *notices
	started   time.Time // of the collector; moments count from it
	formats   formatSet
	sourceCap int // of sources
	templates *sharedTemplates
	inventory *inventory.File // nil without one
	losses    *setLosses
	credits   *credits

	// For the goroutine of the socket, during a batch.
	packet    decoder.ExportPacket
	samples   sflow.Samples
	sources   *sources // nil before the first datagram of sFlow
	reader    *template.Reader
	awaited   []uint16 // templates
	sets      setCounts
	batch     datagramCounts
	sightings []sighting
	late      []late
	refused   []refusal
	news      []news

	// For scrapes, too.
	mu      sync.Mutex
	counts  datagramCounts
	streams *streams
	senders *refusals
}

// keptRecords is for how many records a socket keeps the memory of its packet between
// two batches, at 800 bytes each: what a datagram of 9,000 bytes may well hold.
const keptRecords = 512

// news is what is to be told about a stream once the lock is free.
type news struct {
	streamKey
	findings
	standing
}

// handle is the listener.Handler of the socket.
func (in *intake) handle(batch []listener.Datagram, received time.Time) {
	at, now := decoder.UnixNano(received.UnixNano()), received.Sub(in.started)
	for i := range batch {
		in.take(&batch[i], at, now)
	}
	in.sources.closeGaps(&in.batch.samples, now)
	in.book(now)
	if cap(in.packet.Records) > keptRecords {
		in.packet = decoder.ExportPacket{}
	}
	for i := range in.news {
		in.notices.found(&in.news[i], now)
	}
	in.news = in.news[:0]
}

// take sees a datagram through. It arrived at the wall-clock time at, which is
// the moment now.
func (in *intake) take(d *listener.Datagram, at decoder.UnixNano, now time.Duration) {
	if !in.allow.allows(d.From.Addr()) {
		in.batch.reject(rejectNotAllowed)
		in.refuse(d.From, refusedNotAllowed)
		in.notices.notAllowed(d.From, now)
		return
	}
	format, err := in.decode(d, now)
	if err != nil {
		in.reject(d, err, at, now)
		return
	}
	in.annotate(d.From, &in.packet)
	all := in.packet.AllAnomalies()
	in.batch.decode(format, all)
	in.sightings = append(in.sightings, sighting{})
	in.sightings[len(in.sightings)-1].fill(d.From, at, &in.packet, all)
	switch {
	case format.HasTemplates():
		in.readSets(d.From, at, now)
	case format == decoder.FormatSFlowV5:
		in.countSamples(d.From, now)
	}
	// What it refuses, the publisher has counted by its reason.
	_ = in.publisher.Publish(d.From, at, &in.packet)
}

// annotate adds to a packet what is known of its exporter.
func (in *intake) annotate(from netip.AddrPort, p *decoder.ExportPacket) {
	if in.inventory != nil {
		p.Annotation = in.inventory.Find(from.Addr())
	}
}

// reject books a datagram that the decoder refused, and offers it as a dead
// letter.
func (in *intake) reject(d *listener.Datagram, err error, at decoder.UnixNano, now time.Duration) {
	reason := reasonOf(err)
	in.batch.reject(reason)
	in.publisher.PublishDeadLetter(d.From, at, reason.String(), d.Payload)
	if reason == rejectVersion {
		p := classify(d.Payload)
		in.batch.foreign[p]++
		in.refuse(d.From, refusedAs(p))
		in.notices.foreign(d.From, p, now)
		return
	}
	in.refuse(d.From, refusedUnreadable)
	in.notices.malformed(d.From, reason, now)
}

// reasonOf is what an error of the decoder is booked as.
func reasonOf(err error) rejectReason {
	switch {
	case errors.Is(err, decoder.ErrVersion):
		return rejectVersion
	case errors.Is(err, decoder.ErrShort):
		return rejectShort
	default:
		return rejectNoRecords // decoder.ErrNoRecords; there are no others
	}
}

// book makes a batch visible to scrapes.
func (in *intake) book(now time.Duration) {
	if in.sets != (setCounts{}) {
		in.templates.book(&in.sets)
		in.sets = setCounts{}
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.counts.add(&in.batch)
	in.batch = datagramCounts{}
	for i := range in.sightings {
		s := &in.sightings[i]
		if found, of := in.streams.see(s, now); found != 0 {
			in.news = append(in.news, news{s.streamKey, found, of})
		}
	}
	in.sightings = in.sightings[:0]
	in.credits.add(in.late)
	in.late = in.late[:0]
	for i := range in.refused {
		in.senders.see(&in.refused[i], now)
	}
	in.refused = in.refused[:0]
}

// fill notes what the sequence watch, and people, need of a packet, which is decoded into
// again before the watch looks. All are its anomalies and those of its records.
func (s *sighting) fill(from netip.AddrPort, at decoder.UnixNano, p *decoder.ExportPacket, all decoder.Anomalies) {
	exported := p.ExportTime()
	clock := exported
	if clock == 0 {
		clock = at
	}
	var offset time.Duration
	if p.Format.HasClock() {
		offset = time.Duration(at) - time.Duration(exported)
	}
	s.setKey(from, p)
	s.number = p.FlowSequence
	s.steps = p.SequenceSteps()
	s.partial = p.SequenceUnknown
	s.uptime = p.SystemUptime
	s.exported = exported
	s.boot = bootTime(clock, p.SystemUptime)
	s.offset = offset
	s.skewed = offset > maxClockSkew || offset < -maxClockSkew
	s.records = uint32(len(p.Records))
	s.anomalies = all
	s.sampling = samplingOf(p)
}

// newIntake returns the intake of one socket.
func (c *Collector) newIntake(streamCapacity int) *intake {
	return &intake{
		allow:     c.allow,
		publisher: c.publisher,
		notices:   c.notices,
		started:   c.started,
		formats:   setOf(c.cfg.Formats),
		templates: c.templates,
		inventory: c.inventory,
		losses:    c.setLosses(),
		credits:   &c.accounts.credits,
		reader:    template.NewReader(c.templates.table),
		sourceCap: streamCapacity * sourcesOfStream,
		streams:   newStreams(streamCapacity, c.named),
		senders:   newRefusals(),
	}
}

// logger returns l, or one that logs nothing if l is nil.
func logger(l *slog.Logger) *slog.Logger {
	if l == nil {
		return slog.New(slog.DiscardHandler)
	}
	return l
}
