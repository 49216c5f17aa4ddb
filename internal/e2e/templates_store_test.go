//go:build linux

package e2e

import (
	"bytes"
	"encoding/binary"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	"github.com/flowpub/flowpub/internal/testwait"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

const templateTopic = "templates"

// FlowSets of NetFlow v9: templates 256 of two that tell octets or packets, of one with a field more, and 300 as the first;
// a record of each, whose numbers are 100.
var (
	octetsTemplate  = []byte{0, 0, 0, 16, 1, 0, 0, 2, 0, 8, 0, 4, 0, 1, 0, 4}
	packetsTemplate = []byte{0, 0, 0, 16, 1, 0, 0, 2, 0, 8, 0, 4, 0, 2, 0, 4}
	longerTemplate  = []byte{0, 0, 0, 20, 1, 0, 0, 3, 0, 8, 0, 4, 0, 2, 0, 4, 0, 12, 0, 4}
	otherTemplate   = []byte{0, 0, 0, 16, 1, 44, 0, 2, 0, 8, 0, 4, 0, 1, 0, 4}
	aRecord         = []byte{1, 0, 0, 12, 192, 0, 2, 1, 0, 0, 0, 100}
	longerRecord    = []byte{1, 0, 0, 16, 192, 0, 2, 1, 0, 0, 0, 100, 192, 0, 2, 2}
	otherRecord     = []byte{1, 44, 0, 12, 192, 0, 2, 1, 0, 0, 0, 100}
)

// v9Exporter sends from one port, to whichever process listens.
type v9Exporter struct {
	conn *net.UDPConn
	sent map[*process]uint64
	boot uint32 // seconds by which it booted later than at first
}

func newV9Exporter(t *testing.T) *v9Exporter {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &v9Exporter{conn: conn, sent: make(map[*process]uint64)}
}

// send sends a packet and waits until it was read.
func (e *v9Exporter) send(t *testing.T, p *process, sets ...[]byte) metrics {
	t.Helper()
	b := binary.BigEndian.AppendUint16([]byte{0, 9}, uint16(len(sets)))
	for _, n := range []uint32{1_000_000, 1_717_200_000 + e.boot, uint32(e.sent[p]), 7} {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	to, err := net.ResolveUDPAddr("udp4", p.UDP)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.conn.WriteToUDP(append(b, bytes.Join(sets, nil)...), to); err != nil {
		t.Fatal(err)
	}
	e.sent[p]++
	return p.awaitDatagrams(t, e.sent[p])
}

// teach has the exporter's template learned, proven and stored, the first of the process behind its mark.
func (e *v9Exporter) teach(t *testing.T, p *process, template, record []byte) {
	t.Helper()
	e.send(t, p, template)
	for range 10 {
		e.send(t, p, record)
	}
	testwait.Until(t, 20*time.Second, "it is stored", func() bool { return p.stored(t) >= 2 })
}

// stored is how many records a process has written to the topic for templates.
func (p *process) stored(t *testing.T) uint64 {
	t.Helper()
	return p.scrape(t).counts("template_store_records_total")["written"]
}

// published is what a flow of the exporter says in Kafka.
type published struct{ octets, packets, anomalies uint64 }

const (
	provisional = uint64(flowv1.Anomaly_ANOMALY_TEMPLATE_PROVISIONAL)
	waited      = uint64(flowv1.Anomaly_ANOMALY_WAITED)
	// unset: the records have no times.
	unset = uint64(flowv1.Anomaly_ANOMALY_START_UNSET | flowv1.Anomaly_ANOMALY_END_UNSET)
)

// last returns the last n flows of the topic.
func (k *kafka) last(t *testing.T, n int) []published {
	t.Helper()
	var all []published
	k.read(t, func(r *kgo.Record) {
		var flow flowv1.FlowRecord
		if err := proto.Unmarshal(r.Value, &flow); err != nil {
			t.Fatal(err)
		}
		all = append(all, published{flow.Octets, flow.Packets, uint64(flow.Anomalies) &^ unset})
	})
	return all[max(0, len(all)-n):]
}

// startStored starts a process that uses the topic for templates.
func startStored(t *testing.T, k *kafka) *process {
	t.Helper()
	p := startFlowpub(t, k.gate.address, "FLOWPUB_KAFKA_TEMPLATE_TOPIC="+templateTopic, "FLOWPUB_KAFKA_LINGER=5ms")
	p.awaitReady(t)
	return p
}

func startKafkaWithTemplates(t *testing.T) *kafka {
	t.Helper()
	k := startKafka(t, 1)
	if err := k.CreateTopic(templateTopic, 1, map[string]string{"cleanup.policy": "compact,delete"}); err != nil {
		t.Fatal(err)
	}
	return k
}

// A process decodes from the first datagram on what an exporter has taught the one before, and says that it
// is provisional until the exporter repeats it. Without the topic all of that is lost.
func TestTemplatesSurviveARestart(t *testing.T) {
	t.Parallel()
	k := startKafkaWithTemplates(t)
	e := newV9Exporter(t)
	first := startStored(t, k)
	e.teach(t, first, octetsTemplate, aRecord)
	first.terminate(t)

	second := startStored(t, k)
	e.send(t, second, aRecord)
	e.send(t, second, octetsTemplate, aRecord)
	if last := second.terminate(t); last.FlowsDelivered != 2 || sum(last.SetsDropped) != 0 {
		t.Errorf("with the topic %+v", last)
	}
	if got := k.last(t, 2); got[0] != (published{100, 0, provisional}) || got[1] != (published{100, 0, 0}) {
		t.Errorf("published %+v", got)
	}

	without := startFlowpub(t, k.gate.address)
	without.awaitReady(t)
	if m := e.send(t, without, aRecord); m.count("data_sets_waiting") != 1 {
		t.Errorf("without the topic %v", m)
	}
	testwait.Until(t, 20*time.Second, "the topic is recommended", func() bool {
		return without.Logged("there is NetFlow v9 or IPFIX, and its templates are kept in memory only: after each restart its flows are lost until exporters repeat them", new(struct{}))
	})
	if last := without.terminate(t); last.FlowsDelivered != 0 || last.SetsDropped["no_template"] != 1 {
		t.Errorf("without the topic %+v", last)
	}
}

// Data that come before the topic was read wait for that, and are decoded by what it has.
func TestDataComeBeforeTheTopicIsRead(t *testing.T) {
	t.Parallel()
	k := startKafkaWithTemplates(t)
	e := newV9Exporter(t)
	first := startStored(t, k)
	e.teach(t, first, octetsTemplate, aRecord)
	first.terminate(t)

	k.gate.shut()
	second := startFlowpub(t, k.gate.address, "FLOWPUB_KAFKA_TEMPLATE_TOPIC="+templateTopic)
	for range 5 {
		e.send(t, second, aRecord)
	}
	if m := second.scrape(t); m.count("data_sets_waiting") != 5 {
		t.Errorf("%d sets wait, want 5", m.count("data_sets_waiting"))
	}
	k.gate.open(t)
	testwait.Until(t, time.Minute, "all is delivered", func() bool { return second.scrape(t).count("flows_delivered_total") == 5 })
	if last := second.terminate(t); sum(last.SetsDropped) != 0 {
		t.Errorf("%+v", last)
	}
	for _, got := range k.last(t, 5) {
		if got != (published{100, 0, provisional | waited}) {
			t.Errorf("published %+v", got)
		}
	}
}

// What an exporter has changed while nobody listened: what is then published is marked or waits, and its next
// repetition heals it.
func TestTemplatesChangedWhileNobodyListened(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name             string
		boot             uint32
		template, record []byte
		before           []published // the repetition
		after            []published // what has waited, then what comes with it
	}{
		{
			"to one as long", 0, packetsTemplate, aRecord,
			[]published{{100, 0, provisional}}, []published{{0, 100, 0}},
		},
		{
			"to one that is longer", 0, longerTemplate, longerRecord,
			nil, []published{{0, 100, waited}, {0, 100, 0}},
		},
		{
			"with a restart, to one as long", 60, packetsTemplate, aRecord,
			nil, []published{{0, 100, waited}, {0, 100, 0}},
		},
		{
			"with a restart, to another id", 60, otherTemplate, otherRecord,
			nil, []published{{100, 0, waited}, {100, 0, 0}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := startKafkaWithTemplates(t)
			e := newV9Exporter(t)
			first := startStored(t, k)
			e.teach(t, first, octetsTemplate, aRecord)
			first.terminate(t)

			second := startStored(t, k)
			e.boot = c.boot
			e.send(t, second, c.record)
			e.send(t, second, c.template, c.record)
			last := second.terminate(t)
			want := slices.Concat(c.before, c.after)
			if last.FlowsDelivered != uint64(len(want)) || sum(last.SetsDropped) != 0 {
				t.Errorf("%+v, want %d flows", last, len(want))
			}
			for i, got := range k.last(t, len(want)) {
				if got != want[i] {
					t.Errorf("flow %d: published %+v, want %+v", i, got, want[i])
				}
			}
		})
	}
}

// A forged template holds where it arrives until the exporter repeats its own. It is not stored: another
// process goes on by what the exporter had taught.
func TestForgedTemplateIsNotStored(t *testing.T) {
	t.Parallel()
	k := startKafkaWithTemplates(t)
	e := newV9Exporter(t)
	first := startStored(t, k)
	e.teach(t, first, octetsTemplate, aRecord)
	e.send(t, first, packetsTemplate) // from the exporter's own address and port
	for range 9 {
		e.send(t, first, aRecord)
	}
	e.send(t, first, octetsTemplate)
	e.send(t, first, aRecord)
	if got := k.flows(); got < 10 {
		t.Errorf("%d flows in the topic", got)
	}
	first.terminate(t)
	if got := k.last(t, 2); got[0] != (published{0, 100, 0}) || got[1] != (published{100, 0, 0}) {
		t.Errorf("published %+v, want the forged one's, then the exporter's", got)
	}
	if got := k.size(templateTopic); got != 2 {
		t.Errorf("%d records in the topic for templates, want the mark and the first template", got)
	}
	second := startStored(t, k)
	e.send(t, second, aRecord)
	second.terminate(t)
	if got := k.last(t, 1); got[0] != (published{100, 0, provisional}) {
		t.Errorf("published %+v by another process", got)
	}
}
