package tail

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"
)

// column is a column of a table.
type column struct {
	title string
	// width is what most values need. A longer one is printed whole, and moves
	// the rest of its line.
	width int
	// right tells that values end at the column's end, as numbers do.
	right bool
	// append appends the value; nothing stands for none.
	append func(b []byte, f *flow) []byte
}

// table is its columns. The last one is empty for most flows.
type table []column

// wideTable shows all that people ask for first.
var wideTable = table{
	{title: "START (UTC)", width: 23, append: appendStart},
	{title: "SECONDS", width: 8, right: true, append: appendDuration},
	exporterColumn, formatColumn, protocolColumn, sourceColumn, destinationColumn,
	{title: "FLAGS", width: len(tcpFlagLetters), append: appendFlags},
	packetsColumn(8), octetsColumn(10),
	{title: "BIT/S", width: 6, right: true, append: appendBitRate},
	{title: "ANOMALIES", append: func(b []byte, f *flow) []byte { return appendAnomalies(b, f.record.GetAnomalies()) }},
}

// narrowTable is what of it has room in 100 characters.
var narrowTable = table{
	{title: "START", width: 8, append: appendStartClock},
	exporterColumn, formatColumn, protocolColumn, sourceColumn, destinationColumn,
	packetsColumn(7), octetsColumn(8),
	{title: "!", append: func(b []byte, f *flow) []byte {
		if f.record.GetAnomalies() != 0 {
			b = append(b, '!')
		}
		return b
	}},
}

// Columns of both tables.
var (
	exporterColumn = column{title: "EXPORTER", width: 15, append: func(b []byte, f *flow) []byte { return f.exporter.AppendTo(b) }}
	formatColumn   = column{title: "VIA", width: 5, append: func(b []byte, f *flow) []byte {
		return append(b, exportFormatNames[f.record.GetFormat()]...)
	}}
	protocolColumn = column{title: "PROTO", width: 6, append: func(b []byte, f *flow) []byte {
		return append(b, protocolName(f.record.GetProtocol())...)
	}}
	sourceColumn = column{title: "SOURCE", width: 21, append: func(b []byte, f *flow) []byte {
		return appendEndpoint(b, f.source, f.record.GetSourcePort())
	}}
	destinationColumn = column{title: "DESTINATION", width: 21, append: func(b []byte, f *flow) []byte {
		return appendEndpoint(b, f.destination, f.record.GetDestinationPort())
	}}
)

func packetsColumn(width int) column {
	return column{title: "PACKETS", width: width, right: true, append: func(b []byte, f *flow) []byte {
		return strconv.AppendUint(b, f.record.GetPackets(), 10)
	}}
}

func octetsColumn(width int) column {
	return column{title: "OCTETS", width: width, right: true, append: func(b []byte, f *flow) []byte {
		return strconv.AppendUint(b, f.record.GetOctets(), 10)
	}}
}

func (t table) layout() layout { return layout{header: t.header(), append: t.appendRow} }

// header is the line with the columns' titles.
func (t table) header() string {
	var b []byte
	for i := range t {
		b = t.appendCell(b, i, []byte(t[i].title))
	}
	return string(endRow(b, 0))
}

// appendRow appends f as a line of the table.
func (t table) appendRow(b []byte, f *flow) []byte {
	begin := len(b)
	var scratch [64]byte
	for i := range t {
		value := t[i].append(scratch[:0], f)
		if len(value) == 0 && i < len(t)-1 {
			value = append(value, '-')
		}
		b = t.appendCell(b, i, value)
	}
	return endRow(b, begin)
}

// appendCell appends value, padded to the width of column i.
func (t table) appendCell(b []byte, i int, value []byte) []byte {
	if i > 0 {
		b = append(b, ' ')
	}
	padding := strings.Repeat(" ", max(0, t[i].width-len(value)))
	if t[i].right {
		return append(append(b, padding...), value...)
	}
	return append(append(b, value...), padding...)
}

// endRow ends the line that begins at begin, without blanks at its end.
func endRow(b []byte, begin int) []byte {
	row := bytes.TrimRight(b[begin:], " ")
	return append(b[:begin+len(row)], '\n')
}

func appendStart(b []byte, f *flow) []byte { return appendStartAs(b, f, "2006-01-02 15:04:05.000") }

// appendStartClock leaves out the date, and what is below a second.
func appendStartClock(b []byte, f *flow) []byte { return appendStartAs(b, f, "15:04:05") }

func appendStartAs(b []byte, f *flow, format string) []byte {
	if ns := f.record.GetStartTimeNs(); ns != 0 {
		b = unixTime(ns).AppendFormat(b, format)
	}
	return b
}

func appendDuration(b []byte, f *flow) []byte {
	if seconds, ok := f.duration(); ok {
		b = strconv.AppendFloat(b, seconds, 'f', 3, 64)
	}
	return b
}

// appendEndpoint appends address and port as URLs have them.
func appendEndpoint(b []byte, addr netip.Addr, port uint32) []byte {
	if !addr.IsValid() {
		return b
	}
	if addr.Is4() {
		b = addr.AppendTo(b)
	} else {
		b = append(addr.AppendTo(append(b, '[')), ']')
	}
	return strconv.AppendUint(append(b, ':'), uint64(port), 10)
}

// appendFlags appends the TCP flags: of TCP always, of other protocols those
// that an exporter put there nevertheless.
func appendFlags(b []byte, f *flow) []byte {
	const tcp = 6
	if flags := f.record.GetTcpFlags(); flags != 0 || f.record.GetProtocol() == tcp {
		b = appendTCPFlags(b, flags)
	}
	return b
}

func appendBitRate(b []byte, f *flow) []byte {
	if rate, ok := f.bitRate(); ok {
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
