// Package tailtest holds flow records for tests, worked out by hand.
package tailtest

import (
	"math"
	"testing"

	"google.golang.org/protobuf/proto"

	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// Moments of the test flows. 1,700,000,000 s is 2023-11-14 22:13:20 UTC.
const (
	Start  = 1_700_000_000_123_000_000
	End    = Start + 2_500_000_000 // 2.5 s later
	Export = 1_700_000_003_000_000_001
)

// Web is a TCP flow of two and a half seconds: 250,000 octets in 2.5 s are
// 800,000 bit/s.
func Web() *flowv1.FlowRecord {
	return &flowv1.FlowRecord{
		SourceAddress: []byte{192, 0, 2, 17}, DestinationAddress: []byte{198, 51, 100, 4}, NextHop: []byte{203, 0, 113, 1},
		SourcePort: 49152, DestinationPort: 443, Protocol: 6, TcpFlags: 0x1b, Tos: 8,
		Packets: 180, Octets: 250_000, StartTimeNs: Start, EndTimeNs: End,
		InputInterface: 3, OutputInterface: 7, SourceAs: 64496, DestinationAs: 64511,
		SourcePrefixLength: 24, DestinationPrefixLength: 19,
		ExporterAddress: []byte{10, 0, 0, 1}, ExporterPort: 50001, ReceiveTimeNs: Export + 1_000_000, ExportTimeNs: Export,
		FlowSequence: 4_000_000_000, RecordIndex: 2, RecordCount: 30, HeaderCount: 31, EngineType: 1, EngineId: 9,
		SamplingMode: 1, SamplingInterval: 100, SystemUptimeMs: 86_400_000, FirstUptimeMs: 86_397_123, LastUptimeMs: 86_399_623,
		Format: flowv1.ExportFormat_EXPORT_FORMAT_NETFLOW_V5, Anomalies: 1,
	}
}

// Bare is a record with nothing but its exporter, as another export format may
// have it.
func Bare() *flowv1.FlowRecord {
	return &flowv1.FlowRecord{ExporterAddress: []byte{10, 0, 0, 1}}
}

// Rich is a record with a field of every kind that only some formats carry.
func Rich() *flowv1.FlowRecord {
	return &flowv1.FlowRecord{
		ExporterAddress: []byte{10, 0, 0, 1}, ObservationDomainId: 7, SamplingSource: flowv1.SamplingSource_SAMPLING_SOURCE_SAMPLER,
		CounterKind: 9, ReversePackets: math.MaxUint64, SourceMac: []byte{0, 1, 2, 0xab, 0xcd, 0xef}, ObservationTimeNs: Start,
		BgpAsPath: []uint32{64496, 64511}, PostNatSourceAddress: []byte{192, 0, 2, 9}, ApplicationId: []byte{3, 0, 0, 80},
		ExporterName: `a "router", here`,
		Elements:     []*flowv1.Element{{Enterprise: 9, Id: 12235, Value: []byte("abc")}, {Id: 95}},
	}
}

// WebJSON is Web by hand.
const WebJSON = `{"format":"EXPORT_FORMAT_NETFLOW_V5","exporterAddress":"10.0.0.1","exporterPort":50001,"engineType":1,"engineId":9,` +
	`"samplingMode":1,"samplingInterval":100,"receiveTime":"2023-11-14T22:13:23.001000001Z","exportTime":"2023-11-14T22:13:23.000000001Z",` +
	`"systemUptimeMs":86400000,"flowSequence":4000000000,"recordCount":30,"headerCount":31,"recordIndex":2,"anomalies":1,` +
	`"firstUptimeMs":86397123,"startTime":"2023-11-14T22:13:20.123000000Z","lastUptimeMs":86399623,"endTime":"2023-11-14T22:13:22.623000000Z",` +
	`"packets":180,"octets":250000,"tcpFlags":27,"protocol":6,"tos":8,"sourcePort":49152,"destinationPort":443,` +
	`"sourceAs":64496,"sourcePrefixLength":24,"sourceAddress":"192.0.2.17","inputInterface":3,"outputInterface":7,` +
	`"nextHop":"203.0.113.1","destinationAddress":"198.51.100.4","destinationPrefixLength":19,"destinationAs":64511}`

// Marshal returns a record as messages hold it.
func Marshal(tb testing.TB, record *flowv1.FlowRecord) []byte {
	tb.Helper()
	b, err := proto.Marshal(record)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}
