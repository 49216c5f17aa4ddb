package filter

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/flowpub/flowpub/internal/tail/flow"
	"github.com/flowpub/flowpub/internal/tail/names"
)

// interval is the numbers from one to another.
type interval struct{ from, to float64 }

// intervals wants numbers in one of them.
type intervals []interval

func (all intervals) have(n float64) bool {
	for _, i := range all {
		if n >= i.from && n <= i.to {
			return true
		}
	}
	return false
}

// number reads a comparison of one of the fields.
func (p *parser) number(fields []flow.Field, what string) (test, error) {
	wanted, err := p.intervals(what, parseNumber)
	return anyIn(fields, wanted), err
}

func anyIn(fields []flow.Field, wanted intervals) test {
	return func(f *flow.Flow) bool {
		for _, field := range fields {
			if wanted.have(float64(f.Number(field))) {
				return true
			}
		}
		return false
	}
}

// ports reads transport ports, by number or service.
func (p *parser) ports(fields []flow.Field) (test, error) {
	wanted, err := p.intervals("a port from 0 to 65535 or a service such as https", parsePort)
	return anyIn(fields, wanted), err
}

// sampling reads the interval by which sums are scaled.
func (p *parser) sampling() (test, error) {
	wanted, err := p.intervals(aNumber, parseNumber)
	return func(f *flow.Flow) bool { return wanted.have(float64(f.Sampling())) }, err
}

func (p *parser) icmp(part func(kind, code uint8) uint8) (test, error) {
	wanted, err := p.intervals("a number from 0 to 255", parseNumber)
	return func(f *flow.Flow) bool {
		kind, code, ok := f.ICMP()
		return ok && wanted.have(float64(part(kind, code)))
	}, err
}

func (p *parser) duration() (test, error) {
	wanted, err := p.intervals("a time such as 1.5s or 200ms", func(text string) (float64, bool) {
		d, err := time.ParseDuration(text)
		return d.Seconds(), err == nil
	})
	return func(f *flow.Flow) bool {
		seconds, ok := f.Duration()
		return ok && wanted.have(seconds)
	}, err
}

// rate reads a comparison of how much of a field came in a second.
func (p *parser) rate(field flow.Field, times float64) (test, error) {
	wanted, err := p.intervals("a number, such as 1000 or 10M", parseNumber)
	return func(f *flow.Flow) bool {
		seconds, ok := f.Duration()
		return ok && seconds > 0 && wanted.have(float64(f.Number(field))*times/seconds)
	}, err
}

// intervals reads a value, a range, a comparison or a list of these.
func (p *parser) intervals(what string, parse func(string) (float64, bool)) (intervals, error) {
	value := func(w word, text string) (float64, error) {
		n, ok := parse(text)
		if !ok || w.kind != plainWord {
			return 0, p.mistake(w, "%s does not fit: %s", w, describe(what))
		}
		return n, nil
	}
	if sign := p.word(); p.accept(">", ">=", "<", "<=", "!=") {
		w := p.take()
		n, err := value(w, w.text)
		return compared(sign.text, n), err
	}
	var all intervals
	err := p.list(func(w word) error {
		lower, upper, isRange := strings.Cut(w.text, "-")
		if _, whole := parse(w.text); whole { // a service with a hyphen
			lower, isRange = w.text, false
		}
		from, err := value(w, lower)
		to := from
		if err == nil && isRange {
			to, err = value(w, upper)
		}
		if err == nil && from > to {
			return p.mistake(w, "%s goes down: write the lower end first", w)
		}
		all = append(all, interval{from, to})
		return err
	})
	return all, err
}

// compared returns what a comparison with n wants.
func compared(sign string, n float64) intervals {
	below, above := math.Nextafter(n, math.Inf(-1)), math.Nextafter(n, math.Inf(1))
	least, most := math.Inf(-1), math.Inf(1)
	switch sign {
	case ">":
		return intervals{{above, most}}
	case ">=":
		return intervals{{n, most}}
	case "<":
		return intervals{{least, below}}
	case "<=":
		return intervals{{least, n}}
	default: // !=
		return intervals{{least, below}, {above, most}}
	}
}

// parseNumber reads a number that may end with k, M, G or T.
func parseNumber(text string) (float64, bool) {
	factor := 1.0
	if n := len(text); n > 0 {
		if i := strings.IndexByte("kmgt", text[n-1]|0x20); i >= 0 {
			factor, text = math.Pow(1000, float64(i+1)), text[:n-1]
		}
	}
	n, err := strconv.ParseFloat(text, 64)
	return n * factor, err == nil && n >= 0 && !math.IsInf(n, 0)
}

func parsePort(text string) (float64, bool) {
	if n, err := strconv.ParseUint(text, 10, 16); err == nil {
		return float64(n), true
	}
	if isNumber(text) || text == "" {
		return 0, false
	}
	n, ok := names.ServicePort(text)
	return float64(n), ok
}

// flags reads TCP flags, all of which have to be set; behind = no others may be.
func (p *parser) flags() (test, error) {
	exact := p.accept("=", "==")
	w := p.take()
	wanted, ok := names.TCPFlags(w.text)
	if !ok || w.kind == endOfText || w.kind == symbol {
		return nil, p.mistake(w, "%s are no flags: write letters of CEUAPRSF, such as SA for SYN and ACK", w)
	}
	if exact {
		return func(f *flow.Flow) bool { return f.Number(flow.TCPFlags)&0xff == uint64(wanted) }, nil
	}
	return func(f *flow.Flow) bool { return f.Number(flow.TCPFlags)&uint64(wanted) == uint64(wanted) }, nil
}
