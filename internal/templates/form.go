package templates

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"time"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/template"
)

// A key says what a value is about. Numbers are big-endian.
//
//	version   1  of the export format, 9 or 10
//	address  16  IPv6, or IPv4 mapped
//	port      2
//	domain    4
//	id        2  of the template; 0 for what the domain's options have told, where the port is 0, too
//
// A key with version 0 is a mark: the name of a deployment is behind.
const (
	keyLength = 1 + 16 + 2 + 4 + 2
	markKey   = 0
)

// A value begins with the version of its form. That of a template goes on with
//
//	flags     1  1: an options template
//	learned   8  when its exporter was last known to use it, in ns since 1970
//	exported  8  when the exporter sent it, by its clock, in ns since 1970; 0 is not known
//	booted    8  when the exporter booted, by its clock, likewise
//	raw          the definition as it was exported, without the template's id
//
// that of options with
//
//	flags     1  0
//	learned   8
//	init      8  when the exporter booted as its options tell it, in ms since 1970; 0 is not known
//	booted    8
//	samplings    of 25 bytes each: scope 1, id 8, interval 4, algorithm 4, packet interval 4, packet space 4
//
// and that of a mark with the time alone. No value means that the template or the options are gone.
const (
	formVersion    = 1
	flagOptions    = 1
	valueHead      = 1 + 1 + 8 + 8 + 8
	samplingLength = 1 + 8 + 4 + 4 + 4 + 4
	markLength     = 1 + 8
)

// Why a record of the topic cannot be read.
var (
	errNewer   = errors.New("it is in a form that this version does not know")
	errGarbage = errors.New("flowpub did not write it")
)

// item is what a record of the topic says: one of three things.
type item struct {
	template *template.Template
	options  *template.DomainOptions
	mark     string        // the name of a deployment
	age      time.Duration // of the mark
}

// keyOf returns the key of a template, or of a domain's options.
func keyOf(k *template.Key) []byte {
	address := k.Address.As16()
	b := append(make([]byte, 0, keyLength), byte(k.Format))
	b = append(b, address[:]...)
	b = binary.BigEndian.AppendUint16(b, k.Port)
	b = binary.BigEndian.AppendUint32(b, k.Domain)
	return binary.BigEndian.AppendUint16(b, k.ID)
}

// readKey is the reverse of keyOf.
func readKey(b []byte) template.Key {
	return template.Key{
		Format:  decoder.Format(b[0]),
		Address: netip.AddrFrom16([16]byte(b[1:17])).Unmap(),
		Port:    binary.BigEndian.Uint16(b[17:]),
		Domain:  binary.BigEndian.Uint32(b[19:]),
		ID:      binary.BigEndian.Uint16(b[23:]),
	}
}

// head returns what values begin with.
func head(flags byte, learned time.Time, first, booted uint64) []byte {
	b := []byte{formVersion, flags}
	b = binary.BigEndian.AppendUint64(b, uint64(learned.UnixNano()))
	b = binary.BigEndian.AppendUint64(b, first)
	return binary.BigEndian.AppendUint64(b, booted)
}

// templateValue returns the value of a template.
func templateValue(t *template.Template, now time.Time) []byte {
	var flags byte
	if t.Options {
		flags = flagOptions
	}
	return append(head(flags, now.Add(-t.Age), uint64(t.Exported), uint64(t.Booted)), t.Raw...)
}

// optionsValue returns the value of what a domain's options have told.
func optionsValue(o *template.DomainOptions, now time.Time) []byte {
	b := head(0, now.Add(-o.Age), o.InitTime, uint64(o.Booted))
	for _, s := range o.Samplings {
		b = append(b, s.Scope)
		b = binary.BigEndian.AppendUint64(b, s.ID)
		for _, n := range [...]uint32{s.Interval, s.Algorithm, s.PacketInterval, s.PacketSpace} {
			b = binary.BigEndian.AppendUint32(b, n)
		}
	}
	return b
}

// markOf returns the key and the value of a mark.
func markOf(name string, now time.Time) (key, value []byte) {
	return append([]byte{markKey}, name...), binary.BigEndian.AppendUint64([]byte{formVersion}, uint64(now.UnixNano()))
}

// readItem reads a record of the topic, of which the age counts until now. The item refers to the value.
// A nil value says that the template or the options are gone.
func readItem(key, value []byte, now time.Time) (it item, err error) {
	switch form := formOf(value); {
	case len(key) == 0 || key[0] != markKey && (len(key) != keyLength || !decoder.Format(key[0]).HasTemplates()) || form == 0:
		return it, errGarbage
	case form > formVersion:
		return it, errNewer
	case key[0] == markKey:
		if len(value) != markLength {
			return it, errGarbage
		}
		it.mark, it.age = string(key[1:]), ageOf(value[1:], now)
		return it, nil
	}
	if k := readKey(key); k.ID == 0 {
		it.options, err = readOptions(k, value, now)
	} else {
		it.template, err = readTemplate(k, value, now)
	}
	return it, err
}

// formOf returns the version of a value's form: formVersion for no value, 0 for one that is too short.
func formOf(value []byte) byte {
	switch {
	case value == nil:
		return formVersion
	case len(value) < markLength:
		return 0
	default:
		return value[0]
	}
}

// ageOf returns how long ago the time in b was; 0 if it is ahead of this clock.
func ageOf(b []byte, now time.Time) time.Duration {
	learned := int64(binary.BigEndian.Uint64(b))
	if learned <= 0 {
		return 1 << 62
	}
	return max(0, now.Sub(time.Unix(0, learned)))
}

func readTemplate(k template.Key, value []byte, now time.Time) (*template.Template, error) {
	t := &template.Template{Key: k}
	if value == nil {
		t.Removed = true
		return t, nil
	}
	if len(value) < valueHead || value[1]&^flagOptions != 0 {
		return nil, errGarbage
	}
	t.Age = ageOf(value[2:], now)
	t.Exported = decoder.UnixNano(binary.BigEndian.Uint64(value[10:]))
	t.Booted = decoder.UnixNano(binary.BigEndian.Uint64(value[18:]))
	t.Definition = template.Definition{Format: k.Format, Options: value[1]&flagOptions != 0, Raw: value[valueHead:]}
	return t, nil
}

func readOptions(k template.Key, value []byte, now time.Time) (*template.DomainOptions, error) {
	if len(value) < valueHead || value[1] != 0 || (len(value)-valueHead)%samplingLength != 0 || k.Port != 0 {
		return nil, errGarbage
	}
	o := &template.DomainOptions{
		Key: k, Age: ageOf(value[2:], now), InitTime: binary.BigEndian.Uint64(value[10:]),
		Booted: decoder.UnixNano(binary.BigEndian.Uint64(value[18:])),
	}
	for b := value[valueHead:]; len(b) > 0; b = b[samplingLength:] {
		o.Samplings = append(o.Samplings, template.ScopedSampling{
			Scope: b[0], ID: binary.BigEndian.Uint64(b[1:]),
			Sampling: template.Sampling{
				Interval: binary.BigEndian.Uint32(b[9:]), Algorithm: binary.BigEndian.Uint32(b[13:]),
				PacketInterval: binary.BigEndian.Uint32(b[17:]), PacketSpace: binary.BigEndian.Uint32(b[21:]),
			},
		})
	}
	return o, nil
}
