package differential

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/netsampler/goflow2/v2/decoders/netflowlegacy"
	"github.com/netsampler/goflow2/v2/decoders/sflow"

	flowgen "github.com/flowpub/flowpub/internal/exporter"
)

// exportedFlows is how many flows flowgen's exporters send in a test: their datagrams fit into
// a receive buffer.
const exportedFlows = 600

// flow is what each format tells of a flow, as text.
type flow string

// flowText is a flow of IPv4, or what the upper bits of an IPv6 address leave of one. Times are milliseconds
// before the export.
func flowText(source, destination, nextHop []byte, masks, interfaces, as, ports [2]uint64, protocol, tos, flags, packets, octets, began, ended uint64) flow {
	return flow(fmt.Sprintf("%x %x %x %d %d %d %d %d %d %x %d %d %d %d", source, destination, nextHop, masks, interfaces, as, ports, protocol, tos, flags, packets, octets, began, ended))
}

// export returns the datagrams that flowgen's exporters send at one moment.
func export(t *testing.T, c flowgen.Config) (datagrams [][]byte) {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetReadBuffer(4 << 20); err != nil {
		t.Fatal(err)
	}
	c.Target, c.Flows = conn.LocalAddr().String(), exportedFlows
	c.Now = func() time.Time { return time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC) }
	g, err := flowgen.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1<<16)
	for range g.Stats().Datagrams {
		n, err := conn.Read(b)
		if err != nil {
			t.Fatalf("after %d datagrams: %v", len(datagrams), err)
		}
		datagrams = append(datagrams, bytes.Clone(b[:n]))
	}
	return datagrams
}

// version5 are the flows that the exporters send in NetFlow version 5, as goflow2 reads them.
func version5(t *testing.T) (flows []flow) {
	t.Helper()
	for _, d := range export(t, flowgen.Config{}) {
		var p netflowlegacy.PacketNetFlowV5
		if err := netflowlegacy.DecodeMessageVersion(bytes.NewBuffer(d), &p); err != nil {
			t.Fatal(err)
		}
		for i := range p.Records {
			r := &p.Records[i]
			ports := [2]uint64{uint64(r.SrcPort), uint64(r.DstPort)}
			if r.Proto == 1 {
				ports[1] = 0 // other formats have an element for type and code
			}
			flows = append(flows, flowText(bytesOf(r.SrcAddr), bytesOf(r.DstAddr), bytesOf(r.NextHop),
				[2]uint64{uint64(r.SrcMask), uint64(r.DstMask)}, [2]uint64{uint64(r.Input), uint64(r.Output)},
				[2]uint64{uint64(r.SrcAS), uint64(r.DstAS)}, ports, uint64(r.Proto), uint64(r.Tos), uint64(r.TCPFlags),
				uint64(r.DPkts), uint64(r.DOctets), uint64(p.SysUptime-r.First), uint64(p.SysUptime-r.Last)))
		}
	}
	return flows
}

func bytesOf(a netflowlegacy.IPAddress) []byte {
	return binary.BigEndian.AppendUint32(nil, uint32(a))
}

// TestFlowgenTemplates: goflow2 reads the same flows in each format, whatever form the templates have.
func TestFlowgenTemplates(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		c    flowgen.Config
	}{
		{"v9", flowgen.Config{Formats: []flowgen.Format{flowgen.NetFlow9}}},
		{"v9, domains with options", flowgen.Config{Formats: []flowgen.Format{flowgen.NetFlow9}, Domains: 3, SamplingInterval: 100}},
		{"v9, IPv6", flowgen.Config{Formats: []flowgen.Format{flowgen.NetFlow9}, Domains: 2, IPv6Share: 1}},
		{"ipfix", flowgen.Config{Formats: []flowgen.Format{flowgen.IPFIX}}},
		{"ipfix, domains with options", flowgen.Config{Formats: []flowgen.Format{flowgen.IPFIX}, Domains: 3, SamplingInterval: 100}},
		{"ipfix, random sampling", flowgen.Config{Formats: []flowgen.Format{flowgen.IPFIX}, SamplingMode: 2, SamplingInterval: 100}},
		{"ipfix, variable lengths", flowgen.Config{Formats: []flowgen.Format{flowgen.IPFIX}, Domains: 2, VariableLengths: true}},
		{"ipfix, IPv6", flowgen.Config{Formats: []flowgen.Format{flowgen.IPFIX}, Domains: 2, IPv6Share: 1}},
	}
	want := version5(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.c.TemplatePackets = 5
			theirs, n, options := newTheirs(), 0, 0
			for _, d := range export(t, tt.c) {
				records, found, err := theirs.decode(d)
				if err != nil {
					t.Fatal(err)
				}
				options += found
				for i := range records {
					got := flowOfRecord(t, d, &records[i])
					if n < len(want) && got != want[n] {
						t.Fatalf("flow %d is\n%s, want\n%s", n, got, want[n])
					}
					n++
				}
			}
			if n != len(want) || (options > 0) != (tt.c.SamplingInterval > 0) {
				t.Errorf("%d flows, want %d; %d records of options", n, len(want), options)
			}
		})
	}
}

// flowOfRecord reads a record of a packet by the numbers of the registry.
func flowOfRecord(t *testing.T, packet []byte, r *record) flow {
	t.Helper()
	value := map[uint16][]byte{}
	for _, f := range r.fields {
		b, ok := f.Value.([]byte)
		if !ok {
			t.Fatalf("element %d is %v", f.Type, f.Value)
		}
		if !f.PenProvided {
			value[f.Type] = b
		}
	}
	number := func(id uint16) (n uint64) {
		for _, b := range value[id] {
			n = n<<8 | uint64(b)
		}
		return n
	}
	uptime := uint64(binary.BigEndian.Uint32(packet[4:]))
	began, ended := uptime-number(22), uptime-number(21)
	if packet[1] == 10 {
		now := 1000 * uint64(binary.BigEndian.Uint32(packet[4:]))
		began, ended = now-number(152), now-number(153)
	}
	addresses, masks, protocol := [3]uint16{8, 12, 15}, [2]uint64{number(9), number(13)}, number(4)
	if value[27] != nil {
		addresses, masks = [3]uint16{27, 28, 62}, [2]uint64{number(29) - 96, number(30) - 96}
		if protocol == 58 {
			protocol = 1
		}
	}
	for _, id := range addresses {
		value[id] = value[id][max(0, len(value[id])-4):]
	}
	return flowText(value[addresses[0]], value[addresses[1]], value[addresses[2]], masks, [2]uint64{number(10), number(14)},
		[2]uint64{number(16), number(17)}, [2]uint64{number(7), number(11)}, protocol, number(5), number(6), number(2), number(1), began, ended)
}

// sampleForm is how a sample is written: interfaces, AS numbers, next hop, prefix lengths.
const sampleForm = "%d %d %d %d %x %d %d"

// TestFlowgenSFlow: goflow2 reads all samples, and of routes and AS numbers what version 5 says.
func TestFlowgenSFlow(t *testing.T) {
	t.Parallel()
	var want []string
	for _, d := range export(t, flowgen.Config{}) {
		var p netflowlegacy.PacketNetFlowV5
		if err := netflowlegacy.DecodeMessageVersion(bytes.NewBuffer(d), &p); err != nil {
			t.Fatal(err)
		}
		for i := range p.Records {
			r := &p.Records[i]
			want = append(want, fmt.Sprintf(sampleForm, r.Input, r.Output, r.SrcAS, r.DstAS, bytesOf(r.NextHop), r.SrcMask, r.DstMask))
		}
	}
	n := 0
	for _, d := range export(t, flowgen.Config{Formats: []flowgen.Format{flowgen.SFlow}, SamplingInterval: 50, Domains: 2}) {
		var p sflow.Packet
		if err := sflow.DecodeMessageVersion(bytes.NewBuffer(d), &p); err != nil {
			t.Fatal(err)
		}
		for _, s := range p.Samples {
			if got := sampleText(t, s); n < len(want) && got != want[n] {
				t.Fatalf("sample %d is\n%s, want\n%s", n, got, want[n])
			}
			n++
		}
	}
	if n != len(want) {
		t.Errorf("%d samples, want %d", n, len(want))
	}
}

func sampleText(t *testing.T, sample any) string {
	t.Helper()
	s, ok := sample.(sflow.FlowSample)
	if !ok || s.SamplingRate != 50 || len(s.Records) != 4 {
		t.Fatalf("sample %+v", sample)
	}
	var router sflow.ExtendedRouter
	var gateway sflow.ExtendedGateway
	for _, r := range s.Records {
		switch data := r.Data.(type) {
		case sflow.ExtendedRouter:
			router = data
		case sflow.ExtendedGateway:
			gateway = data
		case sflow.SampledHeader:
			if len(data.HeaderData) < 42 || data.Stripped != 4 {
				t.Fatalf("sampled packet %+v", data)
			}
		}
	}
	return fmt.Sprintf(sampleForm, s.Input, s.Output, gateway.SrcAS, gateway.ASPath[len(gateway.ASPath)-1], []byte(router.NextHop), router.SrcMaskLen, router.DstMaskLen)
}
