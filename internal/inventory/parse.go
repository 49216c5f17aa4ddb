package inventory

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/flowpub/flowpub/decoder"
)

const (
	// maxBytes and maxNetworks bound a file, and so the memory that it takes.
	maxBytes    = 16 << 20
	maxNetworks = 1 << 16
	// maxMistakes is how many mistakes are told of one file.
	maxMistakes = 20
	// none stands for no name.
	none = "-"
)

// usage is what a line looks like.
const usage = "write the network, a name or -, and the sampling interval if there is one, as in 192.0.2.0/24 access 1000"

// Parse reads the text of a file. A line has a network or an address, the exporters' name
// or "-" for none, and the sampling interval if there is one, separated by blanks; what
// follows a # behind a blank is a comment. The error tells every mistake, one a line, each
// with the number of the line.
func Parse(text []byte) (*Table, error) {
	if len(text) > maxBytes {
		return nil, fmt.Errorf("it is larger than %d MiB: leave out what is not about exporters", maxBytes>>20)
	}
	p := parser{lines: make(map[netip.Prefix]int)}
	number := 0
	for line := range bytes.Lines(bytes.TrimPrefix(text, []byte("\ufeff"))) {
		number++
		if err := p.line(number, line); err != nil {
			p.mistake(fmt.Errorf("line %d: %w", number, err))
		}
	}
	if p.mistakes > maxMistakes {
		p.errs = append(p.errs, fmt.Errorf("and %d mistakes more", p.mistakes-maxMistakes))
	}
	if len(p.errs) > 0 {
		return nil, errors.Join(p.errs...)
	}
	return newTable(p.networks), nil
}

type parser struct {
	networks []network
	lines    map[netip.Prefix]int // where each network is
	mistakes int
	errs     []error // of the first of them
}

func (p *parser) mistake(err error) {
	if p.mistakes++; p.mistakes <= maxMistakes {
		p.errs = append(p.errs, err)
	}
}

// line takes a line.
func (p *parser) line(number int, line []byte) error {
	if !utf8.Valid(line) {
		return errors.New("it is not UTF-8")
	}
	fields := fieldsOf(string(line))
	if len(fields) == 0 {
		return nil
	}
	prefix, err := parseNetwork(fields[0])
	if err != nil {
		return err
	}
	if earlier := p.lines[prefix]; earlier != 0 {
		return fmt.Errorf("%v is on line %d, too: remove one", prefix, earlier)
	}
	known, err := parseAnnotation(fields[1:])
	if err != nil {
		return err
	}
	if len(p.networks) == maxNetworks {
		return fmt.Errorf("there are more than %d networks: name larger ones", maxNetworks)
	}
	p.lines[prefix] = number
	p.networks = append(p.networks, network{prefix, known})
	return nil
}

// fieldsOf returns the fields of a line without its comment.
func fieldsOf(line string) []string {
	fields := strings.Fields(line)
	for i, f := range fields {
		if f[0] == '#' {
			return fields[:i]
		}
	}
	return fields
}

// parseNetwork reads a network, or an address as the network that only has it.
func parseNetwork(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		if a.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf("%q has a zone, which exporters are found without: write %v", shown(text), a.WithZone(""))
		}
		return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
	}
	n, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return netip.Prefix{}, fmt.Errorf("%q is no network: %s", shown(text), usage)
	case n.Addr().Is4In6():
		return netip.Prefix{}, fmt.Errorf("%q would match nothing: write the IPv4 network", shown(text))
	case n.Masked() != n:
		return netip.Prefix{}, fmt.Errorf("%q has bits beyond its prefix length: write %v, or %v for the one address",
			shown(text), n.Masked(), n.Addr())
	}
	return n, nil
}

// parseAnnotation reads what stands behind a network.
func parseAnnotation(fields []string) (a decoder.Annotation, err error) {
	switch {
	case len(fields) == 0:
		return a, errors.New("the name is missing: " + usage)
	case len(fields) > 2:
		return a, fmt.Errorf("%q is one too many; a name has no blanks: %s", shown(fields[2]), usage)
	}
	if a.Name, err = parseName(fields[0]); err != nil {
		return a, err
	}
	if len(fields) == 2 {
		a.SamplingOverride, err = parseSampling(fields[1])
		return a, err
	}
	if a.Name == "" {
		return a, errors.New("it gives neither a name nor a sampling interval: " + usage)
	}
	if _, err := parseSampling(a.Name); err == nil {
		return a, fmt.Errorf("%q stands where the name does: write - %[1]s if it is the sampling interval, or a name that is no number", a.Name)
	}
	return a, nil
}

// parseName reads a name.
func parseName(text string) (string, error) {
	if text == none {
		return "", nil
	}
	if len(text) > decoder.MaxExporterName {
		return "", fmt.Errorf("the name %q has %d bytes: it may have %d", shown(text), len(text), decoder.MaxExporterName)
	}
	for _, r := range text {
		if !unicode.IsPrint(r) {
			return "", fmt.Errorf("the name %q has the character %U, which cannot be printed: remove it", text, r)
		}
	}
	return strings.Clone(text), nil // of the line nothing else is kept
}

// parseSampling reads a sampling interval.
func parseSampling(text string) (uint32, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("the sampling interval %q is no number from 1 to %d: write 1000 if one packet in 1000 is counted", shown(text), uint32(math.MaxUint32))
	}
	return uint32(n), nil
}

// shown is as much of a text as an error quotes.
func shown(text string) string {
	const most = 80
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
