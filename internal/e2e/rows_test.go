//go:build linux

package e2e

import (
	"maps"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// row is a flow as text, by the name of the column.
type row = map[string]string

// flowsOf are the rows of each exporter in their order.
type flowsOf map[netip.AddrPort][]row

// span is a time between two.
type span struct{ from, to time.Time }

// expectedFlows turns the rows of a recording into what consumers are to read:
// exporters are what the replay made of them, the export time is one number,
// and times at or before 1970-01-01 are 0. Padding is not published, and
// rules_agree is a remark.
func expectedFlows(t *testing.T, rows []row, sources map[netip.AddrPort]netip.AddrPort) flowsOf {
	t.Helper()
	packets := make(map[string]int)
	for _, r := range rows {
		packets[r["pkt"]]++
	}
	all := make(flowsOf)
	for _, r := range rows {
		from, known := sources[recordedSource(t, r)]
		if !known {
			t.Fatalf("the replay has not sent from %s port %s", r["exporter_ip"], r["exporter_port"])
		}
		want := maps.Clone(r)
		want["exporter_ip"], want["exporter_port"] = from.Addr().String(), strconv.Itoa(int(from.Port()))
		want["export_time_ns"] = strconv.FormatInt(number(t, r["unix_secs"])*1e9+number(t, r["unix_nsecs"]), 10)
		want["record_count"] = strconv.Itoa(packets[r["pkt"]])
		setTimes(t, want)
		for _, column := range []string{"pkt", "unix_secs", "unix_nsecs", "pad1", "pad2", "rules_agree"} {
			delete(want, column)
		}
		all[from] = append(all[from], want)
	}
	return all
}

// recordedSource is the source of a row in the capture; a bare payload has none.
func recordedSource(t *testing.T, r row) netip.AddrPort {
	t.Helper()
	address, err := netip.ParseAddr(r["exporter_ip"])
	if err != nil {
		t.Fatal(err)
	}
	if address.IsUnspecified() {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(address, uint16(number(t, r["exporter_port"])))
}

// setTimes sets times at or before 1970-01-01 to 0, and the anomalies that
// follow from the row. The numbers are those of the published contract.
func setTimes(t *testing.T, want row) {
	t.Helper()
	start, end, anomalies := number(t, want["start_ns"]), number(t, want["end_ns"]), 0
	if number(t, want["unix_nsecs"]) >= 1e9 {
		anomalies |= 16
	}
	if start <= 0 {
		anomalies |= 32
		want["start_ns"] = "0"
	}
	if end <= 0 {
		anomalies |= 64
		want["end_ns"] = "0"
	}
	if start > 0 && end > 0 && start > end {
		anomalies |= 128
	}
	export := number(t, want["unix_secs"])*1_000_000_000 + number(t, want["unix_nsecs"])
	const day = 86_400_000_000_000
	if start > 0 && max(start-export, export-start) > day || end > 0 && max(end-export, export-end) > day {
		anomalies |= 256
	}
	want["anomalies"] = strconv.Itoa(anomalies)
}

func number(t *testing.T, text string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// compareFlows fails the test unless the messages are the wanted flows, each
// once, those of an exporter in their order, with the right key and timestamp.
func compareFlows(t *testing.T, messages []message, wanted flowsOf, received span) {
	t.Helper()
	got := make(flowsOf)
	for i := range messages {
		m := &messages[i]
		var flow flowv1.FlowRecord
		if err := proto.Unmarshal(m.value, &flow); err != nil {
			t.Fatal(err)
		}
		from, _ := netip.AddrFromSlice(flow.GetExporterAddress())
		if string(m.key) != from.String() {
			t.Errorf("key %q, exporter %v", m.key, from)
		}
		checkReceived(t, m, flow.GetReceiveTimeNs(), received)
		source := netip.AddrPortFrom(from, uint16(flow.GetExporterPort()))
		got[source] = append(got[source], flowRow(&flow))
	}
	if len(got) != len(wanted) {
		t.Errorf("%d exporters, want %d", len(got), len(wanted))
	}
	for source, want := range wanted {
		compareExporter(t, source, got[source], want)
	}
}

func compareExporter(t *testing.T, source netip.AddrPort, got, want []row) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%v: %d flows, want %d", source, len(got), len(want))
		return
	}
	for i := range want {
		if len(got[i]) != len(want[i]) {
			t.Errorf("%d columns are compared, of %d", len(got[i]), len(want[i]))
		}
		for column := range want[i] {
			if got[i][column] != want[i][column] {
				t.Errorf("%v, flow %d: %s is %q, want %q", source, i, column, got[i][column], want[i][column])
			}
		}
	}
}

// checkReceived fails the test unless a message has the time in Kafka, in whole
// milliseconds, at which its datagram was received.
func checkReceived(t *testing.T, m *message, receiveTime uint64, received span) {
	t.Helper()
	at := time.Unix(0, int64(receiveTime))
	if at.Before(received.from) || at.After(received.to) {
		t.Errorf("received at %v, which is not between %v and %v", at, received.from, received.to)
	}
	if m.timestamp.UnixNano() != int64(receiveTime/1e6*1e6) {
		t.Errorf("Kafka's timestamp is %v, want %v in whole milliseconds", m.timestamp, at)
	}
}

// flowRow writes a flow as a row.
func flowRow(f *flowv1.FlowRecord) row {
	r := make(row)
	for column, value := range map[string][]byte{
		"exporter_ip": f.GetExporterAddress(), "srcaddr": f.GetSourceAddress(),
		"dstaddr": f.GetDestinationAddress(), "nexthop": f.GetNextHop(),
	} {
		address, _ := netip.AddrFromSlice(value)
		r[column] = address.String()
	}
	for column, value := range map[string]uint64{
		"version":       uint64(f.GetFormat()),
		"exporter_port": uint64(f.GetExporterPort()), "count": uint64(f.GetHeaderCount()), "record_count": uint64(f.GetRecordCount()),
		"sysuptime": uint64(f.GetSystemUptimeMs()), "export_time_ns": f.GetExportTimeNs(), "sequence": uint64(f.GetFlowSequence()),
		"rec": uint64(f.GetRecordIndex()), "engine_type": uint64(f.GetEngineType()), "engine_id": uint64(f.GetEngineId()),
		"sampling_mode": uint64(f.GetSamplingMode()), "sampling_interval": uint64(f.GetSamplingInterval()),
		"input": uint64(f.GetInputInterface()), "output": uint64(f.GetOutputInterface()),
		"packets": f.GetPackets(), "octets": f.GetOctets(),
		"first": uint64(f.GetFirstUptimeMs()), "last": uint64(f.GetLastUptimeMs()),
		"srcport": uint64(f.GetSourcePort()), "dstport": uint64(f.GetDestinationPort()),
		"tcpflags": uint64(f.GetTcpFlags()), "proto": uint64(f.GetProtocol()), "tos": uint64(f.GetTos()),
		"srcas": uint64(f.GetSourceAs()), "dstas": uint64(f.GetDestinationAs()),
		"srcmask": uint64(f.GetSourcePrefixLength()), "dstmask": uint64(f.GetDestinationPrefixLength()),
		"start_ns": f.GetStartTimeNs(), "end_ns": f.GetEndTimeNs(), "anomalies": uint64(f.GetAnomalies()),
	} {
		r[column] = strconv.FormatUint(value, 10)
	}
	return r
}
