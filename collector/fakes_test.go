package collector

import (
	"context"
	"encoding/binary"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/internal/testlog"
	"github.com/flowpub/flowpub/listener"
	"github.com/flowpub/flowpub/publisher"
)

// journal notes in which order things happened.
type journal struct {
	mu      sync.Mutex
	entries []string
}

func (j *journal) note(what string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, what)
}

func (j *journal) list() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.entries)
}

// fakePublisher delivers one flow of each packet at once, refuses one and keeps
// the rest, so that all terms of the ledger move.
type fakePublisher struct {
	journal *journal
	onClose func(ctx context.Context) error

	mu      sync.Mutex
	stats   publisher.Stats
	view    publisher.View
	missing []string
	stalled []string
	keeps   bool // dead letters
	letters []deadLetter
	packets []publishedPacket // if keeps
}

// publishedPacket is what a fakePublisher was given.
type publishedPacket struct {
	from     netip.AddrPort
	received decoder.UnixNano
	records  int
	first    uint32 // FirstRecord
	octets   uint64 // of the first record
	all      decoder.Anomalies
}

// deadLetter is what a fakePublisher was told of a datagram.
type deadLetter struct {
	from             netip.AddrPort
	received         decoder.UnixNano
	reason, datagram string
}

func newFakePublisher() *fakePublisher {
	return &fakePublisher{
		journal: &journal{},
		stats:   publisher.Stats{Dropped: make(map[publisher.DropReason]uint64)},
	}
}

func (f *fakePublisher) Publish(from netip.AddrPort, received decoder.UnixNano, p *decoder.ExportPacket) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := uint64(len(p.Records))
	if n == 0 {
		return nil
	}
	if f.keeps {
		f.packets = append(f.packets, publishedPacket{from, received, len(p.Records), p.FirstRecord, p.Records[0].Octets, p.AllAnomalies()})
	}
	f.stats.Decoded += n
	f.stats.Delivered++
	f.stats.Buffered += n - 1
	if n > 1 {
		f.stats.Buffered--
		f.stats.Dropped[publisher.DropBufferFull]++
	}
	return nil
}

func (f *fakePublisher) PublishDeadLetter(from netip.AddrPort, received decoder.UnixNano, reason string, datagram []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.keeps {
		f.letters = append(f.letters, deadLetter{from, received, reason, string(datagram)})
	}
}

func (f *fakePublisher) Stats() publisher.Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.stats
	s.Dropped = make(map[publisher.DropReason]uint64)
	for _, r := range publisher.DropReasons() {
		s.Dropped[r] = f.stats.Dropped[r]
	}
	return s
}

func (f *fakePublisher) View() publisher.View {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.view
}

func (f *fakePublisher) Missing() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.missing
}

func (f *fakePublisher) Stalled() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stalled
}

func (f *fakePublisher) Close(ctx context.Context) error {
	f.journal.note("publisher closed")
	if f.onClose != nil {
		return f.onClose(ctx)
	}
	return nil
}

// settle turns n buffered flows into dropped ones.
func (f *fakePublisher) settle(n uint64, r publisher.DropReason) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stats.Buffered -= n
	f.stats.Dropped[r] += n
}

// fakeListener serves what send is given, until it is drained or breaks.
type fakeListener struct {
	name    string
	journal *journal
	batches chan []listener.Datagram
	broken  chan error
	onDrain func() error
	stalled []string
}

func newFakeListener(name string, j *journal) *fakeListener {
	return &fakeListener{name: name, journal: j, batches: make(chan []listener.Datagram), broken: make(chan error, 1)}
}

func (*fakeListener) Addr() netip.AddrPort { return netip.MustParseAddrPort("127.0.0.1:2055") }

func (f *fakeListener) Serve(handler func(socket int) listener.Handler) error {
	handle := handler(0)
	for {
		select {
		case batch, open := <-f.batches:
			if !open {
				f.journal.note(f.name + " ended")
				return nil
			}
			handle(batch, time.Now())
		case err := <-f.broken:
			return err
		}
	}
}

func (f *fakeListener) Drain() error {
	f.journal.note(f.name + " drained")
	if f.onDrain != nil {
		return f.onDrain()
	}
	close(f.batches)
	return nil
}

func (*fakeListener) Close() error { return nil }

func (*fakeListener) Stats() listener.Stats {
	return listener.Stats{ReceiveBufferAsked: 1 << 20, ReceiveBufferGranted: 1 << 19, KernelDropped: 3}
}

func (f *fakeListener) Stalled(time.Duration) []string { return f.stalled }

// fakeWeb is HTTP.
type fakeWeb struct {
	journal *journal
	closed  chan struct{}
	broken  chan error
}

func newFakeWeb(j *journal) *fakeWeb {
	return &fakeWeb{journal: j, closed: make(chan struct{}), broken: make(chan error, 1)}
}

func (*fakeWeb) Addr() netip.AddrPort { return netip.MustParseAddrPort("127.0.0.1:8080") }

func (f *fakeWeb) Serve() error {
	select {
	case <-f.closed:
		return nil
	case err := <-f.broken:
		return err
	}
}

func (f *fakeWeb) Close(context.Context) error {
	f.journal.note("HTTP closed")
	close(f.closed)
	return nil
}

// testCollector is a collector of fakes.
type testCollector struct {
	*Collector
	publisher *fakePublisher
	listeners []*fakeListener
	web       *fakeWeb
	journal   *journal
	log       *testlog.Book
}

// newTestCollector returns a collector with that many listeners of that many
// sockets.
func newTestCollector(tb testing.TB, listeners, sockets int, change func(*Config)) *testCollector {
	tb.Helper()
	book := &testlog.Book{}
	cfg := Config{Sockets: sockets, ShutdownTimeout: 15 * time.Second, Version: "1.2.3", Logger: book.Logger()}
	if change != nil {
		change(&cfg)
	}
	p := newFakePublisher()
	tc := &testCollector{Collector: newCollector(cfg), publisher: p, web: newFakeWeb(p.journal), journal: p.journal, log: book}
	tc.Collector.publisher = p
	tc.Collector.web = tc.web
	for i := range listeners {
		l := newFakeListener("listener "+string(rune('A'+i)), p.journal)
		tc.listeners = append(tc.listeners, l)
		tc.Collector.listeners = append(tc.Collector.listeners, l)
	}
	tc.addIntakes()
	return tc
}

// v5 returns a NetFlow version 5 packet with so many records of zeros, written
// by hand from Cisco's table of the header.
func v5(sequence uint32, records int, at time.Time) []byte {
	b := make([]byte, 24+48*records)
	binary.BigEndian.PutUint16(b[0:], 5)
	binary.BigEndian.PutUint16(b[2:], uint16(records))
	binary.BigEndian.PutUint32(b[4:], uint32(at.UnixMilli()-at.Truncate(24*time.Hour).UnixMilli())) // booted at midnight
	binary.BigEndian.PutUint32(b[8:], uint32(at.Unix()))
	binary.BigEndian.PutUint32(b[12:], uint32(at.Nanosecond()))
	binary.BigEndian.PutUint32(b[16:], sequence)
	return b
}

// from returns datagrams of one source.
func from(source string, payloads ...[]byte) []listener.Datagram {
	batch := make([]listener.Datagram, len(payloads))
	for i, p := range payloads {
		batch[i] = listener.Datagram{From: netip.MustParseAddrPort(source), Payload: p}
	}
	return batch
}
