package differential

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
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
	table  *template.Table
	packet decoder.ExportPacket
}

func newOurs(elements *template.Selection) *ours {
	t := template.NewTable(template.Config{Elements: elements})
	return &ours{Reader: template.NewReader(t), table: t}
}

// refused reports whether there was a template that was not taken.
func (o *ours) refused() bool {
	return o.table.Stats().Refused != [template.NumRefuseReasons]uint64{}
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
		if b := rest.Bytes(); len(b) >= 2 && g.endless(version, domain, binary.BigEndian.Uint16(b)) {
			return records, options, errEndless
		}
		set, err := netflow.DecodeMessageCommonFlowSet(rest, g.templates, domain, version)
		if err != nil && !errors.Is(err, netflow.ErrorTemplateNotFound) {
			return records, options, err
		}
		switch set := set.(type) {
		case netflow.DataFlowSet:
			lengths := g.lengths(version, domain, set.Id)
			for _, r := range set.Records {
				if whole(r.Values, lengths) {
					records = append(records, record{set.Id, lengths, r.Values})
				}
			}
		case netflow.OptionsDataFlowSet:
			lengths := g.lengths(version, domain, set.Id)
			for _, r := range set.Records {
				if whole(slices.Concat(r.ScopesValues, r.OptionsValues), lengths) {
					options++
				}
			}
		}
	}
	return records, options, nil
}

// whole reports whether all fields are as long as they should be: of padding behind records of variable
// length goflow2 makes one more, whose fields are cut.
func whole(fields []netflow.DataField, lengths []uint16) bool {
	for i := range fields {
		v, _ := fields[i].Value.([]byte)
		if lengths[i] != variableLength && len(v) < int(lengths[i]) {
			return false
		}
	}
	return true
}

var errEndless = errors.New("goflow2 would find records without end")

// endless reports whether the records of a template have no length, but for what they tell
// themselves.
func (g *theirs) endless(version uint16, domain uint32, id uint16) bool {
	fields, known := g.fields(version, domain, id)
	return known && netflow.GetTemplateSize(version, fields) == 0
}

// fields returns those of a template, the scopes first.
func (g *theirs) fields(version uint16, domain uint32, id uint16) (fields []netflow.Field, known bool) {
	t, err := g.templates.GetTemplate(version, domain, id)
	if err != nil {
		return nil, false
	}
	switch t := t.(type) {
	case netflow.TemplateRecord:
		fields = t.Fields
	case netflow.IPFIXOptionsTemplateRecord:
		fields = slices.Concat(t.Scopes, t.Options)
	case netflow.NFv9OptionsTemplateRecord:
		fields = slices.Concat(t.Scopes, t.Options)
	}
	return fields, true
}

// lengths returns the lengths of a template's fields.
func (g *theirs) lengths(version uint16, domain uint32, id uint16) (all []uint16) {
	fields, _ := g.fields(version, domain, id)
	for _, f := range fields {
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
