package template_test

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/ipfix"
	"github.com/flowpub/flowpub/decoder/netflow9"
	"github.com/flowpub/flowpub/decoder/template"
	"github.com/flowpub/flowpub/internal/encoder"
)

// A sent element is one that the encoder writes, with its usual length and the value it gets.
type sent struct {
	id    uint16
	width int // bits that its field has
	of    func(*encoder.Flow, *encoder.Values) uint64
	got   func(*decoder.Record, *decoder.Extension) uint64
}

func movingValue(m encoder.Moving) func(*encoder.Flow, *encoder.Values) uint64 {
	return func(_ *encoder.Flow, v *encoder.Values) uint64 { return v[m] }
}

// sentNumbers are the numbers that make the round trip.
var sentNumbers = []sent{
	{encoder.OctetDeltaCount, 64, movingValue(encoder.MovingOctets), octetsOf},
	{encoder.PacketDeltaCount, 64, movingValue(encoder.MovingPackets), func(r *decoder.Record, _ *decoder.Extension) uint64 { return r.Packets }},
	{encoder.SourceTransportPort, 16, movingValue(encoder.MovingSourcePort), portOf},
	{encoder.DestinationTransportPort, 16, movingValue(encoder.MovingDestinationPort), func(r *decoder.Record, _ *decoder.Extension) uint64 { return uint64(r.DestinationPort) }},
	{encoder.TCPControlBits, 16, movingValue(encoder.MovingTCPFlags), func(r *decoder.Record, _ *decoder.Extension) uint64 { return uint64(r.TCPFlags) }},
	{encoder.FlowStartSysUpTime, 32, movingValue(encoder.MovingFirstUptime), func(r *decoder.Record, _ *decoder.Extension) uint64 { return uint64(r.FirstUptime) }},
	{encoder.FlowEndSysUpTime, 32, movingValue(encoder.MovingLastUptime), func(r *decoder.Record, _ *decoder.Extension) uint64 { return uint64(r.LastUptime) }},
	{encoder.ProtocolIdentifier, 8, func(f *encoder.Flow, _ *encoder.Values) uint64 { return uint64(f.Protocol) },
		func(r *decoder.Record, _ *decoder.Extension) uint64 { return uint64(r.Protocol) }},
	{encoder.IPClassOfService, 8, func(f *encoder.Flow, _ *encoder.Values) uint64 { return uint64(f.TOS) },
		func(r *decoder.Record, _ *decoder.Extension) uint64 { return uint64(r.TOS) }},
	{encoder.IngressInterface, 32, func(f *encoder.Flow, _ *encoder.Values) uint64 { return uint64(f.InputInterface) },
		func(r *decoder.Record, _ *decoder.Extension) uint64 { return uint64(r.InputInterface) }},
	{encoder.EgressInterface, 32, func(f *encoder.Flow, _ *encoder.Values) uint64 { return uint64(f.OutputInterface) },
		func(r *decoder.Record, _ *decoder.Extension) uint64 { return uint64(r.OutputInterface) }},
	{encoder.BGPSourceASNumber, 32, func(f *encoder.Flow, _ *encoder.Values) uint64 { return uint64(f.SourceAS) },
		func(r *decoder.Record, _ *decoder.Extension) uint64 { return uint64(r.SourceAS) }},
	{encoder.BGPDestinationASNumber, 32, func(f *encoder.Flow, _ *encoder.Values) uint64 { return uint64(f.DestinationAS) },
		func(r *decoder.Record, _ *decoder.Extension) uint64 { return uint64(r.DestinationAS) }},
	{encoder.SelectorID, 64, func(f *encoder.Flow, _ *encoder.Values) uint64 { return uint64(f.Sampler) }, numberOf(decoder.FieldSamplerID)},
	{encoder.VLANID, 32, func(f *encoder.Flow, _ *encoder.Values) uint64 { return uint64(f.VLAN) }, numberOf(decoder.FieldVLANID)},
	{encoder.ForwardingStatus, 8, func(f *encoder.Flow, _ *encoder.Values) uint64 { return uint64(f.ForwardingStatus) }, numberOf(decoder.FieldForwardingStatus)},
	{encoder.FlowEndReason, 32, func(f *encoder.Flow, _ *encoder.Values) uint64 { return uint64(f.EndReason) }, numberOf(decoder.FieldFlowEndReason)},
	{encoder.ICMPTypeCodeIPv4, 32, func(f *encoder.Flow, _ *encoder.Values) uint64 { return uint64(f.ICMPTypeCode) }, numberOf(decoder.FieldICMPTypeCode)},
}

// FuzzRoundTrip: what the encoder of synthetic exporters writes is what is decoded, in any order of
// fields, of any width, in either format.
func FuzzRoundTrip(f *testing.F) {
	for seed := range uint64(100) {
		f.Add(seed, seed%2 == 0, uint8(seed%7))
	}
	wanted, err := template.ParseSelection("82,96")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, seed uint64, newer bool, records uint8) {
		random := rand.New(rand.NewPCG(seed, 5))
		version, decode := encoder.NetFlow9, decodeNetFlow9
		if newer {
			version, decode = encoder.IPFIX, decodeIPFIX
		}
		fields := sentFields(random, version)
		layout := encoder.NewLayout(encoder.Template{ID: 300, Fields: fields})
		flow := randomFlow(random)
		prototype := layout.AppendPrototype(nil, &flow)
		packet := version.NewPacket(nil, &encoder.Header{Uptime: uptime, Export: time.Unix(exportSeconds, 0), Sequence: 7, Domain: 9})
		packet.Templates(layout.Template)
		packet.OpenData(300)
		values := make([]encoder.Values, records%64) // so that they fit into a datagram
		names := make([]encoder.Names, len(values))
		for i := range values {
			for j := range values[i] {
				values[i][j] = random.Uint64() >> random.IntN(64)
			}
			names[i] = encoder.Names{Interface: randomName(random), Application: randomName(random)}
			packet.Record(layout, prototype, &values[i], &names[i])
		}
		packet.CloseData()
		r := template.NewReader(template.NewTable(template.Config{Elements: wanted}))
		var p decoder.ExportPacket
		if err := decode(r, packet.End(), &p); err != nil {
			t.Fatal(err)
		}
		if len(p.Records) != len(values) || p.ObservationDomain != 9 || p.FlowSequence != 7 || p.Anomalies != 0 {
			t.Fatalf("%d records, want %d; %+v", len(p.Records), len(values), p.Header)
		}
		for i := range values {
			checkRoundTrip(t, fields, &flow, &values[i], &p.Records[i], &p.Extensions[i])
			checkNames(t, fields, &names[i], &p.Extensions[i])
		}
	})
}

func decodeNetFlow9(r *template.Reader, b []byte, p *decoder.ExportPacket) error {
	return netflow9.Decode(r, b, exporterPort(1, 1), 0, p)
}

func decodeIPFIX(r *template.Reader, b []byte, p *decoder.ExportPacket) error {
	return ipfix.Decode(r, b, exporterPort(1, 1), 0, p)
}

// sentFields returns the fields of a template: all that can be compared, with any length, and
// now and then names of variable length.
func sentFields(random *rand.Rand, version encoder.Version) (fields []encoder.Field) {
	add := func(id, length uint16) {
		fields = append(fields, encoder.Field{Element: encoder.Element{ID: id}, Length: length})
	}
	add(encoder.SourceIPv4Address, 4)
	add(encoder.DestinationIPv4Address, 4)
	for _, n := range sentNumbers {
		if random.IntN(4) > 0 {
			add(n.id, uint16(1+random.IntN(8)))
		}
	}
	for _, id := range []uint16{encoder.InterfaceName, encoder.ApplicationName} {
		if version == encoder.IPFIX && random.IntN(3) == 0 {
			add(id, encoder.Variable)
		}
	}
	random.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
	return fields
}

func randomFlow(random *rand.Rand) encoder.Flow {
	address := func() netip.Addr {
		return netip.AddrFrom4([4]byte{byte(random.Uint32()), byte(random.Uint32()), byte(random.Uint32()), 1})
	}
	return encoder.Flow{
		Source: address(), Destination: address(), NextHop: address(),
		InputInterface: random.Uint32(), OutputInterface: random.Uint32(), SourceAS: random.Uint32(), DestinationAS: random.Uint32(),
		Protocol: uint8(random.Uint32()), TOS: uint8(random.Uint32()), ICMPTypeCode: uint16(random.Uint32()), VLAN: uint16(random.Uint32()),
		ForwardingStatus: uint8(random.Uint32()), EndReason: uint8(random.Uint32()), Sampler: random.Uint32(),
	}
}

// randomName returns up to 256 bytes, so that lengths are told in either form.
func randomName(random *rand.Rand) []byte {
	b := make([]byte, random.IntN(257))
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}

// checkRoundTrip compares numbers: what was sent, less what neither the length in the template nor
// the field has room for.
func checkRoundTrip(t *testing.T, fields []encoder.Field, flow *encoder.Flow, values *encoder.Values, r *decoder.Record, x *decoder.Extension) {
	t.Helper()
	if r.SourceAddress != flow.Source || r.DestinationAddress != flow.Destination {
		t.Errorf("addresses %v, %v, want %v, %v", r.SourceAddress, r.DestinationAddress, flow.Source, flow.Destination)
	}
	for _, f := range fields {
		i := slices.IndexFunc(sentNumbers, func(n sent) bool { return n.id == f.ID })
		if i < 0 {
			continue
		}
		n := &sentNumbers[i]
		room := ^uint64(0) >> (64 - min(n.width, 8*int(f.Length)))
		if got, want := n.got(r, x), n.of(flow, values)&room; got != want {
			t.Errorf("element %d of %d bytes is %#x, want %#x", f.ID, f.Length, got, want)
		}
	}
}

// checkNames compares the values of variable length, which are copied.
func checkNames(t *testing.T, fields []encoder.Field, names *encoder.Names, x *decoder.Extension) {
	t.Helper()
	var want []decoder.Element
	for _, f := range fields {
		switch f.ID {
		case encoder.InterfaceName:
			want = append(want, decoder.Element{ID: f.ID, Value: names.Interface})
		case encoder.ApplicationName:
			want = append(want, decoder.Element{ID: f.ID, Value: names.Application})
		}
	}
	var got []decoder.Element
	if x.Present.Has(decoder.FieldElements) {
		got = x.Elements
	}
	if !slices.EqualFunc(got, want, func(a, b decoder.Element) bool { return a.ID == b.ID && bytes.Equal(a.Value, b.Value) }) {
		t.Errorf("elements %v, want %v", got, want)
	}
}
