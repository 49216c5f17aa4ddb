package differential

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/netsampler/goflow2/v2/decoders/netflow"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/ipfix"
	"github.com/flowpub/flowpub/decoder/netflow9"
	"github.com/flowpub/flowpub/decoder/template"
)

var exporter = netip.MustParseAddrPort("192.0.2.1:2055")

// ours decodes packets as a collector does.
type ours struct {
	*template.Reader
	packet decoder.ExportPacket
}

func newOurs(elements *template.Selection) *ours {
	return &ours{Reader: template.NewReader(template.NewTable(template.Config{Elements: elements}))}
}

func (o *ours) decode(b []byte, now time.Duration) error {
	if b[1] == 10 {
		return ipfix.Decode(o.Reader, b, exporter, now, &o.packet)
	}
	return netflow9.Decode(o.Reader, b, exporter, now, &o.packet)
}

// theirs decodes packets with goflow2.
type theirs struct {
	templates netflow.NetFlowTemplateSystem
}

func newTheirs() *theirs { return &theirs{netflow.CreateTemplateSystem()} }

// A record is one that goflow2 found.
type record struct {
	template uint16
	lengths  []uint16 // of the fields in the template
	fields   []netflow.DataField
}

// Lengths of the headers before the sets.
const (
	headerLen9  = 20
	headerLen10 = 16
)

// decode returns the flow records of a packet and the number of its options records, set by set:
// goflow2 itself would stop after as many sets of NetFlow v9 as the header announces records.
func (g *theirs) decode(b []byte) (records []record, options int, err error) {
	version, domain, sets := uint16(b[1]), binary.BigEndian.Uint32(b[headerLen9-4:]), b[headerLen9:]
	if version == 10 {
		domain, sets = binary.BigEndian.Uint32(b[headerLen10-4:]), b[headerLen10:]
	}
	for rest := bytes.NewBuffer(sets); rest.Len() > 0; {
		set, err := netflow.DecodeMessageCommonFlowSet(rest, g.templates, domain, version)
		if err != nil && !errors.Is(err, netflow.ErrorTemplateNotFound) {
			return records, options, err
		}
		switch set := set.(type) {
		case netflow.DataFlowSet:
			lengths := g.lengths(version, domain, set.Id)
			for _, r := range set.Records {
				records = append(records, record{set.Id, lengths, r.Values})
			}
		case netflow.OptionsDataFlowSet:
			options += len(set.Records)
		}
	}
	return records, options, nil
}

// lengths returns the lengths of a template's fields.
func (g *theirs) lengths(version uint16, domain uint32, id uint16) (all []uint16) {
	known, _ := g.templates.GetTemplate(version, domain, id)
	t, _ := known.(netflow.TemplateRecord)
	for _, f := range t.Fields {
		all = append(all, f.Length)
	}
	return all
}

// value returns the bytes of a field.
func value(tb testing.TB, f *netflow.DataField) []byte {
	tb.Helper()
	v, ok := f.Value.([]byte)
	if !ok {
		tb.Fatalf("goflow2's value of element %d is a %T", f.Type, f.Value)
	}
	return v
}
