package top

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/flowpub/flowpub/internal/tail/flow"
	"github.com/flowpub/flowpub/internal/tail/names"
)

// Keys are what flows have in common.
type Keys []Key

// maxKeys bounds how many there may be.
const maxKeys = 8

// Key is one thing that flows may have in common.
type Key struct {
	// name is as it was asked for.
	name string
	keyKind
	// bits4 and bits6 are the lengths of the networks that addresses are added up by.
	bits4, bits6 int
}

// keyKind is a kind of keys.
type keyKind struct {
	title string
	// field is where the value is, and other that of the flow's other end, for keys about
	// either end; 0 for others.
	field, other flow.Field
	as           valueKind
}

// valueKind is how values are kept and shown.
type valueKind uint8

const (
	aNumber valueKind = iota
	anAddress
	aText
	aProtocol
	aFormat
	someFlags
	anICMPType
)

// kinds are the kinds of keys by their names.
var kinds = map[string]keyKind{
	"src": {"SOURCE", flow.SourceAddress, 0, anAddress}, "dst": {"DESTINATION", flow.DestinationAddress, 0, anAddress},
	"ip":      {"ADDRESS", flow.SourceAddress, flow.DestinationAddress, anAddress},
	"srcport": {"SRCPORT", flow.SourcePort, 0, aNumber}, "dstport": {"DSTPORT", flow.DestinationPort, 0, aNumber},
	"port":     {"PORT", flow.SourcePort, flow.DestinationPort, aNumber},
	"proto":    {"PROTO", flow.Protocol, 0, aProtocol},
	"exporter": {"EXPORTER", flow.ExporterAddress, 0, anAddress}, "name": {"NAME", flow.ExporterName, 0, aText},
	"srcas": {"SRCAS", flow.SourceAS, 0, aNumber}, "dstas": {"DSTAS", flow.DestinationAS, 0, aNumber},
	"as": {"AS", flow.SourceAS, flow.DestinationAS, aNumber},
	"in": {"IN", flow.InputInterface, 0, aNumber}, "out": {"OUT", flow.OutputInterface, 0, aNumber},
	"if":  {"IF", flow.InputInterface, flow.OutputInterface, aNumber},
	"tos": {"TOS", flow.TOS, 0, aNumber}, "vlan": {"VLAN", flow.VLAN, 0, aNumber},
	"nexthop": {"NEXTHOP", flow.NextHop, 0, anAddress}, "flags": {"FLAGS", flow.TCPFlags, 0, someFlags},
	"format": {"FORMAT", flow.Format, 0, aFormat}, "icmp": {"ICMP", flow.ICMPTypeCode, 0, anICMPType},
	"domain": {"DOMAIN", flow.ObservationDomain, 0, aNumber},
}

// aliases are other names of keys, as nfdump has them.
var aliases = map[string]string{
	"srcip": "src", "dstip": "dst", "source": "src", "destination": "dst", "inif": "in", "outif": "out", "router": "exporter",
	"protocol": "proto", "net": "ip",
}

// Names are the names of all keys, in the order of letters.
func Names() []string {
	all := make([]string, 0, len(kinds))
	for name := range kinds {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// String lists the keys as UnmarshalText reads them.
func (k Keys) String() string {
	all := make([]string, len(k))
	for i := range k {
		all[i] = k[i].name
	}
	return strings.Join(all, ",")
}

// MarshalText is String.
func (k Keys) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads a list, separated by commas, such as src/24,dstport.
func (k *Keys) UnmarshalText(text []byte) error {
	var all Keys
	for name := range strings.SplitSeq(string(text), ",") {
		key, err := parseKey(strings.ToLower(strings.TrimSpace(name)))
		if err != nil {
			return err
		}
		all = append(all, key)
	}
	if len(all) > maxKeys {
		return fmt.Errorf("tail: %d keys are too many: give at most %d", len(all), maxKeys)
	}
	*k = all
	return nil
}

// defaultBits6 is the length of IPv6 networks where only that of IPv4 is given: what a
// site has.
const defaultBits6 = 48

func parseKey(name string) (Key, error) {
	base, lengths, isNet := strings.Cut(name, "/")
	if alias, ok := aliases[base]; ok {
		base = alias
	}
	kind, ok := kinds[base]
	if !ok {
		return Key{}, fmt.Errorf("tail: key %q is not known: use %s", name, strings.Join(Names(), ", "))
	}
	key := Key{name: name, keyKind: kind, bits4: 32, bits6: 128}
	if !isNet {
		return key, nil
	}
	if kind.as != anAddress {
		return Key{}, fmt.Errorf("tail: key %q has no networks: leave out what is behind %s", name, base)
	}
	v4, v6, both := strings.Cut(lengths, "/")
	var err4, err6 error
	key.bits4, err4 = strconv.Atoi(v4)
	key.bits6 = defaultBits6
	if both {
		key.bits6, err6 = strconv.Atoi(v6)
	}
	if err4 != nil || err6 != nil || key.bits4 < 0 || key.bits4 > 32 || key.bits6 < 0 || key.bits6 > 128 {
		return Key{}, fmt.Errorf("tail: network %q is not known: write %s/24, or %[2]s/24/48 with the length for IPv6", name, base)
	}
	return key, nil
}

// Titles are those of the keys, for a table.
func (k Keys) Titles() []string {
	all := make([]string, len(k))
	for i := range k {
		all[i] = k[i].title
	}
	return all
}

// Names are those of the keys, as they were asked for.
func (k Keys) Names() []string { return strings.Split(k.String(), ",") }

// IsAddress reports whether key i is an address, or a network.
func (k Keys) IsAddress(i int) bool { return k[i].as == anAddress }

// either reports whether a key is about either end of a flow.
func (k Keys) either() bool {
	return slices.ContainsFunc(k, func(key Key) bool { return key.other != 0 })
}

// append appends the values that a flow has; of keys about either end those of the other
// one, if so asked. Each is behind its length.
func (k Keys) append(b []byte, f *flow.Flow, other bool) []byte {
	for i := range k {
		field := k[i].field
		if other && k[i].other != 0 {
			field = k[i].other
		}
		b = k[i].appendValue(b, f, field)
	}
	return b
}

func (k *Key) appendValue(b []byte, f *flow.Flow, field flow.Field) []byte {
	switch k.as {
	case anAddress:
		return k.appendAddress(b, f.Bytes(field))
	case aText:
		text := f.Bytes(field)
		text = text[:min(len(text), 255)]
		return append(append(b, byte(len(text))), text...)
	case anICMPType:
		kind, code, ok := f.ICMP()
		if !ok {
			return append(b, 0)
		}
		return append(b, 2, kind, code)
	default:
		return binary.BigEndian.AppendUint64(append(b, 8), f.Number(field))
	}
}

// appendAddress appends the network of an address.
func (k *Key) appendAddress(b, address []byte) []byte {
	b = append(append(b, byte(len(address))), address...)
	bits := k.bits6
	if len(address) == 4 {
		bits = k.bits4
	}
	host := b[len(b)-len(address):]
	for i := range host {
		if keep := bits - 8*i; keep < 8 {
			host[i] &= ^byte(0xff >> max(keep, 0))
		}
	}
	return b
}

// texts returns the values that were appended, as people read them.
func (k Keys) texts(values string) []string {
	all := make([]string, len(k))
	for i := range k {
		size := int(values[0])
		all[i] = k[i].text([]byte(values[1 : 1+size]))
		values = values[1+size:]
	}
	return all
}

// text returns a value as people read it; "-" if there is none.
func (k *Key) text(b []byte) string {
	if len(b) == 0 {
		return "-"
	}
	switch k.as {
	case anAddress:
		addr, _ := netip.AddrFromSlice(b)
		bits := k.bits6
		if addr.Is4() {
			bits = k.bits4
		}
		if bits == addr.BitLen() {
			return addr.String()
		}
		return netip.PrefixFrom(addr, bits).String()
	case aText:
		return string(b)
	case anICMPType:
		return fmt.Sprintf("%d.%d", b[0], b[1])
	default:
		return k.numberText(binary.BigEndian.Uint64(b))
	}
}

// numberText returns a number as people read it.
func (k *Key) numberText(n uint64) string {
	switch k.as {
	case aProtocol:
		return names.ProtocolName(uint32(n))
	case aFormat:
		return names.FormatName(n)
	case someFlags:
		return string(names.AppendTCPFlags(nil, uint32(n)))
	default:
		return strconv.FormatUint(n, 10)
	}
}
