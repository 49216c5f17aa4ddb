package publisher

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/internal/testwait"
	"github.com/flowpub/flowpub/publisher/batch"
	"github.com/flowpub/flowpub/publisher/failure"
)

// Partitions fail and recover at random, in budgets, numbers and at rates that are
// random, too. All the time the ledger is exact and the budget kept, and a
// partition that does not fail loses nothing while there is room: while the rest of
// the budget is more than what is spare, and half a batch. In the end those that did
// not fail have everything delivered though others still fail, and when these have
// recovered, everything is.
//
// Each second simulation is calm: what comes within the time in which a partition is
// found to fail is little beside the budget. Most of it is for partitions that fail, for
// longer, until they use up what they may. Then those that do not fail lose nothing at all.
//
// Stages, partitions and the budget are the real ones; brokers, the sender and time
// are simulated. A seed decides everything but the order in which goroutines run.
func TestSimulation(t *testing.T) {
	t.Parallel()
	for seed := range testwait.Fewer(raced, *simulations) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { newSimulation(t, seed).run() })
		})
	}
}

// `-args -simulations 200` runs more.
var simulations = flag.Uint64("simulations", 40, "how many simulations TestSimulation runs, without the race detector")

const (
	// raced is how many run with the race detector, where each takes seconds.
	raced = 3

	simulatedStep = 10 * time.Millisecond
	simulatedTime = 20 * time.Second
	// simulatedPacket is about what a packet takes of the budget, large ones included.
	simulatedPacket = 3 << 10
)

type simulation struct {
	t         *testing.T
	random    *rand.Rand
	p         *Publisher
	topic     *topic
	brokers   []broker
	states    []simulatedPartition
	under     []simulatedAttempt
	exporters []netip.AddrPort
	packets   []*decoder.ExportPacket
	began     time.Time
	rate      float64 // packets a step
	calm      bool
	lasting   time.Duration // how long it goes on
	change    time.Duration // how long a partition stays as it is, at most
	refused   uint64
	most      int64 // bytes of the budget that were used
	published uint64
}

// simulatedPartition is how a partition fares at its brokers.
type simulatedPartition struct {
	kind   simulatedFault
	until  time.Time // when that changes
	steady bool      // it never fails
	latest int64     // timestamp of what was delivered last
}

type simulatedFault int

const (
	simulatedLife simulatedFault = iota
	simulatedRefusal
	simulatedSilence
	simulatedNoLeader
)

// simulatedAttempt is a batch under way.
type simulatedAttempt struct {
	request *request
	outcome failure.Outcome
	ends    time.Time
}

func newSimulation(t *testing.T, seed uint64) *simulation {
	t.Helper()
	s := &simulation{t: t, random: rand.New(rand.NewPCG(seed, 4)), began: time.Now()}
	cfg := DefaultConfig()
	cfg.Topic = testTopic
	cfg.Linger = 50 * time.Millisecond
	cfg.BufferBytes = 4 << 20 << s.random.IntN(4)
	cfg.Compression = []Compression{CompressionNone, CompressionLZ4Fast, CompressionLZ4}[s.random.IntN(3)]
	partitions := 1 << s.random.IntN(8)
	if s.calm = seed%2 == 1; s.calm { // enough for a packet of each partition
		cfg.BufferBytes = max(cfg.BufferBytes, 8<<20)
		partitions = 2 << s.random.IntN(6)
	}
	c := newCore(&cfg)
	c.jitter = func(d time.Duration) time.Duration { return time.Duration(s.random.Int64N(int64(d))) }
	c.sealers = make(chan *batch.Sealer, 1)
	c.sealers <- batch.NewSealer(cfg.Compression)
	s.p = &Publisher{core: c, sender: newSender(c), shares: newShares(c)}
	s.topic = newTopic(c, s.p.sender, s.p.shares, testTopic)
	s.p.topics = []*topic{s.topic}
	s.p.shares.set(map[string]*layout{testTopic: s.topic.layout.Load()})
	s.brokers = make([]broker, 1+s.random.IntN(3))
	s.states = make([]simulatedPartition, partitions)
	failing := s.random.Float64()
	for i := range s.states {
		s.states[i].steady = s.random.Float64() > failing
	}
	if s.calm {
		s.states[0].steady, s.states[1].steady = true, false
	}
	for i := range uint32(512) {
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], 10<<24|i*2_654_435_761>>12)
		s.exporters = append(s.exporters, netip.AddrPortFrom(netip.AddrFrom4(a), 2055))
	}
	for i := range uint64(8) {
		s.packets = append(s.packets, testPacket(i, 1+s.random.IntN(30)))
	}
	s.packets = append(s.packets, testPacket(8, 2048))
	s.rate, s.lasting, s.change = math.Exp2(6*s.random.Float64()), simulatedTime, 8*time.Second
	if s.calm {
		steps := float64((answerPatience + time.Second) / simulatedStep)
		s.rate = min(s.rate, float64(s.p.budget.Limit()/9)/simulatedPacket/steps)
		s.lasting, s.change = 4*simulatedTime, 4*simulatedTime
	}
	t.Logf("%v, %d partitions, %d brokers, %v, %.0f packets/s, calm: %v, a share of %.2f may fail",
		ByteSize(cfg.BufferBytes), partitions, len(s.brokers), cfg.Compression, s.rate*100, s.calm, failing)
	return s
}

func (s *simulation) run() {
	defer s.end()
	// Kafka is known after a while, which may be long enough to fill the buffer.
	known := time.Duration(s.random.Int64N(int64(simulatedTime / 2)))
	for s.age() < s.lasting {
		if s.age() >= known && len(s.topic.layout.Load().partitions) == 0 {
			s.topic.adopt(len(s.states))
		}
		s.alter()
		s.publish()
		s.step()
	}
	for limit := s.age() + 30*time.Second; s.waits(func(p simulatedPartition) bool { return p.steady }) > 0; s.step() {
		if s.age() > limit {
			s.t.Fatalf("%d flows for partitions that never failed are not delivered", s.waits(func(p simulatedPartition) bool { return p.steady }))
		}
	}
	for i := range s.states {
		s.states[i].kind = simulatedLife
	}
	for limit := s.age() + 2*time.Minute; s.waits(func(simulatedPartition) bool { return true }) > 0; s.step() {
		if s.age() > limit {
			s.t.Fatalf("%d flows are not delivered though nothing fails", s.waits(func(simulatedPartition) bool { return true }))
		}
	}
	total, _ := s.p.count()
	if total.buffered > 0 || s.p.budget.Bytes() != 0 {
		s.t.Errorf("in the end %d flows and %d bytes are in the buffer", total.buffered, s.p.budget.Bytes())
	}
	s.t.Logf("%d flows: %d delivered, %d refused, %d dropped on their way to a partition; %d bytes were used", s.published, total.delivered, s.refused, total.dropped[DropBufferFull]-s.refused, s.most)
}

func (s *simulation) age() time.Duration { return time.Since(s.began) }

// end ends what still runs.
func (s *simulation) end() {
	s.p.cancel()
	s.p.working.Wait()
	s.topic.discard()
	s.p.budget.Close()
}

// alter has partitions fail and recover.
func (s *simulation) alter() {
	now := time.Now()
	for i := range s.states {
		state := &s.states[i]
		if state.steady || now.Before(state.until) {
			continue
		}
		state.kind = simulatedLife
		if s.calm || s.random.IntN(2) == 0 {
			state.kind = simulatedFault(s.random.IntN(4))
		}
		state.until = now.Add(time.Duration(s.random.Int64N(int64(s.change))))
	}
}

// publish publishes packets, and checks what is refused.
func (s *simulation) publish() {
	for n := s.random.Float64() * 2 * s.rate; s.random.Float64() < n; n-- {
		from := s.exporter()
		packet := s.packets[s.random.IntN(8)]
		if s.random.IntN(200) == 0 {
			packet = s.packets[8]
		}
		if s.offer(from, packet) || !s.lives(from, packet) {
			continue
		}
		if s.calm && s.states[s.number(from)].steady {
			s.t.Fatalf("after %v: a packet for partition %d, which never fails, is dropped: %d bytes of %d are used",
				s.age(), s.number(from), s.p.budget.Bytes(), s.p.budget.Limit())
		}
		if s.hasRoom() {
			s.insist(from, packet)
		}
	}
}

// exporter returns one at random: in calm most often one whose partition may fail.
func (s *simulation) exporter() netip.AddrPort {
	for {
		from := s.exporters[s.random.IntN(len(s.exporters))]
		if !s.calm || !s.states[s.number(from)].steady || s.random.IntN(16) == 0 {
			return from
		}
	}
}

// offer publishes a packet and reports whether all of it was taken.
func (s *simulation) offer(from netip.AddrPort, packet *decoder.ExportPacket) bool {
	before, _ := s.p.count()
	err := s.topic.publish(from, decoder.UnixNano(time.Now().UnixNano()), packet)
	after, _ := s.p.count()
	s.published += uint64(len(packet.Records))
	if err == nil {
		return true
	}
	if !errors.Is(err, ErrBufferFull) {
		s.t.Fatal(err)
	}
	s.refused += uint64(len(packet.Records)) - (after.buffered - min(after.buffered, before.buffered))
	return false
}

// insist offers a packet again that was refused though there is room. That may
// have come between: now nothing else runs.
func (s *simulation) insist(from netip.AddrPort, packet *decoder.ExportPacket) {
	synctest.Wait()
	if s.lives(from, packet) && s.hasRoom() && !s.offer(from, packet) {
		s.t.Fatalf("after %v: a packet for partition %d, which does not fail, is dropped though there is room: %d bytes of %d are used",
			s.age(), s.number(from), s.p.budget.Bytes(), s.p.budget.Limit())
	}
}

// number is that of an exporter's partition.
func (s *simulation) number(from netip.AddrPort) int {
	return PartitionerMurmur2.partition(PartitionerMurmur2.hash([]byte(from.Addr().String())), len(s.states))
}

// of returns an exporter whose partition has a number.
func (s *simulation) of(number int) netip.AddrPort {
	return s.exporters[slices.IndexFunc(s.exporters, func(from netip.AddrPort) bool { return s.number(from) == number })]
}

// lives reports whether a packet is of usual size, and its partition is known and
// does not fail.
func (s *simulation) lives(from netip.AddrPort, packet *decoder.ExportPacket) bool {
	parts := s.topic.layout.Load().partitions
	if len(parts) == 0 || len(packet.Records) > usualRecords {
		return false
	}
	part := parts[s.number(from)]
	part.mu.Lock()
	defer part.mu.Unlock()
	return !part.fails() && s.states[part.number].kind == simulatedLife
}

// hasRoom reports whether there is room for a packet, whatever is spare: at most an
// eighth, a thirty-second for the client's copies, and half of a batch.
func (s *simulation) hasRoom() bool {
	b := s.p.budget
	return b.Limit()-b.Bytes() > b.Limit()/16*3
}

// step lets time pass, sends what is due, settles what has ended, and checks the
// whole.
func (s *simulation) step() {
	now := time.Now()
	s.p.sender.collect(now)
	for i, part := range s.topic.layout.Load().partitions {
		s.attempt(part, &s.states[i], now)
	}
	still := s.under[:0]
	for _, a := range s.under {
		if now.Before(a.ends) {
			still = append(still, a)
			continue
		}
		s.settle(a)
	}
	s.under = still
	time.Sleep(simulatedStep) //nolint:forbidigo // the time is simulated
	synctest.Wait()
	total, _ := s.p.count()
	sum := total.delivered + total.buffered
	for _, n := range total.dropped {
		sum += n
	}
	if total.decoded != s.published || sum != s.published {
		s.t.Fatalf("after %v: of %d flows %d are decoded; delivered, buffered and dropped %d: %+v", s.age(), s.published, total.decoded, sum, total)
	}
	s.most = max(s.most, s.p.budget.Bytes())
	if b := s.p.budget; s.most > b.Limit() {
		s.t.Fatalf("after %v: %d bytes of %d are used", s.age(), s.most, b.Limit())
	}
}

// attempt sends what a partition has to send.
func (s *simulation) attempt(part *partition, state *simulatedPartition, now time.Time) {
	b, alone := part.next(now, s.p.cfg.Linger)
	if b == nil {
		return
	}
	if state.kind == simulatedNoLeader {
		settleAs(part, b, failure.Unsent(failure.ErrNoLeader))
		return
	}
	r := &request{core: s.p.core, broker: &s.brokers[int(part.number)%len(s.brokers)], alone: alone}
	if !r.add(part, b) {
		part.release()
		return
	}
	a := simulatedAttempt{request: r, outcome: failure.Outcome{Verdict: failure.Delivered}}
	a.ends = now.Add(time.Duration(s.random.Int64N(int64(60 * time.Millisecond))))
	switch state.kind {
	case simulatedRefusal:
		a.outcome = failure.Answer(kafka.NotEnoughReplicas, "")
	case simulatedSilence:
		a.outcome = failure.Unanswered(context.DeadlineExceeded)
		a.ends = now.Add(10 * time.Second)
	default:
	}
	if !b.Sealed() {
		part.seal(b)
	}
	s.under = append(s.under, a)
}

// settle acts on what became of an attempt; what is delivered comes in order.
func (s *simulation) settle(a simulatedAttempt) {
	it := a.request.items[0]
	if a.outcome.Verdict == failure.Delivered {
		header := it.batch.Bytes()
		first, last := int64(binary.BigEndian.Uint64(header[27:])), int64(binary.BigEndian.Uint64(header[35:]))
		state := &s.states[it.partition.number]
		if first < state.latest {
			s.t.Fatalf("partition %d: a batch from %d on is delivered after one up to %d", it.partition.number, first, state.latest)
		}
		state.latest = last
	}
	settleAs(it.partition, it.batch, a.outcome)
	s.p.budget.EndCopy(a.request.copies(), a.request.copied)
}

// settleAs settles without asking who leads now: there is no cluster.
func settleAs(part *partition, b *pending, o failure.Outcome) {
	o.Kind.Moved = false
	part.settle(b, o)
}

// waits is how many flows are buffered for partitions of a kind, those that are
// still in the stage among them.
func (s *simulation) waits(of func(simulatedPartition) bool) (n uint64) {
	for _, st := range s.topic.stages {
		st.mu.Lock()
		n += st.counts.buffered
		st.mu.Unlock()
	}
	for i, part := range s.topic.layout.Load().partitions {
		if of(s.states[i]) {
			part.mu.Lock()
			n += part.counts.buffered
			part.mu.Unlock()
		}
	}
	return n
}

// A partition that says nothing for long fails, and so does one that waits for a place
// among the requests of the same broker. A delivery ends that.
func TestSilentPartitionFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, 0)
		defer s.end()
		s.states = s.states[:3]
		s.topic.adopt(len(s.states))
		synctest.Wait() // the stage has ended
		parts := s.topic.layout.Load().partitions
		for number := range parts {
			if !s.offer(s.of(number), s.packets[0]) {
				t.Fatalf("a packet for partition %d is dropped", number)
			}
		}
		synctest.Wait()
		failing := func() int {
			total, _ := s.topic.count()
			return total.failing
		}
		silent, _ := parts[0].next(time.Now(), 0)
		if b, _ := parts[1].next(time.Now(), 0); b == nil || silent == nil {
			t.Fatal("there is nothing to send")
		}
		parts[1].release()         // there was no place
		time.Sleep(answerPatience) //nolint:forbidigo // the time is simulated
		if n := failing(); n != 0 {
			t.Errorf("%d partitions fail though they still have time", n)
		}
		time.Sleep(time.Millisecond) //nolint:forbidigo // the time is simulated
		if !parts[0].fails() || !parts[1].fails() || parts[2].fails() || failing() != 2 {
			t.Errorf("failing: %v, %v and %v; %d are counted; want the first two", parts[0].fails(), parts[1].fails(), parts[2].fails(), failing())
		}
		parts[0].seal(silent)
		settleAs(parts[0], silent, failure.Outcome{Verdict: failure.Delivered})
		if parts[0].fails() {
			t.Error("a partition fails that has just delivered")
		}
	})
}

// A partition whose attempt has just failed, as when its leader moves, is still given
// what it needs, though others that fail have used up all they may.
func TestFirstFailureCostsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, 1)
		defer s.end()
		s.topic.adopt(len(s.states))
		synctest.Wait() // the stage has ended
		parts := s.topic.layout.Load().partitions
		for number := range 2 {
			if !s.offer(s.of(number), s.packets[0]) {
				t.Fatal("a packet is dropped by an empty buffer")
			}
			synctest.Wait()
			b, _ := parts[number].next(time.Now().Add(time.Second), 0)
			settleAs(parts[number], b, failure.Answer(kafka.NotEnoughReplicas, ""))
			synctest.Wait()
			for number == 0 && s.offer(s.of(0), s.packets[0]) { //nolint:revive // until it has all it may
			}
		}
		part := s.p.budget.Limit() / int64(3*len(parts)) // less than half of an equal one
		for taken := int64(0); taken < part; taken += simulatedPacket {
			if !s.offer(s.of(1), s.packets[1]) {
				t.Fatalf("a packet of a partition that has failed once is dropped after %d bytes; %d bytes of %d are used", taken, s.p.budget.Bytes(), s.p.budget.Limit())
			}
		}
		time.Sleep(answerPatience + time.Millisecond) //nolint:forbidigo // the time is simulated
		for n := 0; s.offer(s.of(1), s.packets[1]); n++ {
			if n > 64 {
				t.Fatal("a partition that has failed for long is given more")
			}
		}
	})
}
