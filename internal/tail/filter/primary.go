package filter

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/flowpub/flowpub/internal/tail/flow"
	"github.com/flowpub/flowpub/internal/tail/names"
)

// side is which ends of a flow a test is about.
type side uint8

const (
	anySide side = iota
	sourceSide
	destinationSide
)

// of returns the fields that a test of a side looks at.
func (s side) of(source, destination flow.Field) []flow.Field {
	switch s {
	case sourceSide:
		return []flow.Field{source}
	case destinationSide:
		return []flow.Field{destination}
	default:
		return []flow.Field{source, destination}
	}
}

// sides are the words for them.
var sides = map[string]side{
	"src": sourceSide, "source": sourceSide, "dst": destinationSide, "destination": destinationSide,
}

// ways are the same of interfaces.
var ways = map[string]side{
	"in": sourceSide, "input": sourceSide, "out": destinationSide, "output": destinationSide,
}

// numbers are the words of tests of a number, with the fields that hold it.
var numbers = map[string][]flow.Field{
	"packets": {flow.Packets}, "octets": {flow.Octets}, "bytes": {flow.Octets},
	"tos": {flow.TOS}, "vlan": {flow.VLAN}, "domain": {flow.ObservationDomain}, "engine": {flow.EngineID},
}

// aNumber is what a test of a number wants.
const aNumber = "a number, such as 1000 or 10k"

// interfaceNumber is what a test of an interface wants.
const interfaceNumber = "an ifIndex, such as 3"

const known = "any, host, net, port, proto (or its name), flags, as, if, exporter, name, nexthop, format, icmp-type, " +
	"icmp-code, packets, octets, duration, bps, pps, tos, vlan, domain, sampling, anomaly, ip or ip6"

// primary reads one test.
func (p *parser) primary() (test, error) {
	w := p.word()
	if w.kind == endOfText {
		return nil, p.mistake(w, "a test is missing at the end: write one, such as host 192.0.2.1, or drop what is before")
	}
	which, sided := anySide, false
	if s, ok := sides[strings.ToLower(w.text)]; ok && w.kind == plainWord {
		which, sided = s, true
		p.take()
	}
	if s, ok := ways[strings.ToLower(w.text)]; ok && w.kind == plainWord {
		p.take()
		if subject := p.take(); !subject.is("if", "interface") {
			return nil, p.mistake(subject, "%s does not go behind %s: write if and an ifIndex", subject, w)
		}
		return p.number(s.of(flow.InputInterface, flow.OutputInterface), interfaceNumber)
	}
	subject := p.take()
	switch {
	case subject.is("host", "ip", "addr", "address", "net") && (sided || !subject.is("ip") || p.startsAddress()):
		return p.addresses(which.of(flow.SourceAddress, flow.DestinationAddress))
	case subject.is("port", "portrange"):
		return p.ports(which.of(flow.SourcePort, flow.DestinationPort))
	case subject.is("as"):
		return p.number(which.of(flow.SourceAS, flow.DestinationAS), "the number of an autonomous system, such as 64496")
	case subject.is("if", "interface"):
		return p.number(which.of(flow.InputInterface, flow.OutputInterface), interfaceNumber)
	}
	if prefix, ok := parsePrefix(subject.text); ok && subject.kind == plainWord {
		return inPrefixes(which.of(flow.SourceAddress, flow.DestinationAddress), []netip.Prefix{prefix}), nil
	}
	if sided {
		return nil, p.mistake(subject, "%s does not go behind %s: write an address, host, net, port, as or if", subject, w)
	}
	return p.unsided(subject)
}

// unsided reads the rest of a test that is not about one end of a flow.
func (p *parser) unsided(subject word) (test, error) {
	switch {
	case subject.is("any"):
		return func(*flow.Flow) bool { return true }, nil
	case subject.is("exporter", "router"):
		return p.addresses([]flow.Field{flow.ExporterAddress})
	case subject.is("nexthop"):
		return p.addresses([]flow.Field{flow.NextHop})
	case subject.is("name"):
		return p.name()
	case subject.is("proto", "protocol"):
		return p.protocols()
	case subject.is("ip", "ip4", "ipv4", "inet"):
		return family(4), nil
	case subject.is("ip6", "ipv6", "inet6"):
		return family(16), nil
	case subject.is("flags"):
		return p.flags()
	case subject.is("format"):
		return p.format()
	case subject.is("anomaly", "anomalies"):
		return p.anomaly()
	case subject.is("icmp-type"):
		return p.icmp(func(kind, _ uint8) uint8 { return kind })
	case subject.is("icmp-code"):
		return p.icmp(func(_, code uint8) uint8 { return code })
	case subject.is("duration"):
		return p.duration()
	case subject.is("bps"):
		return p.rate(flow.Octets, 8)
	case subject.is("pps"):
		return p.rate(flow.Packets, 1)
	case subject.is("sampling"):
		return p.sampling()
	}
	if fields, ok := numbers[strings.ToLower(subject.text)]; ok && subject.kind == plainWord {
		return p.number(fields, aNumber)
	}
	if number, ok := names.ProtocolNumber(subject.text); ok && subject.kind == plainWord && !isNumber(subject.text) {
		return equals(flow.Protocol, uint64(number)), nil
	}
	return nil, p.mistake(subject, "%s is not known here: write %s", subject, known)
}

func equals(field flow.Field, number uint64) test {
	return func(f *flow.Flow) bool { return f.Number(field) == number }
}

// family wants flows with addresses of a size.
func family(size int) test {
	return func(f *flow.Flow) bool { return len(f.Bytes(flow.SourceAddress)) == size }
}

// startsAddress reports whether an address comes next.
func (p *parser) startsAddress() bool {
	_, ok := parsePrefix(p.word().text)
	return ok || p.word().is("in", "[")
}

// addresses reads addresses and networks, of which one has to hold one of the fields.
func (p *parser) addresses(fields []flow.Field) (test, error) {
	var prefixes []netip.Prefix
	err := p.list(func(w word) error {
		prefix, ok := parsePrefix(w.text)
		if !ok || w.kind != plainWord {
			return p.mistake(w, "%s is no address: write it as 192.0.2.1, 2001:db8::1 or 192.0.2.0/24", w)
		}
		prefixes = append(prefixes, prefix)
		return nil
	})
	return inPrefixes(fields, prefixes), err
}

func inPrefixes(fields []flow.Field, prefixes []netip.Prefix) test {
	return func(f *flow.Flow) bool {
		for _, field := range fields {
			addr := f.Address(field)
			for i := range prefixes {
				if prefixes[i].Contains(addr) {
					return true
				}
			}
		}
		return false
	}
}

func parsePrefix(text string) (netip.Prefix, bool) {
	if addr, err := netip.ParseAddr(text); err == nil {
		addr = addr.WithZone("").Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), true
	}
	prefix, err := netip.ParsePrefix(text)
	return prefix, err == nil
}

// name reads the name of an exporter.
func (p *parser) name() (test, error) {
	w := p.take()
	if w.kind == endOfText || w.kind == symbol {
		return nil, p.mistake(w, "%s is no exporter's name: write it, in quotes if it has blanks", w)
	}
	return func(f *flow.Flow) bool { return string(f.Bytes(flow.ExporterName)) == w.text }, nil
}

func (p *parser) protocols() (test, error) {
	var wanted [256]bool
	err := p.list(func(w word) error {
		number, ok := names.ProtocolNumber(w.text)
		if !ok || w.kind != plainWord {
			return p.mistake(w, "%s is no protocol: write a name such as tcp, udp or icmp, or a number from 0 to 255", w)
		}
		wanted[number] = true
		return nil
	})
	return func(f *flow.Flow) bool {
		n := f.Number(flow.Protocol)
		return n < 256 && wanted[n]
	}, err
}

// format reads the name of an export format.
func (p *parser) format() (test, error) {
	var wanted []uint64
	err := p.list(func(w word) error {
		number, ok := names.FormatNumber(w.text)
		if !ok {
			return p.mistake(w, "%s is no format: write v5, v9, ipfix or sflow", w)
		}
		wanted = append(wanted, uint64(number))
		return nil
	})
	return func(f *flow.Flow) bool { return slices.Contains(wanted, f.Number(flow.Format)) }, err
}

// anomaly reads the name of an anomaly, or any.
func (p *parser) anomaly() (test, error) {
	w := p.take()
	bits := uint64(1<<32 - 1)
	if !w.is("any") {
		bit, ok := names.AnomalyBit(w.text)
		if !ok {
			return nil, p.mistake(w, "%s is no anomaly: write any, or a name as docs/metrics.md has it, such as waited", w)
		}
		bits = uint64(bit)
	}
	return func(f *flow.Flow) bool { return f.Number(flow.Anomalies)&bits != 0 }, nil
}

// list reads one value, or several in brackets.
func (p *parser) list(value func(word) error) error {
	p.accept("=", "==", "in")
	if !p.accept("[") {
		return value(p.take())
	}
	for {
		if err := value(p.take()); err != nil {
			return err
		}
		p.accept(",")
		if p.accept("]") {
			return nil
		}
		if w := p.word(); w.kind == endOfText {
			return p.mistake(w, "the list is not closed: add ]")
		}
	}
}

func isNumber(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r < '0' || r > '9' }) < 0
}

// describe names a comparison in a message.
func describe(what string) string {
	return fmt.Sprintf("write %s, a range such as 10-20, > 10, or [10, 20]", what)
}
