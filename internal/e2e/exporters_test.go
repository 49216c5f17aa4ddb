//go:build linux

package e2e

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	"github.com/flowpub/flowpub/internal/exporter"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// Flows of the exporters that the file names carry the name and the sampling
// interval, and those of others neither.
func TestExportersFile(t *testing.T) {
	const rate = 20_000
	shareMachine(t, rate)
	file := filepath.Join(t.TempDir(), "exporters")
	if err := os.WriteFile(file, []byte("127.1.0.0/28 \"site\"-é 1000\n127.1.0.4 core\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	k := startKafka(t, 4)
	p := startFlowpub(t, k.gate.address, "FLOWPUB_EXPORTERS_FILE="+file)
	p.awaitReady(t)
	sent := startLoad(t, exporter.Config{Target: p.UDP, Exporters: exporters, Rate: rate, Flows: 20_000}).result(t)
	p.awaitDatagrams(t, sent.Datagrams)
	last := p.terminate(t)

	network, core := netip.MustParsePrefix("127.1.0.0/28"), netip.MustParseAddr("127.1.0.4")
	var flows uint64
	seen := make(map[string]uint64)
	k.readTopic(t, topic, func(r *kgo.Record) {
		flows++
		var m flowv1.FlowRecord
		if err := proto.Unmarshal(r.Value, &m); err != nil {
			t.Fatal(err)
		}
		from, name, interval := netip.MustParseAddr(string(r.Key)), "", uint32(0)
		switch {
		case from == core:
			name, interval = "core", 1000
		case network.Contains(from):
			name, interval = `"site"-é`, 1000
		}
		if m.GetExporterName() != name || m.GetSamplingOverride() != interval {
			t.Fatalf("a flow of %v has the name %q and the interval %d, want %q and %d", from, m.GetExporterName(), m.GetSamplingOverride(), name, interval)
		}
		seen[name]++
	})
	if flows != last.FlowsDelivered || len(seen) != 3 {
		t.Errorf("%d flows by name %v, want %d of three names", flows, seen, last.FlowsDelivered)
	}
}
