package tail

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/flowpub/flowpub/internal/tail/flow"
	"github.com/flowpub/flowpub/internal/tail/names"
)

// narrowColumns fit into 80 characters, as long as addresses are IPv4.
var narrowColumns = []string{"start", "exporter", "proto", "source", "destination", "octets!"}

// wideColumns show all that people ask for first. The last is empty for most flows.
var wideColumns = []string{
	"date", "duration", "exporter", "via", "protocol", "source", "destination", "flags", "packets", "octets", "bps", "anomalies",
}

// ColumnNames are the names of all columns but those that are fields of a record.
func ColumnNames() []string {
	var all []string
	for _, c := range columns(Style{}) {
		all = append(all, c.name)
	}
	return all
}

// CheckColumns returns an error that names a column that does not exist.
func CheckColumns(wanted []string) error {
	_, err := columnsOf(&Config{Columns: wanted})
	return err
}

// columnsOf returns the columns that a configuration asks for.
func columnsOf(cfg *Config) ([]column, error) {
	wanted, style := cfg.Columns, cfg.Style
	switch {
	case len(wanted) > 0:
	case cfg.Format == FormatWide:
		wanted, style.Exact = wideColumns, true
	default:
		wanted = narrowColumns
	}
	all := columns(style)
	var chosen []column
	for _, name := range wanted {
		c, ok := columnNamed(all, name)
		if !ok {
			return nil, fmt.Errorf("tail: column %q is not known: use %s, or a field's name such as vlanId", name, strings.Join(ColumnNames(), ", "))
		}
		chosen = append(chosen, c)
	}
	return chosen, nil
}

// columnNamed returns a column of people's, or that of a field of JSON and CSV.
func columnNamed(all []column, name string) (column, bool) {
	if i := slices.IndexFunc(all, func(c column) bool { return c.name == name }); i >= 0 {
		return all[i], true
	}
	i := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
	if i < 0 {
		return column{}, false
	}
	f := fields[i]
	return column{name: name, title: name, width: len(name), right: f.kind == wholeNumber || f.kind == decimal, append: f.append}, true
}

// columns are all columns in a style.
func columns(style Style) []column {
	octets := style.count("octets", 6, 10, flow.Octets)
	return []column{
		{name: "start", title: "START", width: 8, append: func(b []byte, f *flow.Flow) []byte {
			return appendStart(b, f, "15:04:05") // without the date, and what is below a second
		}},
		{name: "date", title: "START (UTC)", width: 23, append: func(b []byte, f *flow.Flow) []byte {
			return appendStart(b, f, "2006-01-02 15:04:05.000")
		}},
		{name: "received", title: "RECEIVED", width: 12, append: func(b []byte, f *flow.Flow) []byte {
			return flow.Time(f.Number(flow.ReceiveTime)).AppendFormat(b, "15:04:05.000")
		}},
		{name: "duration", title: "SECONDS", width: 8, right: true, append: appendDuration},
		addressColumn("exporter", flow.ExporterAddress),
		{name: "name", title: "NAME", width: 12, append: func(b []byte, f *flow.Flow) []byte {
			return appendPlain(b, f.Bytes(flow.ExporterName))
		}},
		{name: "via", title: "VIA", width: 5, append: func(b []byte, f *flow.Flow) []byte {
			return append(b, names.FormatName(f.Number(flow.Format))...)
		}},
		protocolColumn("proto", 4), protocolColumn("protocol", 6),
		{name: "source", title: "SOURCE", width: 21, append: func(b []byte, f *flow.Flow) []byte {
			return style.appendEndpoint(b, f, flow.SourceAddress, flow.SourcePort)
		}},
		{name: "destination", title: "DESTINATION", width: 21, append: func(b []byte, f *flow.Flow) []byte {
			return style.appendEndpoint(b, f, flow.DestinationAddress, flow.DestinationPort)
		}},
		addressColumn("src", flow.SourceAddress), numberColumn("srcport", 7, flow.SourcePort),
		addressColumn("dst", flow.DestinationAddress), numberColumn("dstport", 7, flow.DestinationPort),
		{name: "flags", title: "FLAGS", width: len(names.TCPFlagLetters), append: appendFlags},
		style.count("packets", 7, 8, flow.Packets), octets,
		{name: "octets!", title: "OCTETS", width: octets.width, append: func(b []byte, f *flow.Flow) []byte {
			return appendMarked(octets.append(b, f), octets.width-1, f) // right, and a mark behind it
		}},
		{name: "bps", title: "BIT/S", width: 6, right: true, append: appendBitRate},
		numberColumn("srcas", 6, flow.SourceAS), numberColumn("dstas", 6, flow.DestinationAS),
		numberColumn("in", 5, flow.InputInterface), numberColumn("out", 5, flow.OutputInterface),
		numberColumn("tos", 3, flow.TOS), numberColumn("vlan", 4, flow.VLAN), addressColumn("nexthop", flow.NextHop),
		{name: "sampling", title: "SAMPLING", width: 8, right: true, append: func(b []byte, f *flow.Flow) []byte {
			return strconv.AppendUint(b, f.Sampling(), 10)
		}},
		numberColumn("domain", 6, flow.ObservationDomain),
		{name: "anomalies", title: "ANOMALIES", bare: true, append: func(b []byte, f *flow.Flow) []byte {
			return names.AppendAnomalies(b, uint32(f.Number(flow.Anomalies)))
		}},
	}
}

// count is a column of a counter, which is shortened for people.
func (s Style) count(name string, width, exact int, n flow.Field) column {
	if s.Exact {
		width = exact
	}
	return column{name: name, title: strings.ToUpper(name), width: width, right: true, append: func(b []byte, f *flow.Flow) []byte {
		return s.appendNumber(b, f.Number(n))
	}}
}

func numberColumn(name string, width int, n flow.Field) column {
	return column{name: name, title: strings.ToUpper(name), width: width, right: true, append: func(b []byte, f *flow.Flow) []byte {
		return strconv.AppendUint(b, f.Number(n), 10)
	}}
}

func addressColumn(name string, n flow.Field) column {
	return column{name: name, title: strings.ToUpper(name), width: 15, append: func(b []byte, f *flow.Flow) []byte {
		return f.Address(n).AppendTo(b)
	}}
}

func protocolColumn(name string, width int) column {
	return column{name: name, title: "PROTO"[:min(width, len("PROTO"))], width: width, append: func(b []byte, f *flow.Flow) []byte {
		return append(b, names.ProtocolName(uint32(f.Number(flow.Protocol)))...)
	}}
}

func (s Style) appendNumber(b []byte, n uint64) []byte {
	if s.Exact {
		return strconv.AppendUint(b, n, 10)
	}
	return appendSI(b, float64(n))
}

// appendMarked pads the number in b to a width, and marks a flow with anomalies.
func appendMarked(b []byte, width int, f *flow.Flow) []byte {
	if padding := width - len(b); padding > 0 {
		digits := len(b)
		b = append(b, blanks[:padding]...)
		copy(b[padding:], b[:digits])
		copy(b, blanks[:padding])
	}
	if f.Number(flow.Anomalies) != 0 {
		b = append(b, '!')
	}
	return b
}

func appendStart(b []byte, f *flow.Flow, format string) []byte {
	if ns := f.Number(flow.StartTime); ns != 0 {
		b = flow.Time(ns).AppendFormat(b, format)
	}
	return b
}

func appendDuration(b []byte, f *flow.Flow) []byte {
	if seconds, ok := f.Duration(); ok {
		b = strconv.AppendFloat(b, seconds, 'f', 3, 64)
	}
	return b
}

// appendEndpoint appends address and port as URLs have them; for ICMP the destination's
// type and code in place of the port.
func (s Style) appendEndpoint(b []byte, f *flow.Flow, address, port flow.Field) []byte {
	addr := f.Address(address)
	if !addr.IsValid() {
		return b
	}
	kind, code, icmp := f.ICMP()
	if icmp && port == flow.SourcePort {
		return addr.AppendTo(b)
	}
	b = append(appendHost(b, addr), ':')
	n := f.Number(port)
	switch {
	case icmp:
		b = append(strconv.AppendUint(b, uint64(kind), 10), '.')
		return strconv.AppendUint(b, uint64(code), 10)
	case s.Services && names.ServiceName(n) != "":
		return append(b, names.ServiceName(n)...)
	default:
		return strconv.AppendUint(b, n, 10)
	}
}

// appendHost appends an address as it stands before a port.
func appendHost(b []byte, addr netip.Addr) []byte {
	if addr.Is4() {
		return addr.AppendTo(b)
	}
	return append(addr.AppendTo(append(b, '[')), ']')
}

// appendFlags appends the TCP flags: of TCP always, of other protocols those
// that an exporter put there nevertheless.
func appendFlags(b []byte, f *flow.Flow) []byte {
	const tcp = 6
	if flags := f.Number(flow.TCPFlags); flags != 0 || f.Number(flow.Protocol) == tcp {
		b = names.AppendTCPFlags(b, uint32(flags))
	}
	return b
}

func appendBitRate(b []byte, f *flow.Flow) []byte {
	if rate, ok := f.BitRate(); ok {
		b = appendSI(b, rate)
	}
	return b
}

// appendSI appends a number with three digits and the SI prefix: 999, 1.23k,
// 45.6M, 789G.
func appendSI(b []byte, number float64) []byte {
	const prefixes = "kMGTPEZY"
	if number < 999.5 {
		return strconv.AppendFloat(b, number, 'f', 0, 64)
	}
	prefix := 0
	number /= 1000
	for number >= 999.5 && prefix < len(prefixes)-1 {
		number /= 1000
		prefix++
	}
	decimals := 0
	switch {
	case number < 9.995:
		decimals = 2
	case number < 99.95:
		decimals = 1
	}
	return append(strconv.AppendFloat(b, number, 'f', decimals, 64), prefixes[prefix])
}
