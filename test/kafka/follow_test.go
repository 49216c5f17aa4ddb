//go:build kafka

package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	synthetic "github.com/flowpub/flowpub/internal/exporter"
	"github.com/flowpub/flowpub/internal/testwait"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// startExporters has synthetic exporters send until the function that it returns
// is called, or the test ends.
func startExporters(t *testing.T, cfg synthetic.Config) (*synthetic.Generator, func()) {
	t.Helper()
	g, err := synthetic.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := g.Run(ctx); err != nil {
			t.Errorf("the exporters have ended: %v", err)
		}
	}()
	stop := func() {
		cancel()
		<-ended
	}
	t.Cleanup(stop)
	return g, stop
}

// follower reads a topic while it is written. Since the order of an exporter's
// flows is guaranteed, it need only keep which of them comes next, and so can
// account for any number of flows.
type follower struct {
	client *kgo.Client
	ended  chan struct{}

	mu        sync.Mutex
	exporters map[string]*stream
	offsets   map[int32]int64 // the next
	read      uint64
	wrong     int
	mistakes  []string // the first of them
}

// stream is what came of one exporter.
type stream struct {
	next           uint32 // flow
	flows, missing uint64 // missing before next
}

// follow begins to read a topic that has nothing yet but what these exporters
// send.
func follow(t *testing.T, c *cluster, name string, exporters []synthetic.SourceStats) *follower {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.brokers...), kgo.ConsumeTopics(name),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.MetadataMinAge(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	f := &follower{client: client, ended: make(chan struct{}), exporters: make(map[string]*stream), offsets: make(map[int32]int64)}
	for _, e := range exporters {
		f.exporters[e.Address.Addr().String()] = &stream{next: e.FirstSequence}
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer close(f.ended)
		for ctx.Err() == nil {
			f.take(client.PollFetches(ctx))
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-f.ended
		client.Close()
	})
	return f
}

func (f *follower) take(fetches kgo.Fetches) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fetches.EachError(func(_ string, partition int32, err error) {
		if !errors.Is(err, context.Canceled) {
			f.mistake("reading partition %d: %v", partition, err)
		}
	})
	var m flowv1.FlowRecord
	fetches.EachRecord(func(r *kgo.Record) {
		f.read++
		if want := f.offsets[r.Partition]; r.Offset != want {
			f.mistake("partition %d: offset %d, want %d", r.Partition, r.Offset, want)
		}
		f.offsets[r.Partition] = r.Offset + 1
		if err := proto.Unmarshal(r.Value, &m); err != nil {
			f.mistake("partition %d, offset %d: %v", r.Partition, r.Offset, err)
			return
		}
		f.place(string(r.Key), m.GetFlowSequence()+m.GetRecordIndex())
	})
}

// place puts a flow behind those of its exporter that came before.
func (f *follower) place(key string, flow uint32) {
	s := f.exporters[key]
	if s == nil {
		f.mistake("a flow of %q, which sends none", key)
		return
	}
	ahead := int32(flow - s.next)
	if ahead < 0 {
		f.mistake("%s: flow %d comes again, or late: flow %d was next", key, flow, s.next)
		return
	}
	s.missing += uint64(ahead)
	s.flows++
	s.next = flow + 1
}

// mistake notes what must not be. The first tell enough.
func (f *follower) mistake(format string, args ...any) {
	const enough = 20
	if f.wrong++; f.wrong <= enough {
		f.mistakes = append(f.mistakes, fmt.Sprintf(format, args...))
	}
}

// total is how many messages were read.
func (f *follower) total() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.read
}

// catchUp waits until all that the topic has is read.
func (f *follower) catchUp(t *testing.T, c *cluster, name string) {
	t.Helper()
	testwait.Until(t, time.Minute, "the topic is read", func() bool {
		return f.total() == uint64(sum(c.ends(t, name)))
	})
}

// check fails the test if a flow came twice or late, or one that was not sent.
// It returns how many came of those that the exporters had sent, how many are
// missing between them, and how many behind the last that came.
func (f *follower) check(t *testing.T, sent []synthetic.SourceStats) (came, between, behind int64) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, mistake := range f.mistakes {
		t.Error(mistake)
	}
	if more := f.wrong - len(f.mistakes); more > 0 {
		t.Errorf("and %d mistakes more", more)
	}
	streams := maps.Clone(f.exporters)
	for _, e := range sent {
		key := e.Address.Addr().String()
		s := streams[key]
		delete(streams, key)
		came += int64(s.flows)
		between += int64(s.missing)
		behind += int64(int32(e.NextSequence - s.next))
	}
	for _, key := range slices.Sorted(maps.Keys(streams)) {
		t.Errorf("nothing is known of what %s has sent", key)
	}
	return came, between, behind
}

// What a follower must not overlook: flows that are missing, that come again, that
// come late, and those of strangers. Flow numbers go around at 2^32.
func TestFollower(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		flows          []uint32
		came, missing  uint64
		mistakes, next uint32
	}{
		"all in order":           {[]uint32{math.MaxUint32, 0, 1, 2}, 4, 0, 0, 3},
		"the first two missing":  {[]uint32{1, 2}, 2, 2, 0, 3},
		"one missing in between": {[]uint32{math.MaxUint32, 1, 2}, 3, 1, 0, 3},
		"one again":              {[]uint32{math.MaxUint32, 0, 0, 1}, 3, 0, 1, 2},
		"one late":               {[]uint32{math.MaxUint32, 1, 0}, 2, 1, 1, 2},
	} {
		f := &follower{exporters: map[string]*stream{"10.0.0.1": {next: math.MaxUint32}}}
		for _, flow := range c.flows {
			f.place("10.0.0.1", flow)
		}
		want := stream{next: c.next, flows: c.came, missing: c.missing}
		if got := *f.exporters["10.0.0.1"]; got != want || f.wrong != int(c.mistakes) {
			t.Errorf("%s: %+v and %d mistakes, want %+v and %d", name, got, f.wrong, want, c.mistakes)
		}
		f.place("10.0.0.2", 0)
		if f.wrong != int(c.mistakes)+1 {
			t.Errorf("%s: a stranger is no mistake", name)
		}
	}
}
