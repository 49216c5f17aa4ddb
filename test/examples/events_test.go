//go:build examples || flink

package examples_test

import (
	"net/netip"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// eventTime is when they were received. Older ones Kafka would not keep.
var eventTime = time.Now().UTC().Truncate(time.Minute)

// events are records that not everybody may sum as they are. Four of them are traffic:
//
//	198.18.0.1 sent 1000 * 10 + 60 octets, 2001:db8::1 300 * 4, 2001:db8::2 200 * 4
//	and 198.18.0.2 90 * 100: 21,060 in all
func events(t *testing.T) (values [][]byte) {
	t.Helper()
	records := []*flowv1.FlowRecord{
		{Octets: 1000, SamplingInterval: 0, SamplingOverride: 10, Format: flowv1.ExportFormat_EXPORT_FORMAT_NETFLOW_V5},
		{ // both directions
			Octets: 300, ReverseOctets: 200, SamplingInterval: 4, SourceAddress: bytesOf("2001:db8::1"), DestinationAddress: bytesOf("2001:db8::2"),
		},
		{Octets: 5000, CounterKind: flowv1.CounterKind_COUNTER_KIND_TOTAL},
		{Octets: 7000, CounterKind: flowv1.CounterKind_COUNTER_KIND_EVENT, FirewallEvent: 2},
		{Octets: 60, CounterKind: flowv1.CounterKind_COUNTER_KIND_EVENT, FirewallEvent: 5},
		{Octets: 800, NatEvent: 4},
		{Octets: 90, ForwardingStatus: 128, Format: flowv1.ExportFormat_EXPORT_FORMAT_SFLOW_V5}, // reported as dropped
		{
			Octets: 90, ForwardingStatus: 128, SamplingInterval: 100, Format: flowv1.ExportFormat_EXPORT_FORMAT_SFLOW_V5, SourceAddress: bytesOf("198.18.0.2"),
		},
	}
	for i, r := range records {
		if r.SourceAddress == nil {
			r.SourceAddress = bytesOf("198.18.0.1")
		}
		if r.DestinationAddress == nil {
			r.DestinationAddress = bytesOf("198.18.0.9")
		}
		if r.Format == flowv1.ExportFormat_EXPORT_FORMAT_UNSPECIFIED {
			r.Format = flowv1.ExportFormat_EXPORT_FORMAT_IPFIX
		}
		r.ExporterAddress, r.ExporterPort, r.FlowSequence, r.RecordCount = bytesOf("192.0.2.1"), 2055, uint32(i), 1
		r.Protocol, r.SourcePort, r.DestinationPort = 6, 40000, 443
		r.ReceiveTimeNs, r.ExportTimeNs = uint64(eventTime.UnixNano()), uint64(eventTime.UnixNano())
		b, err := proto.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, b)
	}
	return values
}

func bytesOf(a string) []byte { return netip.MustParseAddr(a).AsSlice() }
