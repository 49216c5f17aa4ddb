package publisher

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/flowpub/flowpub/publisher/batch"
	"github.com/flowpub/flowpub/publisher/memory"
)

// Until the partitions are known everything waits in one place; when there are
// more of them, only exporters that move wait, and only where they come from.
func TestLayoutStages(t *testing.T) {
	t.Parallel()
	first := &layout{stages: []*stage{{}}}
	grown := &layout{
		partitions: make([]*partition, 6),
		stages:     []*stage{{}, {}, {}, {}},
		moving:     true,
	}
	for hash := range uint32(24) {
		if first.stage(place{hash: hash}) != first.stages[0] {
			t.Errorf("hash %d: before the partitions are known it does not wait", hash)
		}
		var want *stage
		if hash%4 != hash%6 {
			want = grown.stages[hash%4]
		}
		if got := grown.stage(place{hash: hash}); got != want {
			t.Errorf("hash %d: waits in %p, want %p", hash, got, want)
		}
	}
	for i := range uint32(24 * 3) {
		at := place{i / 3, uint16(i % 3)}
		var want *stage
		if before := at.partition(PartitionerMurmur2, 4); before != at.partition(PartitionerMurmur2, 6) {
			want = grown.stages[before]
		}
		if got := grown.stage(at); got != want {
			t.Errorf("%+v: waits in %p, want %p", at, got, want)
		}
	}
	first.stages[0].ended.Store(true)
	if first.stage(place{hash: 1}) != first.stages[0] {
		t.Error("a layout without partitions has nowhere to go but its stage, which refuses then")
	}
	if grown.settled() {
		t.Error("settled with open stages")
	}
	for _, s := range grown.stages {
		s.ended.Store(true)
	}
	if !grown.settled() || grown.stage(place{hash: 4}) != nil {
		t.Error("not settled when all stages have ended")
	}
}

// A goroutine that looked up the layout before it changed must not append
// behind the back of those that take it for settled.
func TestOldLayoutIsRefused(t *testing.T) {
	t.Parallel()
	broker := startBroker(t, 1)
	p := startPublisher(t, broker.ListenAddrs(), nil)
	eventually(t, 10*time.Second, "the publisher is ready", func() bool { return len(p.Missing()) == 0 })
	old := p.topics[0].layout.Load()
	p.topics[0].adopt(3)
	var e batch.Encoder
	e.Reset(testExporter(0), testTime, testPacket(0, 30))
	done, err := old.partitions[0].append(old, place{}, &e)
	if done || err != nil || p.Stats().Decoded != 0 {
		t.Errorf("append through the old layout: done %v, error %v, %d decoded", done, err, p.Stats().Decoded)
	}
	if done, err = old.partitions[0].append(p.topics[0].layout.Load(), place{}, &e); !done || err != nil {
		t.Errorf("append through the new layout: done %v, error %v", done, err)
	}
}

// A layout never shrinks, and does not change again before the last change has
// settled.
func TestAdopt(t *testing.T) {
	t.Parallel()
	address, _ := reserveAddress(t)
	p := startPublisher(t, []string{address}, nil)
	for _, step := range []struct{ asked, want int }{{2, 2}, {2, 2}, {1, 2}, {5, 5}} {
		p.topics[0].adopt(step.asked)
		eventually(t, 5*time.Second, "the stages end", func() bool { return p.topics[0].layout.Load().settled() })
		if got := p.Stats().Partitions; got != step.want {
			t.Errorf("%d partitions asked for, there are %d, want %d", step.asked, got, step.want)
		}
	}
	publish(t, p, 0, 16, 30) // nothing was in the old partitions: goes straight on
	eventually(t, 5*time.Second, "the stages end", func() bool { return p.topics[0].layout.Load().settled() })
	p.topics[0].adopt(6)
	publish(t, p, 16, 32, 30) // waits for what is in the five
	p.topics[0].adopt(7)
	if got := p.Stats().Partitions; got != 6 {
		t.Errorf("there are %d partitions before the last change has settled, want 6", got)
	}
	checkLedger(t, p.Stats())
}

// What is staged comes out as it went in, from compressed chunks too.
func TestStageKeepsPackets(t *testing.T) {
	t.Parallel()
	s := newStage(memory.New(16<<20, MaxBatchBytes, 16<<10, 1), true)
	const packets = 500
	for seed := range uint64(packets) {
		var e batch.Encoder
		e.Reset(testExporter(seed), testReceived(seed), testPacket(seed, 30))
		if done, err := s.append(place{uint32(seed), uint16(seed % 7)}, &e); !done || err != nil {
			t.Fatalf("packet %d: done %v, error %v", seed, done, err)
		}
	}
	if s.waits.list[0].packed == 0 || s.waits.list[len(s.waits.list)-1].packed != 0 {
		t.Error("want the first chunk compressed and the last one not")
	}
	seed := uint64(0)
	for {
		c, ok := s.oldest()
		if !ok {
			break
		}
		content, err := c.content(nil)
		if err != nil {
			t.Fatal(err)
		}
		for len(content) > 0 {
			var packet staged
			packet, content = nextStaged(content)
			var e batch.Encoder
			e.Reset(testExporter(seed), testReceived(seed), testPacket(seed, 30))
			want := staged{batch.Staged{Timestamp: e.Timestamp(), Key: e.Key(), Records: 30, Messages: e.AppendMessages(nil, 0, 30)}, place{uint32(seed), uint16(seed % 7)}, packet.whole}
			if !reflect.DeepEqual(packet, want) {
				t.Fatalf("packet %d is at %+v with key %s, want %+v and %s, and the same messages", seed, packet.at, packet.Key, want.at, want.Key)
			}
			seed++
		}
		s.waits.release(c)
	}
	if seed != packets || s.waits.account.Held() != 0 {
		t.Errorf("%d packets of %d came out, %d bytes are still charged", seed, packets, s.waits.account.Held())
	}
	var e batch.Encoder
	e.Reset(testExporter(0), testTime, testPacket(0, 1))
	if done, _ := s.append(place{}, &e); done {
		t.Error("a stage that has ended takes a packet")
	}
}

// A stage fills most of the budget, and leaves a part to the partitions.
func TestStageIsBounded(t *testing.T) {
	t.Parallel()
	b := memory.New(MinBufferBytes, MaxBatchBytes, 16<<10, 1)
	s := newStage(b, true)
	var err error
	for seed := uint64(0); err == nil; seed++ {
		var e batch.Encoder
		e.Reset(testExporter(seed), testReceived(seed), testPacket(seed, 30))
		_, err = s.append(place{}, &e)
	}
	if !errors.Is(err, ErrBufferFull) || s.waits.account.Held() > b.Limit()/16*15 || s.waits.account.Held() < b.Limit()/10*7 {
		t.Errorf("error %v with %d bytes held of %d", err, s.waits.account.Held(), b.Limit())
	}
	if s.counts.decoded != s.counts.buffered+s.counts.dropped[DropBufferFull] {
		t.Errorf("counts %+v do not add up", s.counts)
	}
	s.discard()
	if s.waits.account.Held() != 0 || s.counts.buffered != 0 || s.counts.dropped[DropShutdown] == 0 {
		t.Errorf("after discard: %d bytes held, counts %+v", s.waits.account.Held(), s.counts)
	}
}

// Partitions that are added while the first stage still empties wait for it, and
// nothing is counted twice or not at all.
func TestTopicGrowsWhileStageDrains(t *testing.T) {
	t.Parallel()
	address, _ := reserveAddress(t)
	p := startPublisher(t, []string{address}, nil)
	n := publish(t, p, 0, 3000, 30)
	p.topics[0].adopt(2)
	p.topics[0].adopt(5)
	n += publish(t, p, 3000, 3100, 30)
	checkLedger(t, p.Stats())
	eventually(t, 10*time.Second, "the stages end", func() bool { return p.topics[0].layout.Load().settled() })
	s := p.Stats()
	checkLedger(t, s)
	if s.Buffered != n || s.Decoded != n {
		t.Errorf("decoded %d, buffered %d, want %d", s.Decoded, s.Buffered, n)
	}
}
