//go:build kafka

package kafka_test

import (
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/flowpub/flowpub/internal/testwait"
	"github.com/flowpub/flowpub/publisher"
)

// The codecs' numbers in a record batch's attributes (Apache Kafka
// documentation, section 5.3 "Message Format").
var codecs = map[publisher.Compression]uint8{
	publisher.CompressionNone:     0,
	publisher.CompressionGzip:     1,
	publisher.CompressionSnappy:   2,
	publisher.CompressionLZ4:      3,
	publisher.CompressionLZ4Fast:  3,
	publisher.CompressionZstd:     4,
	publisher.CompressionZstdFast: 4,
}

// The broker takes batches of every codec and size under every acknowledgement,
// and every client reads from them what was published.
func (c *cluster) codecsAndAcks(t *testing.T) {
	t.Parallel()
	for codec, number := range codecs {
		t.Run(codec.String(), func(t *testing.T) {
			t.Parallel()
			name := c.createTopic(t, codec.String(), 2)
			all := newTraffic(10)
			leader, none := newTraffic(11), newTraffic(12)
			publishSizes(t, c, name, all, func(cfg *publisher.Config) { cfg.Compression = codec })
			publishSizes(t, c, name, leader, func(cfg *publisher.Config) {
				cfg.Compression, cfg.Acks, cfg.Idempotent = codec, publisher.AcksLeader, false
			})
			publishSizes(t, c, name, none, func(cfg *publisher.Config) {
				cfg.Compression, cfg.Acks, cfg.Idempotent = codec, publisher.AcksNone, false
			})
			together := slices.Concat(all, leader, none)
			ends := c.ends(t, name)
			readers := consumers()
			if number == codecs[publisher.CompressionLZ4] {
				readers = append(readers, consumer{"lz4", readWithLZ4})
			}
			for _, consumer := range readers {
				t.Run(consumer.name, func(t *testing.T) {
					got := consumer.read(t, c, name, ends)
					together.checkFlows(t, got, 1)
					checkTimes(t, got)
				})
			}
			checkStored(t, c.records(t, name, ends), number, all)
		})
	}
}

// publishSizes publishes batches of one record, of the smallest and of the
// largest size.
func publishSizes(t *testing.T, c *cluster, topic string, tr traffic, change func(*publisher.Config)) {
	t.Helper()
	before := uint64(sum(c.ends(t, topic)))
	single := startPublisher(t, c.brokers, topic, func(cfg *publisher.Config) {
		change(cfg)
		cfg.Linger = 0
	})
	for _, e := range tr {
		before := single.Stats().Delivered
		if err := e.publish(single, 1); err != nil {
			t.Fatal(err)
		}
		testwait.Until(t, 30*time.Second, "a record is delivered", func() bool { return single.Stats().Delivered > before })
	}
	if s := c.closeStored(t, single, topic, before, 16); s.Batches != 16 {
		t.Errorf("16 records went in %d batches", s.Batches)
	}

	small := startPublisher(t, c.brokers, topic, func(cfg *publisher.Config) {
		change(cfg)
		cfg.BatchBytes = publisher.MinBatchBytes
	})
	awaitReady(t, small)
	tr.publish(t, small, 8, 30)
	c.closeStored(t, small, topic, before+16, 16*8*30)

	large := startPublisher(t, c.brokers, topic, func(cfg *publisher.Config) {
		change(cfg)
		cfg.BatchBytes, cfg.Linger = publisher.MaxBatchBytes, time.Minute
	})
	awaitReady(t, large)
	tr.publish(t, large, 1, 1364) // as many as a datagram holds
	tr.publish(t, large, 2, 30)
	s := c.closeStored(t, large, topic, before+16+16*8*30, 16*(1364+2*30))
	if mean := s.BytesRaw / s.Batches; mean < publisher.MaxBatchBytes/2 {
		t.Errorf("%d batches have %d bytes on average, want more than half a MiB", s.Batches, mean)
	}
}

// closeStored is closeExactly, and waits until the topic has the n flows besides
// those that were there before: without acknowledgements they count as delivered
// earlier.
func (c *cluster) closeStored(t *testing.T, p *publisher.Publisher, topic string, before, n uint64) publisher.Stats {
	t.Helper()
	s := closeExactly(t, p, n)
	testwait.Until(t, 30*time.Second, "the topic has all", func() bool {
		return uint64(sum(c.ends(t, topic))) >= before+n
	})
	return s
}

// checkStored fails the test unless most messages were stored under a codec (a
// small batch is left as it is when that makes it no smaller), and those of the
// idempotent exporters under producer ids.
func checkStored(t *testing.T, got [][]*kgo.Record, codec uint8, idempotent traffic) {
	t.Helper()
	identified := make(map[string]bool)
	for _, e := range idempotent {
		identified[e.from.Addr().String()] = true
	}
	packed, total := 0, 0
	for number, records := range got {
		for _, r := range records {
			total++
			switch r.Attrs.CompressionType() {
			case codec:
				packed++
			case 0:
			default:
				t.Fatalf("partition %d, offset %d: codec %d", number, r.Offset, r.Attrs.CompressionType())
			}
			if (r.ProducerID >= 0) != identified[string(r.Key)] {
				t.Fatalf("partition %d, offset %d: the producer id of %s is %d", number, r.Offset, r.Key, r.ProducerID)
			}
		}
	}
	if packed < total*9/10 {
		t.Errorf("%d of %d messages are stored with codec %d", packed, total, codec)
	}
}

// A broker that has a codec of its own unpacks our batches and packs them again.
func (c *cluster) brokerCompressesAgain(t *testing.T) {
	t.Parallel()
	name := c.createTopic(t, "gzip", 2, "compression.type", "gzip")
	var all traffic
	for codec := range codecs {
		tr := newTraffic(100 + byte(codec))
		p := startPublisher(t, c.brokers, name, func(cfg *publisher.Config) { cfg.Compression = codec })
		tr.publish(t, p, 20, 30)
		closeExactly(t, p, tr.flows())
		all = append(all, tr...)
	}
	ends := c.ends(t, name)
	for _, consumer := range consumers() {
		t.Run(consumer.name, func(t *testing.T) {
			got := consumer.read(t, c, name, ends)
			all.checkFlows(t, got, 1)
			checkTimes(t, got)
		})
	}
	for _, records := range c.records(t, name, ends) {
		for _, r := range records {
			if r.Attrs.CompressionType() != 1 {
				t.Fatalf("offset %d is stored with codec %d, want gzip", r.Offset, r.Attrs.CompressionType())
			}
		}
	}
}

// A broker may put its own time in place of the receive time.
func (c *cluster) brokerStampsTime(t *testing.T) {
	t.Parallel()
	name := c.createTopic(t, "logappendtime", 2, "message.timestamp.type", "LogAppendTime")
	before := time.Now().Add(-time.Second)
	tr := newTraffic(14)
	p := startPublisher(t, c.brokers, name, nil)
	tr.publish(t, p, 20, 30)
	closeExactly(t, p, tr.flows())
	ends := c.ends(t, name)
	for _, consumer := range consumers() {
		t.Run(consumer.name, func(t *testing.T) {
			got := consumer.read(t, c, name, ends)
			tr.checkFlows(t, got, 1)
			if consumer.name == "kafka-go" {
				checkTimes(t, got) // its Reader shows the producer's time all the same
				return
			}
			for _, m := range slices.Concat(got...) {
				if m.time.Before(before) || m.time.After(time.Now().Add(time.Second)) {
					t.Fatalf("a timestamp is %v, want the broker's", m.time)
				}
			}
		})
	}
}
