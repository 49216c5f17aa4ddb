//go:build examples || flink

package examples_test

import (
	"encoding/binary"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"testing"
	"time"

	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// What flowgen sends: a part in NetFlow v5, whose records are read here by their
// offsets, and a part in the other formats with both address families.
const (
	plainFlows = 40_000
	mixedFlows = 12_000
	allFlows   = plainFlows + mixedFlows
	exporters  = 8
	// fewFlows are in the topics of other forms, all in NetFlow v5.
	fewFlows = 300
)

var (
	plainFlags = []string{"-exporters", strconv.Itoa(exporters), "-sampling-interval", "100"}
	mixedFlags = []string{"-exporters", "6", "-format", "v9,ipfix,sflow", "-ipv6", "0.3", "-sampling-interval", "50", "-seed", "2"}
)

// publishTraffic sends both parts to a topic, in a form.
func (h *house) publishTraffic(t *testing.T, topic, form string, settings ...string) {
	t.Helper()
	settings = append(settings, "FLOWPUB_KAFKA_VALUE="+form)
	h.publish(t, topic, settings, plainFlows, plainFlags...)
	h.publish(t, topic, settings, mixedFlows, mixedFlags...)
}

// traffic creates the topic flows with all of it, and keeps its messages: those of
// NetFlow v5 are what flowgen sent.
func (h *house) traffic(t *testing.T) {
	t.Helper()
	h.topic(t, "flows")
	h.publishTraffic(t, "flows", "protobuf")
	h.flows = h.readFlows(t, "flows", allFlows)
	got := map[plain]int{}
	for _, m := range h.flows {
		if f := m.flow; f.GetFormat() == flowv1.ExportFormat_EXPORT_FORMAT_NETFLOW_V5 {
			got[plain{
				address(f.GetSourceAddress()), address(f.GetDestinationAddress()), uint16(f.GetSourcePort()), uint16(f.GetDestinationPort()),
				uint8(f.GetProtocol()), uint32(f.GetPackets()), uint32(f.GetOctets()), uint16(f.GetSamplingInterval()),
			}]++
		}
	}
	if sent := h.sent(t, plainFlows, plainFlags...); !maps.Equal(got, sent) {
		t.Fatalf("%d different flows of NetFlow v5 are in the topic, and are not the %d that flowgen sent", len(got), len(sent))
	}
}

// plain is what a record of NetFlow v5 tells.
type plain struct {
	source, destination         netip.Addr
	sourcePort, destinationPort uint16
	protocol                    uint8
	packets, octets             uint32
	interval                    uint16
}

// sent is what flowgen sends in NetFlow v5: the same each time. Header and records are
// read at the offsets of Cisco's "NetFlow Export Datagram Formats".
func (h *house) sent(t *testing.T, flows int, flags ...string) map[plain]int {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetReadBuffer(8 << 20); err != nil {
		t.Fatal(err)
	}
	generator := start(t, nil, h.flowgen, append([]string{"-target", c.LocalAddr().String(), "-flows", strconv.Itoa(flows), "-rate", "20000"}, flags...)...)
	sent, n := map[plain]int{}, 0
	for b := make([]byte, 2048); n < flows; {
		if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		size, err := c.Read(b)
		if err != nil {
			t.Fatalf("%d of %d flows came from flowgen: %v", n, flows, err)
		}
		interval := binary.BigEndian.Uint16(b[22:]) & 0x3fff
		for r := range slices.Chunk(b[24:size], 48) {
			sent[plain{
				address(r[0:4]), address(r[4:8]), binary.BigEndian.Uint16(r[32:]), binary.BigEndian.Uint16(r[34:]),
				r[38], binary.BigEndian.Uint32(r[16:]), binary.BigEndian.Uint32(r[20:]), interval,
			}]++
			n++
		}
	}
	if status := generator.await(t); status != 0 {
		t.Fatalf("flowgen ended with status %d", status)
	}
	return sent
}

// address is that of 4 or 16 bytes, and none of none.
func address(b []byte) netip.Addr {
	a, _ := netip.AddrFromSlice(b)
	return a
}

// scale is what a flow's counters are multiplied by.
func scale(f *flowv1.FlowRecord) uint64 {
	return uint64(max(f.GetSamplingInterval(), f.GetSamplingOverride(), 1))
}
