//go:build linux

package e2e

import (
	"net/netip"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/flowpub/flowpub/internal/exporter"
)

// Exporters in a network have a topic of their own, which flowpub creates: its
// flows are there and nowhere else, and the books are right for both together.
func TestTopicsApart(t *testing.T) {
	const (
		customer = "customer"
		rate     = 100_000
	)
	shareMachine(t, rate)
	network := netip.MustParsePrefix("127.1.0.0/28")
	k := startKafka(t, 16)
	p := startFlowpub(t, k.gate.address, "FLOWPUB_KAFKA_TOPIC_ROUTES="+network.String()+"="+customer, "FLOWPUB_KAFKA_CREATE_TOPIC=4,1")
	p.awaitReady(t)
	sent := startLoad(t, exporter.Config{Target: p.UDP, Exporters: exporters, Rate: rate, Flows: 300_000}).result(t)
	p.awaitDatagrams(t, sent.Datagrams)
	last := p.terminate(t)

	want := make(map[string]uint64)
	for _, e := range sent.Exporters {
		if network.Contains(e.Address.Addr()) {
			want[customer] += e.Flows
		} else {
			want[topic] += e.Flows
		}
	}
	if last.FlowsDelivered != want[customer]+want[topic] {
		t.Errorf("delivered %d flows, want %d of the customer and %d of the others", last.FlowsDelivered, want[customer], want[topic])
	}
	for _, name := range []string{customer, topic} {
		var flows uint64
		k.readTopic(t, name, func(r *kgo.Record) {
			flows++
			if key := netip.MustParseAddr(string(r.Key)); network.Contains(key) != (name == customer) {
				t.Errorf("topic %s has a flow of %v", name, key)
			}
		})
		if flows != want[name] {
			t.Errorf("topic %s has %d flows, want %d", name, flows, want[name])
		}
	}
}
