package publisher

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/flowpub/flowpub/publisher/cluster"
	"github.com/flowpub/flowpub/publisher/failure"
)

// testCustomer is the topic of those test exporters that are in testNetwork: 7
// of 16.
const testCustomer = "customer"

var testNetwork = netip.MustParsePrefix("192.0.2.0/29")

// routed configures a publisher with testCustomer.
func routed(c *Config) { c.Routes = []Route{{testNetwork, testCustomer}} }

func isCustomer(seed uint64) bool { return testNetwork.Contains(testExporter(seed).Addr()) }

// publishOf publishes those of the first packets that are of one of the two topics, and returns how many records they had.
func publishOf(t *testing.T, p *Publisher, customer bool, packets uint64) uint64 {
	t.Helper()
	var n uint64
	for seed := range packets {
		if isCustomer(seed) == customer {
			n += publish(t, p, seed, seed+1, 30)
		}
	}
	return n
}

// Exporters' flows are in their topics and nowhere else, and batches of both
// travel in the same requests.
func TestTwoTopics(t *testing.T) {
	t.Parallel()
	broker := startBroker(t, 3, kfake.SeedTopics(2, testCustomer))
	shared := broker.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.Produce}, Observe: true, Count: -1,
		When: func(r kmsg.Request) bool {
			produce, ok := r.(*kmsg.ProduceRequest)
			return ok && len(produce.Topics) == 2
		},
	})
	p := startPublisher(t, broker.ListenAddrs(), func(c *Config) {
		routed(c)
		c.Linger = 300 * time.Millisecond // long enough for both to get something
	})
	eventually(t, 10*time.Second, "the publisher is ready", func() bool { return len(p.Missing()) == 0 })
	var customer, rest uint64
	for seed := range uint64(400) { // in turn, so that both have something to send at the same time
		if n := publish(t, p, seed, seed+1, 30); isCustomer(seed) {
			customer += n
		} else {
			rest += n
		}
	}
	eventually(t, patience, "all is delivered", func() bool { return p.Stats().Delivered == customer+rest })
	closeWithin(t, p, patience)
	wantDelivered(t, p, customer+rest)
	checkFlows(t, consumeTopic(t, broker.ListenAddrs(), testCustomer, int(customer)), customer)
	checkFlows(t, consume(t, broker.ListenAddrs(), int(rest)), rest)
	if got := p.Stats().Partitions; got != 5 {
		t.Errorf("%d partitions, want those of both topics, 5", got)
	}
	if shared.Hits() == 0 {
		t.Error("no request had batches of both topics")
	}
}

// While one topic is missing the other's flows are delivered; the missing one is
// named, and gets all that waited once it is there.
func TestOneTopicComesLate(t *testing.T) {
	t.Parallel()
	for _, late := range []string{testCustomer, testTopic} {
		t.Run(late, func(t *testing.T) {
			t.Parallel()
			early := map[string]string{testCustomer: testTopic, testTopic: testCustomer}[late]
			broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, early))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(broker.Close)
			p := startPublisher(t, broker.ListenAddrs(), routed)
			waiting := publishOf(t, p, late == testCustomer, 400)
			flowing := publishOf(t, p, early == testCustomer, 400)
			eventually(t, patience, "the other topic's flows are delivered", func() bool { return p.Stats().Delivered == flowing })
			if missing := p.Missing(); len(missing) != 1 || !strings.Contains(missing[0], late) {
				t.Errorf("missing %q, want topic %s", missing, late)
			}
			if s := p.Stats(); s.Buffered != waiting {
				t.Errorf("%d are buffered, want %d", s.Buffered, waiting)
			}
			if err := broker.CreateTopic(late, 2, nil); err != nil {
				t.Fatal(err)
			}
			eventually(t, 10*time.Second, "the publisher is ready", func() bool { return len(p.Missing()) == 0 })
			closeWithin(t, p, patience)
			wantDelivered(t, p, waiting+flowing)
			checkFlows(t, consumeTopic(t, broker.ListenAddrs(), late, int(waiting)), waiting)
		})
	}
}

// A topic that is deleted takes its share of the buffer and no more: the other
// loses nothing and is delivered all the time.
func TestOneTopicIsDeleted(t *testing.T) {
	t.Parallel()
	broker := startBroker(t, 3, kfake.SeedTopics(2, testCustomer))
	p := startPublisher(t, broker.ListenAddrs(), func(c *Config) {
		routed(c)
		c.BufferBytes = 8 << 20
	})
	customer, rest := publishOf(t, p, true, 32), publishOf(t, p, false, 32)
	eventually(t, patience, "the first flows are delivered", func() bool { return p.Stats().Delivered == customer+rest })
	deleteTopic(t, broker, testCustomer)
	for seed := uint64(32); p.Stats().Dropped[DropBufferFull] == 0 || seed < 4000; seed++ {
		err := p.Publish(testExporter(seed), testReceived(seed), testPacket(seed, 30))
		switch {
		case isCustomer(seed):
			customer += 30
		case err != nil:
			t.Fatalf("packet %d of the other topic: %v", seed, err)
		default:
			rest += 30
		}
		if seed%400 == 0 { // no faster than the embedded broker
			eventually(t, patience, "the other topic's flows are delivered", func() bool { return p.Stats().Delivered >= rest })
		}
	}
	if missing := p.Missing(); len(missing) != 0 {
		t.Errorf("missing %q: a topic that was there once is not", missing)
	}
	if p.Stats().ProduceErrors["unknown_topic_or_partition"] == 0 {
		t.Errorf("errors %v, want some for the topic that is gone", p.Stats().ProduceErrors)
	}
	if err := broker.CreateTopic(testCustomer, 2, nil); err != nil {
		t.Fatal(err)
	}
	closeWithin(t, p, patience)
	s := p.Stats()
	checkLedger(t, s)
	if dropped := s.Dropped[DropBufferFull]; s.Delivered+dropped != customer+rest {
		t.Errorf("delivered %d, dropped %v, want the sum to be %d", s.Delivered, s.Dropped, customer+rest)
	}
	checkFlows(t, consume(t, broker.ListenAddrs(), int(rest)), rest)
}

func deleteTopic(t *testing.T, broker *kfake.Cluster, name string) {
	t.Helper()
	topic := kmsg.NewDeleteTopicsRequestTopic()
	topic.Topic = &name
	request := kmsg.NewPtrDeleteTopicsRequest()
	request.Topics, request.TopicNames = append(request.Topics, topic), []string{name}
	response, err := request.RequestWith(t.Context(), kafkaClient(t, broker))
	if err == nil {
		err = kerr.ErrorForCode(response.Topics[0].ErrorCode)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// However many topics are missing, they leave room for one that is there, and
// each may keep the largest packet.
func TestMissingTopicsLeaveRoom(t *testing.T) {
	t.Parallel()
	broker := startBroker(t, 1)
	const missing = 15
	p := startPublisher(t, broker.ListenAddrs(), func(c *Config) {
		for i := range byte(missing) {
			c.Routes = append(c.Routes, Route{netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, 2 + i}), 32), "missing" + string('a'+rune(i))})
		}
		c.BufferBytes = c.LeastBufferBytes()
	})
	packet := testPacket(0, 1364)
	for seed := range uint64(16 * 40) {
		if seed%16 == 0 { // goes to the topic that is there
			continue
		}
		err := p.Publish(testExporter(seed), testReceived(seed), packet)
		if seed < 16 && err != nil {
			t.Fatalf("the first packet of topic %d: %v", seed, err)
		}
		if err != nil && !errors.Is(err, ErrBufferFull) {
			t.Fatal(err)
		}
	}
	checkLedger(t, p.Stats())
	if s := p.Stats(); s.Dropped[DropBufferFull] == 0 {
		t.Fatalf("buffered %d, dropped %v, want some dropped", s.Buffered, s.Dropped)
	}
	for seed := uint64(0); seed < 16*100; seed += 16 {
		if err := p.Publish(testExporter(seed), testReceived(seed), testPacket(seed, 30)); err != nil {
			t.Fatalf("packet %d of the topic that is there: %v", seed, err)
		}
	}
	eventually(t, patience, "its flows are delivered", func() bool { return p.Stats().Delivered == 100*30 })
	checkLedger(t, p.Stats())
	if names := strings.Join(p.Missing(), "\n"); strings.Count(names, "\n") != missing-1 || strings.Contains(names, `"flows"`) {
		t.Errorf("missing:\n%s\nwant the %d topics", names, missing)
	}
}

// All topics come late, when what waits has used up what it may: there is room
// for it to move on, and none of it is dropped.
func TestAllTopicsComeLate(t *testing.T) {
	t.Parallel()
	address, port := reserveAddress(t)
	seeds := []string{testTopic}
	p := startPublisher(t, []string{address}, func(c *Config) {
		for i := range byte(15) {
			name := "late" + string('a'+rune(i))
			seeds = append(seeds, name)
			c.Routes = append(c.Routes, Route{netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, 2 + i}), 32), name})
		}
		c.BufferBytes = c.LeastBufferBytes()
	})
	packet := testPacket(0, 1000)
	for seed := range uint64(16 * 60) {
		if err := p.Publish(testExporter(seed), testReceived(seed), packet); err != nil && !errors.Is(err, ErrBufferFull) {
			t.Fatal(err)
		}
	}
	kept, dropped := p.Stats().Buffered, p.Stats().Dropped[DropBufferFull]
	if dropped == 0 {
		t.Fatal("the buffer is not full")
	}
	startBroker(t, 1, kfake.Ports(port), kfake.SeedTopics(1, seeds...))
	eventually(t, patience, "all that waited is delivered", func() bool { return p.Stats().Delivered == kept })
	checkLedger(t, p.Stats())
	if now := p.Stats().Dropped[DropBufferFull]; now != dropped {
		t.Errorf("%d were dropped of what waited", now-dropped)
	}
}

// The settings of each topic are looked at, and warnings stand for any of them.
func TestAllTopicsAreChecked(t *testing.T) {
	t.Parallel()
	broker := startBroker(t, 1)
	if err := broker.CreateTopic(testCustomer, 1, map[string]string{"cleanup.policy": "compact", "max.message.bytes": "5000"}); err != nil {
		t.Fatal(err)
	}
	p := startPublisher(t, broker.ListenAddrs(), routed)
	eventually(t, 10*time.Second, "the topics are checked", func() bool { return p.Stats().TopicWarnings[warnCompaction] })
	limits := []int64{p.topics[0].messageLimit.Load(), p.topics[1].messageLimit.Load()}
	if limits[0] <= 5000 || limits[1] != 5000 {
		t.Errorf("limits of batches %v: each topic has its own", limits)
	}
}

// All topics that are missing are created.
func TestSeveralTopicsAreCreated(t *testing.T) {
	t.Parallel()
	broker := startBroker(t, 1)
	p := startPublisher(t, broker.ListenAddrs(), func(c *Config) {
		c.Routes = []Route{{testNetwork, testCustomer}, {netip.MustParsePrefix("192.0.2.8/29"), "other"}}
		c.CreateTopic = cluster.TopicShape{Partitions: 4, Replicas: 1}
	})
	n := publish(t, p, 0, 160, 30)
	closeWithin(t, p, patience)
	wantDelivered(t, p, n)
	var partitions []int
	for _, top := range p.topics {
		partitions = append(partitions, len(top.layout.Load().partitions))
	}
	if !slices.Equal(partitions, []int{1, 4, 4}) {
		t.Errorf("partitions %v, want 1 in the topic that was there and 4 in the others", partitions)
	}
}

// The leaders last known are of use while the cluster cannot be asked, but not
// when it says that the topic is gone: one unknown topic spoils a whole request.
func TestLeader(t *testing.T) {
	t.Parallel()
	known := sighted{leaders: []int32{7, -1}}
	gone := sighted{leaders: []int32{7, -1}, problem: kerr.UnknownTopicOrPartition, gone: true}
	unasked := sighted{leaders: []int32{7, -1}, problem: kerr.BrokerNotAvailable}
	tests := []struct {
		name      string
		seen      *sighted
		partition int32
		want      int32
		err       error
	}{
		{"there", &known, 0, 7, nil},
		{"without leader", &known, 1, 0, failure.ErrNoLeader},
		{"beyond the partitions", &known, 2, 0, failure.ErrNoLeader},
		{"never reached", new(sighted), 0, 0, failure.ErrNoLeader},
		{"not answered for", &unasked, 0, 7, nil},
		{"gone", &gone, 0, 0, kerr.UnknownTopicOrPartition},
	}
	for _, tt := range tests {
		if got, err := tt.seen.leader(tt.partition); got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: leader %d, error %v; want %d, %v", tt.name, got, err, tt.want, tt.err)
		}
	}
}
