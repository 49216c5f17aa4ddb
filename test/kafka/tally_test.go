//go:build kafka

package kafka_test

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	"github.com/flowpub/flowpub/decoder"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// What the matrix rests on: a tally sees flows that are missing, there twice, out of
// order, changed, or nobody's.
func TestTally(t *testing.T) {
	t.Parallel()
	const sent = 4
	for _, test := range []struct {
		name                          string
		flows                         []uint32 // in the order of their offsets
		change                        func(*flowv1.FlowRecord)
		wrong                         string
		different, duplicates, copies uint64
	}{
		{name: "all", flows: []uint32{0, 1, 2, 3}, different: 4},
		{name: "one is missing", flows: []uint32{0, 2, 3}, different: 3},
		{name: "a batch is repeated", flows: []uint32{0, 1, 0, 1, 2, 3}, different: 4, duplicates: 2, copies: 2},
		{name: "twice", flows: []uint32{0, 1, 1, 1, 2, 3}, different: 4, duplicates: 1, copies: 2},
		{name: "out of order", flows: []uint32{0, 2, 1, 3}, wrong: "flow 1 comes after 2"},
		{name: "never sent", flows: []uint32{0, 1, 2, 3, 4}, wrong: "flow 4 was not sent"},
		{name: "changed", flows: []uint32{0}, change: func(m *flowv1.FlowRecord) { m.Octets++ }, wrong: "flow 0: it has"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := newExporter(1, 1, false)
			e.sent = sent
			got := newTally(traffic{e})
			var wrong string
			for _, n := range test.flows {
				m := e.message(n)
				if test.change != nil {
					test.change(m)
				}
				if wrong = got.add(record(t, e.from.Addr().String(), m)); wrong != "" {
					break
				}
			}
			if test.wrong == "" && wrong != "" || !strings.HasPrefix(wrong, test.wrong) {
				t.Fatalf("it says %q, want %q", wrong, test.wrong)
			}
			if test.wrong == "" && (got.different != test.different || got.duplicates != test.duplicates || got.copies != test.copies) {
				t.Errorf("%d different flows, %d there twice, %d copies; want %d, %d, %d",
					got.different, got.duplicates, got.copies, test.different, test.duplicates, test.copies)
			}
		})
	}
	for _, e := range newTraffic(1) {
		e.sent = sent
		m := e.message(1)
		if wrong := newTally(traffic{e}).add(record(t, e.from.Addr().String(), m)); wrong != "" {
			t.Errorf("%v: %s", e.format, wrong)
		}
		m.SamplingInterval++
		if wrong := newTally(traffic{e}).add(record(t, e.from.Addr().String(), m)); !strings.HasPrefix(wrong, "flow 1: beside what") {
			t.Errorf("%v, sampled otherwise: it says %q", e.format, wrong)
		}
	}
	if wrong := newTally(nil).add(record(t, "192.0.2.1", new(flowv1.FlowRecord))); !strings.Contains(wrong, "sent nothing") {
		t.Errorf("of a key that nobody has it says %q", wrong)
	}
}

// message is the nth flow of an exporter as consumers are to find it, as far as
// they look.
func (e *exporter) message(n uint32) *flowv1.FlowRecord {
	f := e.flow(n)
	m := &flowv1.FlowRecord{
		Format: flowv1.ExportFormat(e.format), ObservationDomainId: e.domain, FlowSequence: n,
		ExporterAddress: e.from.Addr().AsSlice(), ExporterPort: uint32(e.from.Port()), ReceiveTimeNs: uint64(e.received(n)),
		SourceAddress: f.SourceAddress.AsSlice(), SourcePort: uint32(f.SourcePort),
		DestinationAddress: f.DestinationAddress.AsSlice(), DestinationPort: uint32(f.DestinationPort),
		Protocol: uint32(f.Protocol), Packets: f.Packets, Octets: f.Octets,
	}
	switch e.format {
	case decoder.FormatUnspecified, decoder.FormatNetFlowV5:
		return m
	case decoder.FormatNetFlowV9:
		m.SamplingSource = flowv1.SamplingSource_SAMPLING_SOURCE_RECORD
		m.TemplateId, m.VlanId = templateID, uint32(vlan(n))
	case decoder.FormatIPFIX:
		m.SamplingSource = flowv1.SamplingSource_SAMPLING_SOURCE_DOMAIN
		m.TemplateId, m.ReversePackets, m.ApplicationId = templateID, reversePackets(n), applicationID(n)
	case decoder.FormatSFlowV5:
		m.SamplingSource = flowv1.SamplingSource_SAMPLING_SOURCE_SFLOW_SAMPLE
		m.AgentAddress, m.SampleSequence, m.BgpAsPath = agent.AsSlice(), n, asPath(n)
	}
	m.SamplingInterval = samplingInterval
	return m
}

func record(t *testing.T, key string, m *flowv1.FlowRecord) *kgo.Record {
	t.Helper()
	value, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return &kgo.Record{Key: []byte(key), Value: value}
}
