//go:build kafka && soak

package kafka_test

import (
	"cmp"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	synthetic "github.com/flowpub/flowpub/internal/exporter"
	"github.com/flowpub/flowpub/internal/testwait"
)

const (
	soakRate       = 100_000 // flows a second
	soakBeat       = 20 * time.Second
	soakPartitions = 12
	// failingBroker has the partitions that fail, and no others.
	failingBroker = 3
)

// TestSoak runs the collector for SOAK_DURATION (15m) at full load, while every
// 20 seconds one of three brokers is killed or stands still. In the end every flow
// that was sent is in the topic, once and in order, or counted as dropped; memory
// and goroutines are what they were at the start.
//
// With SOAK_FAILING=N that many of 12 partitions fail instead, again and again at
// random times, until what they may hold of a small buffer is used up: no flow for the
// others may be missing.
//
// The topic keeps little, and a consumer reads along.
func TestSoak(t *testing.T) {
	duration, err := time.ParseDuration(cmp.Or(os.Getenv("SOAK_DURATION"), "15m"))
	if err != nil {
		t.Fatalf("SOAK_DURATION: %v", err)
	}
	failing, err := strconv.Atoi(cmp.Or(os.Getenv("SOAK_FAILING"), "0"))
	if err != nil || failing < 0 || failing >= soakPartitions {
		t.Fatalf("SOAK_FAILING is %q, want a number from 0 to %d", os.Getenv("SOAK_FAILING"), soakPartitions-1)
	}
	c := startOn(t, freePorts(t, 6), "KAFKA_CONFIG="+writeFile(t, "log.retention.check.interval.ms=5000\n"))
	name := c.createTopic(t, "soak", soakPartitions, "segment.bytes", "8388608", "retention.bytes", "33554432", "file.delete.delay.ms", "1000")
	settings := []string{"FLOWPUB_HTTP_PPROF=true"}
	if failing > 0 {
		c.isolate(t, name, failing)
		settings = append(settings, "FLOWPUB_KAFKA_BUFFER_BYTES=64MiB")
	}
	p := startCollector(t, buildCollector(t), c, name, settings...)
	g, stop := startExporters(t, synthetic.Config{Target: p.UDP, Exporters: 64, Rate: soakRate})
	f := follow(t, c, name, g.Stats().Exporters)
	s := &soak{cluster: c, collector: p, began: time.Now()}
	disturb, pause := s.disturb, func() time.Duration { return soakBeat }
	if failing > 0 {
		disturb, pause = s.fail, func() time.Duration { return rand.N(soakBeat) }
	}
	s.watch(t, after(soakBeat))
	rests := []state{s.rest(t)}
	for round := 0; time.Since(s.began) < duration; round++ {
		next := after(pause())
		disturb(t, round)
		s.watch(t, next)
		rests = append(rests, s.rest(t))
		t.Logf("%v: %v; %d flows are read", time.Since(s.began).Round(time.Second), rests[len(rests)-1], f.total())
	}
	stop()
	testwait.Until(t, time.Minute, "nothing is buffered", func() bool { return p.scrape(t)["flowpub_flows_buffered"] == 0 })
	l := p.terminate(t)
	f.catchUp(t, c, name)
	checkAccount(t, f, g.Stats(), l)
	if failing > 0 {
		checkLiving(t, f, g.Stats().Exporters, failing, l)
	}
	checkFlat(t, rests)
	t.Logf("at most %d flows and %d MiB were buffered, %d MiB resident; the brokers' logs had at most %d MiB",
		s.mostFlows, s.mostBuffer>>20, s.mostResident>>20, s.mostDisk>>20)
	if s.mostDisk > 3<<30 {
		t.Errorf("the brokers' logs had %d MiB, want 3072 at most", s.mostDisk>>20)
	}
}

// soak is what was seen so far.
type soak struct {
	cluster   *cluster
	collector *collector
	began     time.Time

	mostFlows, mostBuffer, mostResident, mostDisk uint64
}

// disturb kills a broker, or has it stand still, and mends that.
func (s *soak) disturb(t *testing.T, round int) {
	t.Helper()
	id := int32(round%3 + 1)
	if round%2 == 0 {
		s.cluster.kill(t, id)
		s.watch(t, after(7*time.Second))
		mended := make(chan struct{})
		go func() {
			defer close(mended)
			s.cluster.restart(t, id)
		}()
		s.watch(t, mended)
		return
	}
	s.cluster.pause(t, id)
	defer s.cluster.resume(t, id)
	s.watch(t, after(10*time.Second))
}

// isolate gives the first n partitions of a topic one replica, on failingBroker, and
// none of the others to that.
func (c *cluster) isolate(t *testing.T, name string, n int) {
	t.Helper()
	for i := range int32(soakPartitions) {
		replicas := []int32{1 + i%2, 2 - i%2}
		if i < int32(n) {
			replicas = []int32{failingBroker}
		}
		c.reassign(t, name, i, replicas)
	}
	testwait.Until(t, time.Minute, "the partitions have their replicas", func() bool {
		for i, p := range c.partitions(t, name) {
			if (len(p.Replicas) == 1) != (i < n) || len(p.Replicas) > 2 || len(p.ISR) != len(p.Replicas) || p.Leader < 0 {
				return false
			}
		}
		return true
	})
}

// fail has the partitions of failingBroker fail for 20 to 60 s: without a leader or,
// each second time, with one that says nothing at first. Killed, the broker might not
// lead again.
func (s *soak) fail(t *testing.T, round int) {
	t.Helper()
	lasting := after(20*time.Second + rand.N(40*time.Second))
	if round%2 == 1 {
		s.cluster.pause(t, failingBroker)
		defer s.cluster.resume(t, failingBroker)
		s.watch(t, lasting)
		return
	}
	s.cluster.end(t, failingBroker)
	s.watch(t, lasting)
	mended := make(chan struct{})
	go func() {
		defer close(mended)
		s.cluster.restart(t, failingBroker)
	}()
	s.watch(t, mended)
}

// checkLiving fails the test if a flow is missing of an exporter whose partition is
// not among the first n, which fail, unless the kernel dropped it; or if those could
// hold everything.
func checkLiving(t *testing.T, f *follower, sent []synthetic.SourceStats, n int, l *ledger) {
	t.Helper()
	partitioner := kgo.StickyKeyPartitioner(nil).ForTopic("")
	var missing, living uint64
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range sent {
		key := e.Address.Addr().String()
		if partitioner.Partition(&kgo.Record{Key: []byte(key)}, soakPartitions) < n {
			continue
		}
		s := f.exporters[key]
		living += s.flows
		missing += s.missing + uint64(e.NextSequence-s.next)
	}
	t.Logf("of exporters whose partitions do not fail %d flows came, %d are missing", living, missing)
	if missing > 30*l.KernelDropped {
		t.Errorf("%d flows are missing in partitions that do not fail, the kernel dropped %d", missing, 30*l.KernelDropped)
	}
	if l.FlowsDropped["buffer_full"] == 0 {
		t.Error("partitions that fail have lost nothing: they never held all they may")
	}
}

// watch scrapes twice a second until done: the ledger adds up each time.
func (s *soak) watch(t *testing.T, done <-chan struct{}) {
	t.Helper()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		s.see(t, s.collector.scrape(t))
		select {
		case <-done:
			return
		case <-tick.C:
		}
	}
}

func (s *soak) see(t *testing.T, m metrics) {
	t.Helper()
	s.mostFlows = max(s.mostFlows, uint64(m["flowpub_flows_buffered"]))
	s.mostBuffer = max(s.mostBuffer, uint64(m["flowpub_buffer_bytes"]))
	s.mostResident = max(s.mostResident, uint64(m["process_resident_memory_bytes"]))
	right := m["flowpub_flows_delivered_total"] + m["flowpub_flows_buffered"] + m.sum("flowpub_flows_dropped_total")
	if m["flowpub_flows_decoded_total"] != right {
		t.Errorf("decoded %.0f flows, but delivered, buffered and dropped are %.0f", m["flowpub_flows_decoded_total"], right)
	}
}

// sum adds up a metric over its labels.
func (m metrics) sum(name string) float64 {
	var total float64
	for sample, value := range m {
		if strings.HasPrefix(sample, name+"{") {
			total += value
		}
	}
	return total
}

// state is what the collector takes when it has caught up, and after a garbage
// collection.
type state struct {
	goroutines, heap, resident uint64
}

func (s state) String() string {
	return fmt.Sprintf("%d goroutines, %d MiB heap, %d MiB resident", s.goroutines, s.heap>>20, s.resident>>20)
}

// rest waits until the collector has caught up with its load.
func (s *soak) rest(t *testing.T) state {
	t.Helper()
	testwait.Until(t, 2*time.Minute, "the collector has caught up", func() bool {
		return s.collector.scrape(t)["flowpub_flows_buffered"] < soakRate/2
	})
	s.mostDisk = max(s.mostDisk, s.cluster.logBytes(t))
	s.collector.get(t, "/debug/pprof/heap?gc=1")
	m := s.collector.scrape(t)
	return state{
		goroutines: uint64(m["go_goroutines"]), heap: uint64(m["go_memstats_heap_alloc_bytes"]),
		resident: uint64(m["process_resident_memory_bytes"]),
	}
}

// checkFlat fails the test if the collector takes more at the last rests than at
// the first. It is under load then, and medians of five leave out what just
// happened to be under way. Batches are not in Go's heap, but resident.
func checkFlat(t *testing.T, rests []state) {
	t.Helper()
	few := min(5, (len(rests)+1)/2)
	first, last := median(rests[:few]), median(rests[len(rests)-few:])
	t.Logf("at the first %d rests %v; at the last %v", few, first, last)
	if last.goroutines > first.goroutines+5 {
		t.Errorf("%d goroutines in the end, %d at the start", last.goroutines, first.goroutines)
	}
	if last.heap > first.heap+8<<20 || last.resident > first.resident+24<<20 {
		t.Errorf("%d bytes of heap and %d resident in the end, %d and %d at the start",
			last.heap, last.resident, first.heap, first.resident)
	}
}

// median is that of each number by itself.
func median(states []state) state {
	of := func(number func(state) uint64) uint64 {
		var all []uint64
		for _, s := range states {
			all = append(all, number(s))
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	return state{
		goroutines: of(func(s state) uint64 { return s.goroutines }),
		heap:       of(func(s state) uint64 { return s.heap }),
		resident:   of(func(s state) uint64 { return s.resident }),
	}
}

// checkAccount fails the test unless each flow that was sent has come, or is
// counted as dropped by flowpub or, 30 a datagram, by the kernel.
func checkAccount(t *testing.T, f *follower, sent synthetic.Stats, l *ledger) {
	t.Helper()
	came, between, behind := f.check(t, sent.Exporters)
	t.Logf("sent %d flows: %d came, %d are missing; dropped: %v, by the kernel %d datagrams; perhaps twice %d",
		sent.Flows, came, between+behind, l.FlowsDropped, l.KernelDropped, l.FlowsDuplicated)
	if uint64(came) != l.FlowsDelivered {
		t.Errorf("%d flows came, %d count as delivered", came, l.FlowsDelivered)
	}
	if dropped := l.dropped() + 30*l.KernelDropped; uint64(between+behind) != dropped {
		t.Errorf("%d flows are missing, %d count as dropped", between+behind, dropped)
	}
	if uint64(came+between+behind) != sent.Flows {
		t.Errorf("%d flows came or are missing, %d were sent", came+between+behind, sent.Flows)
	}
	if l.FlowsBuffered != 0 || l.FlowsDuplicated != 0 {
		t.Errorf("in the end %d flows are buffered, and %d perhaps twice in Kafka", l.FlowsBuffered, l.FlowsDuplicated)
	}
}

// logBytes is the size of all segments that the brokers have.
func (c *cluster) logBytes(t *testing.T) uint64 {
	t.Helper()
	var total uint64
	err := filepath.WalkDir(c.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".log" {
			if info, err := d.Info(); err == nil { // else it was deleted meanwhile
				total += uint64(info.Size())
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return total
}

// after returns a channel that is closed when a time has passed.
func after(d time.Duration) <-chan struct{} {
	done := make(chan struct{})
	time.AfterFunc(d, func() { close(done) })
	return done
}

// ledger is flowpub's account of all datagrams and flows, as it logs it.
type ledger struct {
	DatagramsReceived uint64            `json:"datagrams_received"`
	KernelDropped     uint64            `json:"datagrams_kernel_dropped"`
	FlowsDecoded      uint64            `json:"flows_decoded"`
	FlowsDelivered    uint64            `json:"flows_delivered"`
	FlowsDropped      map[string]uint64 `json:"flows_dropped"`
	FlowsBuffered     uint64            `json:"flows_buffered"`
	FlowsDuplicated   uint64            `json:"flows_possibly_duplicated"`
}

// dropped is the sum of all reasons.
func (l *ledger) dropped() uint64 {
	var n uint64
	for _, flows := range l.FlowsDropped {
		n += flows
	}
	return n
}

// terminate ends flowpub in order and returns its last ledger.
func (p *collector) terminate(t *testing.T) *ledger {
	t.Helper()
	if err := p.Command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	var l ledger
	p.AwaitEnd(t, &l)
	return &l
}
