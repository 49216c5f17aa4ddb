package tail

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/flowpub/flowpub/internal/tail/flow"
)

// column is a column of a table.
type column struct {
	name, title string
	// width is what most values need. A longer one is printed whole, and moves
	// the rest of its line.
	width int
	// right tells that values end at the column's end, as numbers do.
	right bool
	// append appends the value; nothing stands for none.
	append func(b []byte, f *flow.Flow) []byte
	// bare leaves the column empty where there is no value.
	bare bool
}

// table is its columns, and whether it uses a terminal's colours.
type table struct {
	columns []column
	color   bool
}

// What a terminal is told (ECMA-48, 8.3.117).
const (
	colorTitle = "\x1b[1m"
	colorOdd   = "\x1b[33m"
	colorNone  = "\x1b[0m"
)

func (t table) layout() layout { return layout{header: t.header(), append: t.appendRow} }

// header is the line with the columns' titles.
func (t table) header() string {
	var b []byte
	for i := range t.columns {
		b = t.appendCell(b, i, []byte(t.columns[i].title))
	}
	return t.colored(string(endRow(b, 0)), colorTitle)
}

// colored puts a line, which ends, in a colour.
func (t table) colored(line, color string) string {
	if !t.color {
		return line
	}
	return color + strings.TrimSuffix(line, "\n") + colorNone + "\n"
}

// appendRow appends f as a line of the table. One with anomalies is coloured.
func (t table) appendRow(b []byte, f *flow.Flow) []byte {
	odd := t.color && f.Number(flow.Anomalies) != 0
	if odd {
		b = append(b, colorOdd...)
	}
	begin := len(b)
	var scratch [64]byte
	for i := range t.columns {
		value := t.columns[i].append(scratch[:0], f)
		if len(value) == 0 && !t.columns[i].bare {
			value = append(value, '-')
		}
		b = t.appendCell(b, i, value)
	}
	b = endRow(b, begin)
	if odd {
		b = append(append(b[:len(b)-1], colorNone...), '\n')
	}
	return b
}

// appendCell appends value, padded to the width of column i.
func (t table) appendCell(b []byte, i int, value []byte) []byte {
	return appendCell(b, i > 0, t.columns[i].width, t.columns[i].right, value)
}

const blanks = "                                                                "

// appendCell appends a value, behind a blank if it is not the first, padded to a width.
func appendCell(b []byte, behind bool, width int, right bool, value []byte) []byte {
	if behind {
		b = append(b, ' ')
	}
	padding := blanks[:min(len(blanks), max(0, width-len(value)))]
	if right {
		return append(append(b, padding...), value...)
	}
	return append(append(b, value...), padding...)
}

// endRow ends the line that begins at begin, without blanks at its end.
func endRow(b []byte, begin int) []byte {
	row := bytes.TrimRight(b[begin:], " ")
	return append(b[:begin+len(row)], '\n')
}

// appendPlain appends a text that somebody else chose, without what a terminal would obey.
func appendPlain(b, text []byte) []byte {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if !unicode.IsPrint(r) {
			r = '?'
		}
		b = utf8.AppendRune(b, r)
		text = text[n:]
	}
	return b
}
