package batch

import (
	"bytes"
	"math"
	"net/netip"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/internal/flowtest"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// The table says of each field what the message's descriptor says, and all of the
// message's fields from 36 on are in it, or are of the packet.
func TestExtensionFieldsAreTheMessages(t *testing.T) {
	t.Parallel()
	ofPacket := map[protoreflect.Name]bool{"observation_domain_id": true, "sampling_override": true, "exporter_name": true}
	described := (*flowv1.FlowRecord)(nil).ProtoReflect().Descriptor().Fields()
	known := make(map[protoreflect.Name]bool)
	for f := range extensionFields {
		field := &extensionFields[f]
		d := described.ByName(protoreflect.Name(field.name))
		if d == nil {
			t.Fatalf("field %d: the message has no %q", f, field.name)
		}
		known[d.Name()] = true
		if int(d.Number()) != int(field.tag) || d.Number() < 16 || d.Number() > 2047 {
			t.Errorf("%s has number %d, and must have two bytes; the message has %d", field.name, field.tag, d.Number())
		}
		if want := kindOf(d); field.kind != want || field.wide != (d.Kind() == protoreflect.Uint64Kind) {
			t.Errorf("%s is of kind %d, wide: %v; the message has %v", field.name, field.kind, field.wide, d.Kind())
		}
		if d.Kind() == protoreflect.EnumKind {
			for number, name := range field.values {
				if v := d.Enum().Values().ByNumber(protoreflect.EnumNumber(number)); v == nil || string(v.Name()) != name {
					t.Errorf("%s: %s is not its value %d", field.name, name, number)
				}
			}
			if len(field.values) != d.Enum().Values().Len() {
				t.Errorf("%s has %d values, want %d", field.name, len(field.values), d.Enum().Values().Len())
			}
		} else if field.values != nil {
			t.Errorf("%s is no enumeration", field.name)
		}
		if size := len(jsonMembers[f]) + maxJSONAddress; size > maxJSONMember {
			t.Errorf("%s takes %d bytes in JSON, the bound is %d", field.name, size, maxJSONMember)
		}
		if got, want := jsonMembers[f], `,"`+strings.TrimSuffix(d.JSONName(), "Ns")+`":`; got != want {
			t.Errorf("%s begins with %s in JSON, want %s", field.name, got, want)
		}
	}
	for i := range described.Len() {
		if d := described.Get(i); d.Number() >= 36 && !known[d.Name()] && !ofPacket[d.Name()] {
			t.Errorf("%s is not in the table", d.Name())
		}
	}
}

// kindOf is the kind that a field's type asks for.
func kindOf(d protoreflect.FieldDescriptor) kind {
	name := string(d.Name())
	switch {
	case d.Kind() == protoreflect.MessageKind:
		return kindElements
	case d.IsList():
		return kindList
	case d.Kind() == protoreflect.Fixed64Kind:
		return kindTime
	case d.Kind() != protoreflect.BytesKind:
		return kindNumber
	case strings.HasSuffix(name, "_mac"):
		return kindMAC
	case strings.HasSuffix(name, "_address"), strings.HasSuffix(name, "next_hop"):
		return kindAddress
	default:
		return kindBytes
	}
}

// richExtension has a field of every kind.
func richExtension() decoder.Extension {
	x := decoder.Extension{
		MPLSLabels:    []uint32{16, 1048575},
		ApplicationID: []byte{3, 0, 0, 80},
		Elements:      []decoder.Element{{Enterprise: 9, ID: 12235, Value: []byte("abc")}, {}},
		Present:       1<<decoder.FieldMPLSLabels | 1<<decoder.FieldApplicationID | 1<<decoder.FieldElements,
	}
	x.Set(decoder.FieldTemplateID, 260)
	x.Set(decoder.FieldSamplingInterval, 1000)
	x.Set(decoder.FieldSamplingSource, 2)
	x.Set(decoder.FieldVLANID, 0) // not sent
	x.Set(decoder.FieldSourceMAC, 0x000102abcdef)
	x.Set(decoder.FieldReverseOctets, 1<<42)
	x.Set(decoder.FieldObservationTime, 8)
	x.SetAddress(decoder.FieldPostNATSourceAddress, netip.MustParseAddr("192.0.2.9"))
	return x
}

// extendedPacket is goldenPacket in NetFlow v9, with richExtension.
func extendedPacket() (netip.AddrPort, decoder.UnixNano, *decoder.ExportPacket) {
	from, received, p := goldenPacket()
	p.Format, p.ObservationDomain, p.SamplingInterval, p.FirstRecord = decoder.FormatNetFlowV9, 7, 0, 2
	p.Extensions = []decoder.Extension{richExtension()}
	return from, received, p
}

// The message of extendedPacket by hand: that of goldenPacket, and the extension.
const goldenExtension = `
	a802 8402                   37 template_id: 260 = 2 * 128 + 4
	c001 e807                   24 sampling_interval: 1000 = 7 * 128 + 104
	b002 02                     38 sampling_source
	8803 808080808080 01        49 reverse_octets: 2^42
	b203 06 000102abcdef        54 source_mac
	a905 0800000000000000       85 observation_time_ns
	ea04 04 c0000209            77 post_nat_source_address
	da04 04 10ffff3f            75 mpls_labels: 16, 2^20 - 1
	b205 04 03000050            86 application_id
	a206 0a 0809 10cb5f 1a03616263  100 elements: enterprise 9, id 12235 = 95 * 128 + 75, abc
	a206 00                     100 elements: nothing of it is set
`

const goldenExtensionJSON = `,"samplingInterval":1000,"templateId":260,"samplingSource":"SAMPLING_SOURCE_SAMPLER","vlanId":0,` +
	`"sourceMac":"00:01:02:ab:cd:ef","reverseOctets":4398046511104,"observationTime":"1970-01-01T00:00:00.000000008Z",` +
	`"postNatSourceAddress":"192.0.2.9","mplsLabels":[16,1048575],"applicationId":"AwAAUA==",` +
	`"elements":[{"enterprise":9,"id":12235,"value":"YWJj"},{"enterprise":0,"id":0,"value":""}]}`

func TestExtensionGolden(t *testing.T) {
	t.Parallel()
	message := strings.NewReplacer(
		"d001 05  ", "d001 09  ", // format
		"d801 8710  ", "d801 8710 a002 07  ", // observation_domain_id behind exporter_port
		"\tc001 18                     24 sampling_interval\n", "", // it is the record's
		"f001 8101  ", "78 02 f001 8101  ", // record_index
	).Replace(goldenValue)
	var e Encoder
	e.Reset(extendedPacket())
	if got, want := e.appendValue(nil, 0), bytesOf(t, message+goldenExtension); !bytes.Equal(got, want) {
		t.Errorf("got\n%x, want\n%x", got, want)
	}
	inJSON := Encoder{Framing: Framing{Value: ValueJSON}}
	inJSON.Reset(extendedPacket())
	value := string(inJSON.appendValue(nil, 0))
	for _, want := range []string{
		`{"format":"EXPORT_FORMAT_NETFLOW_V9","exporterAddress":"192.0.2.1","exporterPort":2055,"observationDomainId":7,"engineType"`,
		`"samplingMode":2,"receiveTime"`, `"recordIndex":2,`, `"destinationAs":65535` + goldenExtensionJSON,
	} {
		if !strings.Contains(value, want) {
			t.Errorf("no %s in\n%s", want, value)
		}
	}
}

// largestExtension has all fields with their largest values, and lists that are
// longer than is published.
func largestExtension() decoder.Extension {
	x := decoder.Extension{
		Present:    math.MaxUint64,
		MPLSLabels: make([]uint32, 300), BGPASPath: make([]uint32, 300), BGPCommunities: make([]uint32, 300),
		ApplicationID: make([]byte, 600), Elements: make([]decoder.Element, 40),
	}
	for i := range x.Values {
		x.Values[i] = math.MaxUint64
		if extensionFields[i].values != nil { // others are not published by decoders
			x.Values[i] = 2
		}
	}
	for i := range x.Addresses {
		x.Addresses[i] = netip.MustParseAddr("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")
	}
	for i := range x.MPLSLabels {
		x.MPLSLabels[i], x.BGPASPath[i], x.BGPCommunities[i] = math.MaxUint32, math.MaxUint32, math.MaxUint32
	}
	for i := range x.Elements {
		x.Elements[i] = decoder.Element{Enterprise: math.MaxUint32, ID: math.MaxUint16, Value: make([]byte, 12)}
	}
	return x
}

// Whatever an extension holds, its record has a bound, and what is published of it
// too: 255 numbers of a list, 512 bytes of the application, 32 elements.
func TestLargestExtension(t *testing.T) {
	t.Parallel()
	for _, f := range framings {
		from, received, p := largestPacket()
		p.Records = p.Records[:2]
		p.Extensions = []decoder.Extension{largestExtension(), richExtension()}
		e := Encoder{Framing: f}
		e.Reset(from, received, p)
		most := e.MaxSize(0, 1)
		if limit := f.Value.maxRecordSize() + max(maxExtension, maxJSONExtension); most > limit {
			t.Errorf("%v: the bound is %d bytes, want %d at most", f.Value, most, limit)
		}
		buf := bytes.Repeat([]byte{0xee}, most+windowSize+16)
		got := e.appendRecord(buf[:0:most+windowSize], 0, math.MinInt64, math.MaxInt32)
		if &got[0] != &buf[0] || len(got) > most || !bytes.Equal(buf[most+windowSize:], bytes.Repeat([]byte{0xee}, 16)) {
			t.Errorf("%v: the record has %d bytes, and may have %d", f.Value, len(got), most)
		}
		m, err := flowtest.Read(f.Value.String(), f.Schema, e.appendValue(nil, 0))
		if err != nil {
			t.Fatalf("%v: %v", f.Value, err)
		}
		if len(m.GetBgpAsPath()) != 255 || len(m.GetMplsLabels()) != 255 || len(m.GetApplicationId()) != 512 || len(m.GetElements()) != 32 {
			t.Errorf("%v: path of %d, %d labels, application of %d bytes, %d elements", f.Value,
				len(m.GetBgpAsPath()), len(m.GetMplsLabels()), len(m.GetApplicationId()), len(m.GetElements()))
		}
	}
}

// Elements are published as long as they have 512 bytes together.
func TestElementsAreBounded(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		sizes []int
		want  int
	}{{nil, 0}, {[]int{512}, 1}, {[]int{513, 1}, 0}, {[]int{300, 212, 0}, 3}, {[]int{300, 213, 0}, 1}} {
		var x decoder.Extension
		for _, n := range tt.sizes {
			x.Elements = append(x.Elements, decoder.Element{Value: make([]byte, n)})
		}
		if got := len(elements(&x)); got != tt.want {
			t.Errorf("of elements of %d bytes %d are published, want %d", tt.sizes, got, tt.want)
		}
	}
}

// Fit takes as many records as are sure to fit, and one at least.
func TestFit(t *testing.T) {
	t.Parallel()
	for _, f := range framings {
		for name, change := range map[string]func(*decoder.ExportPacket){
			"plain": func(*decoder.ExportPacket) {},
			"extended": func(p *decoder.ExportPacket) {
				p.Extensions = make([]decoder.Extension, len(p.Records))
				for i := range p.Extensions {
					if i%3 == 0 {
						p.Extensions[i] = richExtension()
					}
				}
			},
		} {
			p := flowtest.Packet(1, 50)
			change(p)
			e, unasked := Encoder{Framing: f}, Encoder{Framing: f}
			e.Reset(flowtest.Exporter(1), flowtest.Time, p)
			unasked.Reset(flowtest.Exporter(1), flowtest.Time, p)
			for _, most := range []int{0, 100, 5000, 20_000, 1 << 20} {
				for from := range 50 {
					to := e.Fit(from, most)
					if got, want := e.MaxSize(from, to), unasked.MaxSize(from, to); got != want {
						t.Fatalf("%v, %s: the records from %d to %d take %d bytes at most, want %d", f.Value, name, from, to, got, want)
					}
					if to <= from || to > 50 || (to > from+1 && e.MaxMessagesSize(from, to) > most) || (to < 50 && e.MaxMessagesSize(from, to+1) <= most) {
						t.Fatalf("%v, %s: from %d on, %d bytes take records up to %d", f.Value, name, from, most, to)
					}
				}
			}
		}
	}
}

func TestExtensionAllocations(t *testing.T) {
	from, received, p := extendedPacket()
	for _, f := range framings {
		for _, c := range []Compression{CompressionNone, CompressionLZ4Fast} {
			buf := make([]byte, 0, 64<<10)
			var z lz4Block
			n := testing.AllocsPerRun(10, func() {
				e := Encoder{Framing: f}
				e.Reset(from, received, p)
				if c == CompressionNone {
					e.appendRecord(buf, 0, 1, 1)
				} else {
					z = lz4Block{}
					z.appendPacket(z.begin(buf), &e, 0, 1, 1, 1)
				}
			})
			if n > 0 {
				t.Errorf("%v, %v: encoding allocates %v times", f.Value, c, n)
			}
		}
	}
}
