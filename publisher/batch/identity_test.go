package batch

import (
	"encoding/hex"
	"net/netip"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/netflow5"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// Two packets of an exporter that leaves its sequence at zero, sent in the same
// millisecond. Their flows differ.
const (
	zeroSequenceWeb = "00050001004c4b406b0b7caa0000000000000000000000000a0101010a00000200000000000100020000000a000003e8000f1b30000f3e5804d20050000006000000000000000000"
	zeroSequenceTLS = "00050001004c4b406b0b7caa0000000000000000000000000a0202020a00000200000000000100020000000a00000005000f1b30000f3e5804d201bb000006000000000000000000"
)

// published returns the first flow of a datagram as a consumer reads it.
func published(t *testing.T, datagram string, received decoder.UnixNano) *flowv1.FlowRecord {
	t.Helper()
	b, err := hex.DecodeString(datagram)
	if err != nil {
		t.Fatal(err)
	}
	var p decoder.ExportPacket
	if err := netflow5.Decode(b, &p); err != nil {
		t.Fatal(err)
	}
	var e Encoder
	e.Reset(netip.MustParseAddrPort("192.0.2.1:2055"), received, &p)
	m := new(flowv1.FlowRecord)
	if err := proto.Unmarshal(e.appendMessage(nil, 0), m); err != nil {
		t.Fatal(err)
	}
	return m
}

// identityFields leaves of a flow what identifies it if its exporter counts.
func identityFields(m *flowv1.FlowRecord) *flowv1.FlowRecord {
	return &flowv1.FlowRecord{
		ExporterAddress: m.ExporterAddress, ExporterPort: m.ExporterPort, EngineType: m.EngineType, EngineId: m.EngineId,
		ExportTimeNs: m.ExportTimeNs, SystemUptimeMs: m.SystemUptimeMs, FlowSequence: m.FlowSequence, RecordIndex: m.RecordIndex,
	}
}

// A datagram that the network duplicates gives flows that are equal but for the
// time of receipt.
func TestNetworkCopiesAreEqual(t *testing.T) {
	t.Parallel()
	first, second := published(t, zeroSequenceWeb, 1_795_921_066_000_000_000), published(t, zeroSequenceWeb, 1_795_921_066_000_000_001)
	if proto.Equal(first, second) {
		t.Error("receive times of 1 ns apart are published as one")
	}
	second.ReceiveTimeNs = first.ReceiveTimeNs
	if !proto.Equal(first, second) {
		t.Errorf("copies differ:\n%v\n%v", first, second)
	}
}

// Different flows differ, also when nothing that an exporter counts tells them
// apart: the fields that identify flows of exporters that count do not.
func TestDifferentFlowsDiffer(t *testing.T) {
	t.Parallel()
	const at = 1_795_921_066_000_000_000
	web, tls := published(t, zeroSequenceWeb, at), published(t, zeroSequenceTLS, at)
	if proto.Equal(web, tls) {
		t.Errorf("different flows are equal: %v", web)
	}
	if !proto.Equal(identityFields(web), identityFields(tls)) {
		t.Errorf("the counter-example has no equal identity:\n%v\n%v", identityFields(web), identityFields(tls))
	}
}
