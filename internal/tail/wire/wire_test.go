package wire

import (
	"encoding/hex"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/flowpub/flowpub/decoder"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

var (
	exporter = netip.MustParseAddrPort("192.0.2.1:50000")
	received = time.Unix(1_700_000_000, 0)
)

// Data of NetFlow v9 wait for their template, and come before what that datagram brings.
func TestDataBeforeTemplate(t *testing.T) {
	t.Parallel()
	const header = "0009 0001 000003e8 6553f100 0000000%s 00000009"
	data := datagram(t, strings.Replace(header, "%s", "1", 1), "0100 000c c0000211 0000012c")
	both := datagram(t, strings.Replace(header, "%s", "2", 1), "0000 0010 0100 0002 0008 0004 0001 0004", "0100 000c c0000212 00000001")
	d := New()
	var flows []*flowv1.FlowRecord
	emit := func(value []byte) error {
		m := new(flowv1.FlowRecord)
		flows = append(flows, m)
		return proto.Unmarshal(value, m)
	}
	if err := d.Decode(data, exporter, received, emit); err != nil || len(flows) != 0 || d.Missed() != 1 {
		t.Fatalf("error %v, %d flows, %d sets missed; want none, and one that waits", err, len(flows), d.Missed())
	}
	if err := d.Decode(both, exporter, received.Add(time.Second), emit); err != nil || len(flows) != 2 || d.Missed() != 0 {
		t.Fatalf("error %v, %d flows, %d sets missed; want two flows", err, len(flows), d.Missed())
	}
	for i, want := range []struct {
		octets   uint64
		received time.Time
	}{{300, received}, {1, received.Add(time.Second)}} {
		m := flows[i]
		if m.GetOctets() != want.octets || m.GetReceiveTimeNs() != uint64(want.received.UnixNano()) ||
			string(m.GetExporterAddress()) != "\xc0\x00\x02\x01" || m.GetExporterPort() != 50000 {
			t.Errorf("flow %d is %v", i, m)
		}
	}
}

// Without a source and a time a flow is still one.
func TestBarePayload(t *testing.T) {
	t.Parallel()
	payload := datagram(t, "0005 0001 000003e8 6553f100 00000000 00000064 00000000", strings.Repeat("00", 48))
	n := 0
	if err := New().Decode(payload, netip.AddrPort{}, time.Time{}, func([]byte) error { n++; return nil }); err != nil || n != 1 {
		t.Errorf("%d flows, error %v", n, err)
	}
}

func TestNoExport(t *testing.T) {
	t.Parallel()
	for payload, want := range map[string]error{"": decoder.ErrShort, "abc": decoder.ErrShort, "hello": decoder.ErrVersion, "\x00\x05\x00\x01": decoder.ErrShort} {
		if err := New().Decode([]byte(payload), exporter, received, nil); !errors.Is(err, want) {
			t.Errorf("%q: error is %v, want %v", payload, err, want)
		}
	}
}

// What ends emitting ends decoding.
func TestEmitFails(t *testing.T) {
	t.Parallel()
	payload := datagram(t, "0005 0002 000003e8 6553f100 00000000 00000064 00000000", strings.Repeat("00", 96))
	errEnough, n := errors.New("enough"), 0
	if err := New().Decode(payload, exporter, received, func([]byte) error { n++; return errEnough }); !errors.Is(err, errEnough) || n != 1 {
		t.Errorf("%d flows, error %v", n, err)
	}
}

func datagram(t *testing.T, pieces ...string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(strings.Join(pieces, ""), " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
