package tail

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Filter says which flows are wanted: those that match something in each list
// that is not empty. The zero Filter wants all.
type Filter struct {
	// Exporters holds the exporter's address.
	Exporters Prefixes
	// Addresses hold the source or the destination address.
	Addresses Prefixes
	// Ports hold the source or the destination port.
	Ports Ports
	// Protocols hold the IP protocol.
	Protocols Protocols
}

// matches reports whether f is wanted.
func (w *Filter) matches(f *flow) bool {
	return w.Exporters.match(f.exporter) &&
		w.Addresses.match(f.source, f.destination) &&
		w.Ports.match(f.record.GetSourcePort(), f.record.GetDestinationPort()) &&
		w.Protocols.match(f.record.GetProtocol())
}

// Prefixes is a list of address ranges. Its text separates them with commas; a
// single address stands for the range that holds only it.
type Prefixes []netip.Prefix

func (p Prefixes) match(addrs ...netip.Addr) bool {
	return len(p) == 0 || slices.ContainsFunc(p, func(prefix netip.Prefix) bool {
		return slices.ContainsFunc(addrs, prefix.Contains)
	})
}

// MarshalText lists the prefixes.
func (p Prefixes) MarshalText() ([]byte, error) { return marshalList(p, netip.Prefix.String), nil }

// UnmarshalText replaces p with the list in text.
func (p *Prefixes) UnmarshalText(text []byte) error {
	prefixes, err := parseList(text, parsePrefix)
	*p = prefixes
	return err
}

func parsePrefix(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		addr = addr.WithZone("").Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return prefix, fmt.Errorf("tail: address %q is not known: write it as 192.0.2.1, 2001:db8::1 or 192.0.2.0/24", text)
	}
	return prefix, nil
}

// Ports is a list of transport ports, separated by commas in its text.
type Ports []uint16

func (p Ports) match(source, destination uint32) bool {
	return len(p) == 0 || slices.ContainsFunc(p, func(port uint16) bool {
		return uint32(port) == source || uint32(port) == destination
	})
}

// MarshalText lists the ports.
func (p Ports) MarshalText() ([]byte, error) {
	return marshalList(p, func(port uint16) string { return strconv.Itoa(int(port)) }), nil
}

// UnmarshalText replaces p with the list in text.
func (p *Ports) UnmarshalText(text []byte) error {
	ports, err := parseList(text, parsePort)
	*p = ports
	return err
}

func parsePort(text string) (uint16, error) {
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("tail: port %q is not known: use a number from 0 to 65535", text)
	}
	return uint16(port), nil
}

// Protocols is a list of IP protocols. Its text separates them with commas, each
// by name, in any case of letters, or by number.
type Protocols []uint8

func (p Protocols) match(protocol uint32) bool {
	return len(p) == 0 || slices.ContainsFunc(p, func(wanted uint8) bool { return uint32(wanted) == protocol })
}

// MarshalText lists the protocols by name.
func (p Protocols) MarshalText() ([]byte, error) {
	return marshalList(p, func(protocol uint8) string { return protocolName(uint32(protocol)) }), nil
}

// UnmarshalText replaces p with the list in text.
func (p *Protocols) UnmarshalText(text []byte) error {
	protocols, err := parseList(text, parseProtocol)
	*p = protocols
	return err
}

func parseProtocol(text string) (uint8, error) {
	number, ok := protocolNumber(text)
	if !ok {
		return 0, fmt.Errorf("tail: protocol %q is not known: use a name such as TCP, UDP or ICMP, or a number from 0 to 255", text)
	}
	return number, nil
}

// parseList parses each element of a comma-separated list.
func parseList[T any](text []byte, parse func(string) (T, error)) ([]T, error) {
	var list []T
	for element := range strings.SplitSeq(string(text), ",") {
		value, err := parse(strings.TrimSpace(element))
		if err != nil {
			return nil, err
		}
		list = append(list, value)
	}
	return list, nil
}

// marshalList is the reverse of parseList.
func marshalList[T any](list []T, text func(T) string) []byte {
	var b []byte
	for i, value := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, text(value)...)
	}
	return b
}
