package publisher

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// People see why nothing is delivered, since when flows wait, and, once the cluster is there, who
// leads what, and which partitions fail and why.
func TestView(t *testing.T) {
	t.Parallel()
	address, port := reserveAddress(t)
	p := startPublisher(t, []string{address}, nil)
	if err := p.Publish(testExporter(0), testReceived(0), testPacket(0, 7)); err != nil {
		t.Fatal(err)
	}
	published := time.Now()
	eventually(t, time.Minute, "the fault is seen", func() bool { return p.View().LastFault != nil })
	v := p.View()
	if f := v.LastFault; !strings.Contains(f.Text, address) || !strings.Contains(f.Cure, "FLOWPUB_KAFKA_BROKERS") || time.Since(f.At) > time.Minute {
		t.Errorf("the fault is %+v, want that nobody listens at %s, and the cure", f, address)
	}
	if len(v.Topics) != 1 || v.Topics[0].Buffered != 7 || len(v.Topics[0].Leaders) != 0 || v.Topics[0].Problem == "" || len(v.Brokers) != 0 {
		t.Errorf("without a cluster it is %+v", v)
	}
	eventually(t, time.Minute, "the flow has waited", func() bool { return p.View().Oldest >= 50*time.Millisecond })
	if oldest := p.View().Oldest; oldest > time.Since(published)+time.Second {
		t.Errorf("the oldest waits for %v, and was published %v ago", oldest, time.Since(published))
	}

	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(port), kfake.SeedTopics(4, testTopic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	eventually(t, time.Minute, "what waited is delivered", func() bool { return p.Stats().Delivered == 7 })
	v = p.View()
	if len(v.Brokers) != 1 || v.Brokers[0].Address != address || v.Brokers[0].Leads != 4 || v.Brokers[0].Latency == 0 || v.Oldest != 0 {
		t.Errorf("with a cluster it is %+v", v)
	}
	if l := v.Topics[0].Leaders; len(l) != 4 || slices.Max(l) != v.Brokers[0].ID || v.Topics[0].Problem != "" {
		t.Errorf("the topic is %+v", v.Topics[0])
	}

	fault := broker.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotEnoughReplicas, Count: -1})
	if err := p.Publish(testExporter(0), testReceived(1), testPacket(1, 3)); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, "the partition is known to fail", func() bool { return len(p.View().Topics[0].Failing) == 1 })
	v = p.View()
	if f := v.Brokers[0].LastFault; f == nil || f != v.LastFault || f.Broker != address || !strings.Contains(f.Text, "Not Enough Replicas") || f.Cure == "" {
		t.Errorf("the broker's fault is %+v, the last %+v", f, v.LastFault)
	}
	if v.Topics[0].Buffered != 3 {
		t.Errorf("%d flows wait, want 3", v.Topics[0].Buffered)
	}
	fault.Remove()
	closeWithin(t, p, patience)
}

// The cluster may name brokers that were never heard of each time.
func TestPeersAreBounded(t *testing.T) {
	t.Parallel()
	p := newPeers()
	end := p.begin(-7)
	for id := range int32(3 * maxBrokers) {
		p.faultOf(id, "", "", "")
	}
	end(time.Second)
	if n := len(p.by); n > maxBrokers+1 {
		t.Errorf("%d brokers are remembered", n)
	}
	if b := p.by[-7]; b == nil || b.requests != 0 || b.latency != time.Second {
		t.Errorf("the broker with a request is %+v", b)
	}
}
