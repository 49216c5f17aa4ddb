//go:build kafka

package kafka_test

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/flowpub/flowpub/decoder"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// run is a run of an exporter's flows, from the first to before the end, that
// follow each other in a partition.
type run struct {
	partition  int
	first, end uint32
}

// checkFlows fails the test unless a topic holds exactly what the exporters have
// sent, each flow once, with its content and no header, and those of an exporter in order. An
// exporter's flows may be in as many partitions as homes; what is in the next
// comes later.
func (tr traffic) checkFlows(t *testing.T, got topic, homes int) {
	t.Helper()
	if uint64(got.size()) != tr.flows() {
		t.Errorf("the topic has %d flows, want %d", got.size(), tr.flows())
	}
	runs := tr.runs(t, got)
	for _, e := range tr {
		key := e.from.Addr().String()
		found := runs[key]
		slices.SortStableFunc(found, func(a, b run) int { return cmp.Compare(a.first, b.first) })
		var end uint32
		for _, r := range found {
			if r.first != end {
				t.Errorf("%s: flow %d is followed by %d in partition %d", key, int64(end)-1, r.first, r.partition)
			}
			end = r.end
		}
		if end != e.sent {
			t.Errorf("%s: the topic ends with flow %d, want %d", key, int64(end)-1, int64(e.sent)-1)
		}
		if len(found) > homes {
			t.Errorf("%s: its flows are in %d pieces, want at most %d: %v", key, len(found), homes, found)
		}
		delete(runs, key)
	}
	for key := range runs {
		t.Errorf("the topic has flows of %s, which sent none", key)
	}
}

// runs returns the runs of each exporter's flows, in the order of the partitions.
func (tr traffic) runs(t *testing.T, got topic) map[string][]run {
	t.Helper()
	exporters := make(map[string]*exporter)
	for _, e := range tr {
		exporters[e.from.Addr().String()] = e
	}
	runs := make(map[string][]run)
	var m flowv1.FlowRecord
	for number, messages := range got {
		for i := range messages {
			key := string(messages[i].key)
			e := exporters[key]
			if e == nil {
				t.Fatalf("partition %d, offset %d: the key is %q", number, i, key)
			}
			if err := proto.Unmarshal(messages[i].value, &m); err != nil {
				t.Fatalf("partition %d, offset %d: %v", number, i, err)
			}
			if len(messages[i].headers) > 0 {
				t.Fatalf("partition %d, offset %d: headers %v, want none", number, i, messages[i].headers)
			}
			n := m.GetFlowSequence() + m.GetRecordIndex()
			if wrong := e.differs(n, &m); wrong != "" {
				t.Fatalf("partition %d, offset %d: flow %d of %s: %s", number, i, n, key, wrong)
			}
			runs[key] = extend(runs[key], number, n)
		}
	}
	return runs
}

// extend puts a flow at the end of the last run, or begins another.
func extend(runs []run, partition int, n uint32) []run {
	if last := len(runs) - 1; last >= 0 && runs[last].partition == partition && runs[last].end == n {
		runs[last].end++
		return runs
	}
	return append(runs, run{partition, n, n + 1})
}

// differs tells what is wrong with the message of the nth flow; empty if nothing
// is.
func (e *exporter) differs(n uint32, m *flowv1.FlowRecord) string {
	f := e.flow(n)
	switch {
	case m.GetFormat() != flowv1.ExportFormat(e.format), m.GetObservationDomainId() != e.domain:
		return fmt.Sprintf("the format is %v, the domain %d", m.GetFormat(), m.GetObservationDomainId())
	case !bytes.Equal(m.GetExporterAddress(), e.from.Addr().AsSlice()), m.GetExporterPort() != uint32(e.from.Port()):
		return fmt.Sprintf("the exporter is %x, port %d", m.GetExporterAddress(), m.GetExporterPort())
	case m.GetReceiveTimeNs() != uint64(e.received(m.GetFlowSequence())):
		return fmt.Sprintf("the receive time is %d", m.GetReceiveTimeNs())
	case !bytes.Equal(m.GetSourceAddress(), f.SourceAddress.AsSlice()), m.GetSourcePort() != uint32(f.SourcePort),
		!bytes.Equal(m.GetDestinationAddress(), f.DestinationAddress.AsSlice()),
		m.GetDestinationPort() != uint32(f.DestinationPort), m.GetProtocol() != uint32(f.Protocol):
		return fmt.Sprintf("it is %v", m)
	case m.GetPackets() != f.Packets, m.GetOctets() != f.Octets:
		return fmt.Sprintf("it has %d packets, %d octets; want %d, %d", m.GetPackets(), m.GetOctets(), f.Packets, f.Octets)
	case !e.extended(n, m):
		return fmt.Sprintf("beside what NetFlow v5 has it is %v", m)
	}
	return ""
}

// extended reports whether the message of the nth flow has what the exporter's
// format tells beside that of NetFlow v5.
func (e *exporter) extended(n uint32, m *flowv1.FlowRecord) bool {
	interval, source := m.GetSamplingInterval(), m.GetSamplingSource()
	switch e.format {
	case decoder.FormatNetFlowV9:
		return m.GetTemplateId() == templateID && uint64(m.GetVlanId()) == vlan(n) &&
			interval == samplingInterval && source == flowv1.SamplingSource_SAMPLING_SOURCE_RECORD
	case decoder.FormatIPFIX:
		return m.GetTemplateId() == templateID && m.GetReversePackets() == reversePackets(n) && bytes.Equal(m.GetApplicationId(), applicationID(n)) &&
			interval == samplingInterval && source == flowv1.SamplingSource_SAMPLING_SOURCE_DOMAIN
	case decoder.FormatSFlowV5:
		return bytes.Equal(m.GetAgentAddress(), agent.AsSlice()) && m.GetSampleSequence() == n && slices.Equal(m.GetBgpAsPath(), asPath(n)) &&
			interval == samplingInterval && source == flowv1.SamplingSource_SAMPLING_SOURCE_SFLOW_SAMPLE
	default:
		return interval == 0 && m.GetTemplateId() == 0
	}
}

// checkTimes fails the test unless each message has its receive time, in
// milliseconds, as Kafka's timestamp.
func checkTimes(t *testing.T, got topic) {
	t.Helper()
	var m flowv1.FlowRecord
	for number, messages := range got {
		for i := range messages {
			if err := proto.Unmarshal(messages[i].value, &m); err != nil {
				t.Fatalf("partition %d, offset %d: %v", number, i, err)
			}
			if want := time.UnixMilli(int64(m.GetReceiveTimeNs() / 1e6)); !messages[i].time.Equal(want) {
				t.Fatalf("partition %d, offset %d: the timestamp is %v, want %v", number, i, messages[i].time, want)
			}
		}
	}
}
