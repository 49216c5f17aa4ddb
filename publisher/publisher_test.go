package publisher

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/flowpub/flowpub/internal/testwait"
)

func TestDelivery(t *testing.T) {
	t.Parallel()
	for _, compression := range []Compression{
		CompressionNone, CompressionGzip, CompressionSnappy, CompressionLZ4, CompressionZstd, CompressionLZ4Fast, CompressionZstdFast,
	} {
		for _, acks := range []Acks{AcksAll, AcksLeader, AcksNone} {
			t.Run(fmt.Sprintf("%v acks=%v", compression, acks), func(t *testing.T) {
				t.Parallel()
				broker := startBroker(t, 4)
				p := startPublisher(t, broker.ListenAddrs(), func(c *Config) {
					c.Compression = compression
					c.Acks = acks
					c.Idempotent = acks == AcksAll
				})
				n := publish(t, p, 0, 250, 30)
				closeWithin(t, p, patience)
				wantDelivered(t, p, n)
				checkFlows(t, consume(t, broker.ListenAddrs(), int(n)), n)
				if s := p.Stats(); s.Partitions != 4 || s.BufferBytes != 0 || s.Batches == 0 || s.BytesRaw < s.BytesWire {
					t.Errorf("stats %+v", s)
				}
			})
		}
	}
}

// deliveredKind is how values are made and packed in a test.
type deliveredKind struct {
	framing
	codec Compression
}

// deliveredKinds are all forms of values in batches that are compressed as given. The first
// ones have each form and each codec.
func deliveredKinds(codecs ...Compression) (all []deliveredKind) {
	for i := range codecs {
		for j, f := range framings {
			all = append(all, deliveredKind{f, codecs[(i+j)%len(codecs)]})
		}
	}
	return all
}

func (k deliveredKind) String() string {
	return fmt.Sprintf("%v %v, header %v", k.Value, k.codec, k.Headers != "")
}

// Every form of values is delivered, both what waited for Kafka and what came when
// it was there, by the encoders of plain batches and of those in LZ4.
func TestValuesDelivered(t *testing.T) {
	t.Parallel()
	kinds := deliveredKinds(CompressionNone, CompressionZstdFast, CompressionLZ4Fast)
	var all []deliveredKind
	for half := range 2 { // of them is with the header, then the other
		for i, k := range kinds {
			if i%2 == half {
				k.framing = k.withHeader()
			}
			all = append(all, k)
		}
	}
	for _, k := range testwait.Few(len(framings), all) {
		t.Run(k.String(), func(t *testing.T) {
			t.Parallel()
			address, port := reserveAddress(t)
			p := startPublisher(t, []string{address}, func(cfg *Config) {
				cfg.Compression = k.codec
				k.configure(t, cfg)
			})
			n := publish(t, p, 0, 100, 30)
			broker := startBroker(t, 3, kfake.Ports(port))
			eventually(t, patience, "what waited is delivered", func() bool { return p.Stats().Delivered == n })
			n += publish(t, p, 100, 200, 30)
			closeWithin(t, p, patience)
			wantDelivered(t, p, n)
			got := consume(t, broker.ListenAddrs(), int(n))
			got.unframe(t, k.framing)
			checkFlows(t, got, n)
		})
	}
}

// Many goroutines publish, as the sockets of a listener do, while another reads
// the counts.
func TestConcurrentPublish(t *testing.T) {
	t.Parallel()
	broker := startBroker(t, 3)
	p := startPublisher(t, broker.ListenAddrs(), nil)
	var publishers sync.WaitGroup
	packets := testwait.Fewer[uint64](50, 150)
	for worker := range uint64(16) {
		publishers.Go(func() {
			for i := range packets {
				seed := i*16 + worker // one exporter a goroutine
				if err := p.Publish(testExporter(seed), testReceived(seed), testPacket(seed, 30)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	var reader sync.WaitGroup
	reader.Go(func() {
		var last uint64
		for {
			s := p.Stats()
			checkLedger(t, s)
			if s.Decoded < last {
				t.Errorf("decoded went from %d to %d", last, s.Decoded)
			}
			last = s.Decoded
			select {
			case <-done:
				return
			default:
			}
		}
	})
	publishers.Wait()
	closeWithin(t, p, patience)
	close(done)
	reader.Wait()
	n := 16 * packets * 30
	wantDelivered(t, p, n)
	checkFlows(t, consume(t, broker.ListenAddrs(), int(n)), n)
}

// Kafka comes late, and more partitions come later: nothing is lost, and an
// exporter's records keep their order.
func TestBrokerComesLate(t *testing.T) {
	t.Parallel()
	for _, c := range []Compression{CompressionZstdFast, CompressionLZ4Fast} {
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			address, port := reserveAddress(t)
			p := startPublisher(t, []string{address}, func(cfg *Config) { cfg.Compression = c })
			n := publish(t, p, 0, 1500, 30)
			if missing := p.Missing(); len(missing) != 1 {
				t.Errorf("missing %q, want one thing", missing)
			}
			s := p.Stats()
			checkLedger(t, s)
			if s.Buffered != n {
				t.Errorf("buffered %d, want %d", s.Buffered, n)
			}
			eventually(t, 10*time.Second, "the cluster counts as unreached", func() bool { return p.Stats().Unreached })
			broker := startBroker(t, 5, kfake.Ports(port))
			eventually(t, 15*time.Second, "the publisher is ready", func() bool { return len(p.Missing()) == 0 })
			eventually(t, 10*time.Second, "the cluster counts as reached", func() bool { return !p.Stats().Unreached })
			n += publish(t, p, 1500, 2000, 30)
			closeWithin(t, p, patience)
			wantDelivered(t, p, n)
			checkFlows(t, consume(t, broker.ListenAddrs(), int(n)), n)
		})
	}
}

// Publishing allocates nothing for a packet, whatever the form of values.
func TestPublishAllocations(t *testing.T) {
	for _, f := range framings {
		p := startPublisher(t, []string{"127.0.0.1:1"}, func(cfg *Config) { f.configure(t, cfg) })
		packet := testPacket(1, 1)
		// So often that what others allocate meanwhile, looking for Kafka, is below one.
		n := testing.AllocsPerRun(5000, func() {
			if err := p.Publish(testExporter(1), testTime, packet); err != nil {
				t.Error(err)
			}
		})
		if n > 0 {
			t.Errorf("%v: publishing a packet allocates %v times", f.Value, n)
		}
	}
}

// A packet without records is no batch without records.
func TestEmptyPacket(t *testing.T) {
	t.Parallel()
	broker := startBroker(t, 1)
	p := startPublisher(t, broker.ListenAddrs(), nil)
	if err := p.Publish(testExporter(0), testTime, testPacket(0, 0)); err != nil {
		t.Error(err)
	}
	closeWithin(t, p, 5*time.Second)
	if s := p.Stats(); s.Batches != 0 || s.Decoded != 0 {
		t.Errorf("stats %+v", s)
	}
}

// The largest packet that a datagram can hold is one batch's, or none's. In JSON
// it is larger than a batch may be, and is divided.
func TestLargestPacket(t *testing.T) {
	testwait.Long(t)
	t.Parallel()
	for _, k := range testwait.Few(len(framings), deliveredKinds(CompressionZstdFast, CompressionNone, CompressionLZ4Fast)) {
		t.Run(k.String(), func(t *testing.T) {
			t.Parallel()
			broker := startBroker(t, 1)
			p := startPublisher(t, broker.ListenAddrs(), func(cfg *Config) {
				cfg.Compression = k.codec
				k.configure(t, cfg)
			})
			n := publish(t, p, 0, testwait.Fewer[uint64](3, 20), 1364)
			closeWithin(t, p, patience)
			wantDelivered(t, p, n)
			got := consume(t, broker.ListenAddrs(), int(n))
			got.unframe(t, k.framing)
			checkFlows(t, got, n)
		})
	}
}

// With the least buffer there may be, the largest packet can wait for its topic,
// move to a partition, and be sent: the packets come one after the other.
func TestLargestPacketInLeastBuffer(t *testing.T) {
	testwait.Long(t)
	t.Parallel()
	for _, k := range testwait.Few(len(framings), deliveredKinds(CompressionNone, CompressionLZ4Fast)) {
		t.Run(k.String(), func(t *testing.T) {
			t.Parallel()
			address, port := reserveAddress(t)
			p := startPublisher(t, []string{address}, func(cfg *Config) {
				cfg.Compression = k.codec
				k.configure(t, cfg)
				cfg.BufferBytes = cfg.LeastBufferBytes()
			})
			n := publish(t, p, 0, 1, 1364)
			broker := startBroker(t, 64, kfake.Ports(port))
			for seed := uint64(1); seed < testwait.Fewer[uint64](3, 4); seed++ {
				eventually(t, patience, "the packet is delivered", func() bool { return p.Stats().Delivered == n })
				n += publish(t, p, seed, seed+1, 1364)
			}
			closeWithin(t, p, patience)
			wantDelivered(t, p, n)
			got := consume(t, broker.ListenAddrs(), int(n))
			got.unframe(t, k.framing)
			checkFlows(t, got, n)
		})
	}
}
