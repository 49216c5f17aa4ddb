// Package checkup prints what flowpub -check found: one line for each thing that was checked.
package checkup

import (
	"fmt"
	"io"
	"strings"
	"unicode"
)

// Verdict is the result of one check.
type Verdict uint8

// The verdicts.
const (
	// OK: nothing has to be done.
	OK Verdict = iota
	// Risk: flows would be delivered, but some may be lost.
	Risk
	// Unknown: it could not be checked.
	Unknown
	// Broken: no flows, or not all, would be delivered.
	Broken
)

// words begin the lines. They have one width.
var words = [...]string{OK: "ok     ", Risk: "risk   ", Unknown: "unknown", Broken: "NOT OK "}

// String returns the word that begins the line.
func (v Verdict) String() string { return strings.TrimSpace(words[v]) }

// Line is the result of one check.
type Line struct {
	Verdict Verdict
	// What was checked, what was Found, and the Cure, which OK does not have and the others may
	// lack.
	What, Found, Cure string
}

// Tell takes a line.
type Tell func(Line)

// OK tells that nothing has to be done.
func (tell Tell) OK(what, format string, args ...any) {
	tell(Line{OK, what, fmt.Sprintf(format, args...), ""})
}

// Risk tells of something that may cost flows.
func (tell Tell) Risk(what, found, cure string) { tell(Line{Risk, what, found, cure}) }

// Unknown tells of something that could not be checked.
func (tell Tell) Unknown(what, found, cure string) { tell(Line{Unknown, what, found, cure}) }

// Broken tells of something that costs flows.
func (tell Tell) Broken(what, found, cure string) { tell(Line{Broken, what, found, cure}) }

// Printer writes lines as they come. It is for one goroutine at a time.
type Printer struct {
	to     io.Writer
	counts [len(words)]int
}

// NewPrinter returns one that writes to w.
func NewPrinter(w io.Writer) *Printer { return &Printer{to: w} }

// Print writes a line, and the cure below it.
func (p *Printer) Print(l Line) {
	p.counts[l.Verdict]++
	fmt.Fprintf(p.to, "%s  %s: %s\n", words[l.Verdict], clean(l.What), clean(l.Found))
	if l.Cure != "" && l.Verdict != OK {
		fmt.Fprintf(p.to, "         cure: %s\n", clean(l.Cure))
	}
}

// clean keeps what peers say from being more than a line.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
}

// Conclude writes the conclusion of all lines, and reports whether none is broken.
func (p *Printer) Conclude() bool {
	broken, total := p.counts[Broken], 0
	for _, n := range p.counts {
		total += n
	}
	fmt.Fprintln(p.to)
	if broken > 0 {
		fmt.Fprintf(p.to, "%d of %d lines are not ok. Mend the first one first: others may follow from it.\n", broken, total)
		return false
	}
	text := "Flows can be taken and delivered"
	if n := p.counts[Risk]; n > 0 {
		text += fmt.Sprintf("; risks: %d", n)
	}
	if n := p.counts[Unknown]; n > 0 {
		text += fmt.Sprintf("; not known: %d", n)
	}
	fmt.Fprintln(p.to, text+".")
	return true
}
