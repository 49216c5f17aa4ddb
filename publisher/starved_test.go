package publisher

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/internal/testwait"
)

// starved is a publisher some of whose partitions fail, the lower ones, and how
// its flows fare.
type starved struct {
	p         *Publisher
	dead, all int32
	seed      uint64
	// delivered is what was delivered before, living what was published since for
	// partitions that do not fail.
	delivered, living uint64
	exporters         []netip.AddrPort
	packets           [256]*decoder.ExportPacket // each is published again and again
}

// manyExporters is a number of exporters with which no partition is left out.
const manyExporters = 4096

func newStarved(p *Publisher, dead, all int32) *starved {
	s := &starved{p: p, dead: dead, all: all}
	for i := range uint32(manyExporters) {
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], 10<<24|i*2_654_435_761>>12)
		s.exporters = append(s.exporters, netip.AddrPortFrom(netip.AddrFrom4(a), 2055))
	}
	return s
}

// publish publishes a packet of the next exporter. lives reports whether its
// partition does not fail.
func (s *starved) publish(records int) (lives bool, err error) {
	from, packet := s.exporters[s.seed%manyExporters], &s.packets[s.seed%uint64(len(s.packets))]
	if *packet == nil || len((*packet).Records) != records {
		*packet = testPacket(s.seed, records)
	}
	lives = s.lives(from)
	err = s.p.Publish(from, testReceived(s.seed), *packet)
	s.seed++
	if lives && err == nil {
		s.living += uint64(records)
	}
	return lives, err
}

// mostlyDead has seven of eight packets go to partitions that fail.
func (s *starved) mostlyDead() {
	of := map[bool][]netip.AddrPort{}
	for _, from := range s.exporters {
		of[s.lives(from)] = append(of[s.lives(from)], from)
	}
	for i := range s.exporters {
		if list := of[i%8 == 7]; len(list) > 0 {
			s.exporters[i] = list[i%len(list)]
		}
	}
}

// lives reports whether an exporter's partition does not fail.
func (s *starved) lives(from netip.AddrPort) bool {
	return int32(PartitionerMurmur2.partition(PartitionerMurmur2.hash([]byte(from.Addr().String())), int(s.all))) >= s.dead
}

// fail makes the broker refuse what is for the partitions that fail.
func (s *starved) fail(broker *kfake.Cluster) *kfake.FaultHandle {
	numbers := make([]int32, s.dead)
	for i := range numbers {
		numbers[i] = int32(i)
	}
	return broker.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Partitions: numbers, Err: kerr.NotEnoughReplicas, Count: -1})
}

// allFail reports whether the partitions that fail are known to.
func (s *starved) allFail() bool {
	for _, part := range s.p.topics[0].layout.Load().partitions[:s.dead] {
		part.mu.Lock()
		failing := part.account.Failing()
		part.mu.Unlock()
		if !failing {
			return false
		}
	}
	return true
}

// goOn publishes packets, no faster than the embedded broker takes them, and fails
// the test if any for a partition that does not fail is dropped, or not delivered.
func (s *starved) goOn(t *testing.T, packets, records int) {
	t.Helper()
	for i := range packets {
		lives, err := s.publish(records)
		if lives && err != nil {
			t.Fatalf("packet %d, for a partition that does not fail: %v, %d bytes of %d are used", i, err, s.p.Stats().BufferBytes, s.p.Stats().BufferLimitBytes)
		}
		if i%64 == 63 || i == packets-1 {
			eventually(t, 2*time.Minute, "what is for partitions that do not fail is delivered", func() bool {
				return s.p.Stats().Delivered >= s.delivered+s.living
			})
		}
	}
	checkLedger(t, s.p.Stats())
}

// Kafka is away until the buffer is full, and then some partitions cannot be
// written to: what waited for the others is delivered, what comes for them is
// taken, and the stage empties itself. Once all can be written to, all that was
// taken is delivered, in order.
func TestStageDrainsPastFailingPartitions(t *testing.T) {
	testwait.Long(t)
	t.Parallel()
	type kind struct {
		buffer    int
		dead, all int32
		codec     Compression
	}
	for _, tt := range testwait.Few(2, []kind{
		{16 << 20, 8, 16, CompressionZstdFast},
		{16 << 20, 15, 16, CompressionNone},
		{16 << 20, 85, 256, CompressionLZ4Fast},
		{20 << 20, 128, 256, CompressionLZ4Fast},
		{8 << 20, 128, 256, CompressionZstdFast},
	}) {
		t.Run(fmt.Sprintf("%d of %d in %v", tt.dead, tt.all, ByteSize(tt.buffer)), func(t *testing.T) {
			t.Parallel()
			address, port := reserveAddress(t)
			p := startPublisher(t, []string{address}, func(c *Config) {
				c.BufferBytes, c.Compression = tt.buffer, tt.codec
			})
			s := newStarved(p, tt.dead, tt.all)
			var waited uint64
			for {
				lives, err := s.publish(30)
				if err != nil {
					break
				}
				if lives {
					waited += 30
				}
			}
			if used := p.Stats().BufferBytes; used < int64(tt.buffer)/10*7 {
				t.Errorf("the buffer is full at %d bytes", used)
			}
			kept := p.Stats().Buffered
			lost := p.Stats().Dropped[DropBufferFull]
			broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(port), kfake.SeedTopics(tt.all, "other"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(broker.Close)
			fault := s.fail(broker)
			if err := broker.CreateTopic(testTopic, tt.all, nil); err != nil {
				t.Fatal(err)
			}
			eventually(t, 2*time.Minute, "what waited for partitions that do not fail is delivered", func() bool { return p.Stats().Delivered >= waited })
			eventually(t, 2*time.Minute, "the stage ends", func() bool { return p.topics[0].layout.Load().settled() })
			now := p.Stats()
			if now.BufferEnoughBytes <= now.BufferLimitBytes && now.Dropped[DropBufferFull] != lost {
				t.Errorf("%d flows that waited are dropped", now.Dropped[DropBufferFull]-lost)
			}
			lost = now.Dropped[DropBufferFull] - lost // for partitions that fail
			s.delivered, s.living = p.Stats().Delivered, 0
			s.goOn(t, testwait.Fewer(500, 2000), 30)
			fault.Remove()
			closeWithin(t, p, 2*time.Minute)
			checkLedger(t, p.Stats())
			if got := p.Stats().Delivered + lost; got < kept {
				t.Errorf("%d of %d flows that waited are delivered or dropped", got, kept)
			}
			checkOrder(t, consume(t, broker.ListenAddrs(), int(p.Stats().Delivered)), p.Stats().Delivered)
		})
	}
}

// checkOrder fails the test unless the topic has n records, those of an exporter
// in the order in which they were received.
func checkOrder(t *testing.T, got consumed, n uint64) {
	t.Helper()
	if uint64(got.size()) != n {
		t.Errorf("the topic has %d flows, want %d", got.size(), n)
	}
	for number, records := range got {
		last := make(map[string]time.Time)
		for _, r := range records {
			if r.Timestamp.Before(last[string(r.Key)]) {
				t.Fatalf("partition %d: a flow of %s received %v comes after one of %v", number, r.Key, r.Timestamp, last[string(r.Key)])
			}
			last[string(r.Key)] = r.Timestamp
		}
	}
}

// Partitions that fail leave those that do not enough of a budget that is too
// small to keep a packet for each.
func TestManyPartitionsInSmallBudget(t *testing.T) {
	testwait.Long(t)
	t.Parallel()
	type kind struct {
		value  Value
		all    int32
		enough int64
	}
	// The buffers of a packet are of 48 and of 16 KiB.
	for _, tt := range testwait.Few(1, []kind{{ValueJSON, 256, 52 << 20}, {ValueProtobuf, 512, 35 << 20}}) {
		t.Run(fmt.Sprintf("%v %d", tt.value, tt.all), func(t *testing.T) {
			t.Parallel()
			broker := startBroker(t, tt.all)
			p := startPublisher(t, broker.ListenAddrs(), func(c *Config) { c.BufferBytes, c.Value = 16<<20, tt.value })
			eventually(t, 10*time.Second, "the publisher is ready", func() bool { return len(p.Missing()) == 0 })
			s := newStarved(p, tt.all/2, tt.all)
			s.fail(broker)
			s.goOn(t, testwait.Fewer(2000, 8000), 30)
			if got := p.Stats().BufferEnoughBytes; got != tt.enough {
				t.Errorf("%d bytes are called enough, want %d", got, tt.enough)
			}
		})
	}
}

// One partition that fails may fill more than half of the budget, and all together
// nearly all of it.
func TestBufferFillsBeforeDrops(t *testing.T) {
	testwait.Long(t)
	t.Parallel()
	for _, buffer := range testwait.Few(2, []int{4 << 20, 8 << 20, 16 << 20, 32 << 20, 256 << 20}) {
		for _, dead := range []int32{1, 16} {
			t.Run(fmt.Sprintf("%d of 16 in %v", dead, ByteSize(buffer)), func(t *testing.T) {
				t.Parallel()
				broker := startBroker(t, 16)
				p := startPublisher(t, broker.ListenAddrs(), func(c *Config) { c.BufferBytes, c.Compression = buffer, CompressionNone })
				eventually(t, 10*time.Second, "the publisher is ready", func() bool { return len(p.Missing()) == 0 })
				s := newStarved(p, dead, 16)
				s.mostlyDead()
				s.fail(broker)
				var most int64
				for {
					lives, err := s.publish(30)
					most = max(most, p.Stats().BufferBytes)
					if lives && dead < 16 && err != nil {
						t.Fatalf("a packet for a partition that does not fail: %v", err)
					}
					if errors.Is(err, ErrBufferFull) {
						if s.allFail() {
							break
						}
						eventually(t, 30*time.Second, "those that fail are known to", s.allFail)
					}
					if s.seed%32 == 0 && dead < 16 {
						eventually(t, patience, "the others are delivered", func() bool { return p.Stats().Delivered >= s.living })
					}
				}
				want := int64(buffer) / 2
				if dead == 16 {
					want = int64(buffer) / 4 * 3
				}
				if most < want {
					t.Errorf("flows are dropped when %d bytes of %d are used, want %d", most, buffer, want)
				}
				t.Logf("dropped at %d of %d bytes", most, buffer)
			})
		}
	}
}

// A datagram with very many records does not need the whole budget: what there is
// no room for is dropped, and the rest is delivered.
func TestPacketLargerThanBudget(t *testing.T) {
	testwait.Long(t)
	t.Parallel()
	for _, c := range testwait.Few(1, []Compression{CompressionZstdFast, CompressionNone, CompressionLZ4Fast}) {
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			address, port := reserveAddress(t)
			p := startPublisher(t, []string{address}, func(cfg *Config) {
				cfg.BufferBytes, cfg.Compression = MinBufferBytes, c
			})
			const records = 64 * 1024 // 10 MB
			if err := p.Publish(testExporter(0), testTime, testPacket(0, records)); !errors.Is(err, ErrBufferFull) {
				t.Errorf("a packet of 10 MB in 4 MiB: %v", err)
			}
			staged := p.Stats()
			checkLedger(t, staged)
			if staged.Decoded != records || staged.Buffered == 0 || staged.Dropped[DropBufferFull] != records-staged.Buffered {
				t.Errorf("of %d records %d are buffered, dropped %v", records, staged.Buffered, staged.Dropped)
			}
			broker := startBroker(t, 2, kfake.Ports(port))
			eventually(t, time.Minute, "what there was room for is delivered", func() bool { return p.Stats().Delivered == staged.Buffered })
			err := p.Publish(testExporter(0), testTime+1e9, testPacket(16, records))
			kept := staged.Buffered + records
			if errors.Is(err, ErrBufferFull) {
				kept -= p.Stats().Dropped[DropBufferFull] - staged.Dropped[DropBufferFull]
			}
			closeWithin(t, p, patience)
			checkLedger(t, p.Stats())
			if got := p.Stats().Delivered; got != kept || kept < staged.Buffered+4096 {
				t.Errorf("%d records are delivered, want %d, of the second packet 4096 or more", got, kept)
			}
			checkFlows(t, consume(t, broker.ListenAddrs(), int(kept)), kept)
		})
	}
}
