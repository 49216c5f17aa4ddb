package top

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/flowpub/flowpub/internal/tail/flow"
)

// Config says what is added up.
type Config struct {
	// Keys are what flows of a sum have in common.
	Keys Keys
	// By is what the sums are ordered by.
	By Counter
	// Rows is how many of them are wanted, the largest first; 0 means all.
	Rows int
	// Scaled multiplies packets and octets by the sampling interval.
	Scaled bool
	// MaxSums bounds how many are kept; 0 means DefaultMaxSums.
	MaxSums int
}

// DefaultMaxSums is what some 200 MB have room for.
const DefaultMaxSums = 1_000_000

// Counter is what is counted of flows.
type Counter uint8

// The counters.
const (
	Octets Counter = iota
	Packets
	Flows
)

// counterNames is indexed by Counter.
var counterNames = [...]string{"octets", "packets", "flows"}

// String returns the counter's name.
func (c Counter) String() string { return counterNames[c] }

// MarshalText is String.
func (c Counter) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText accepts what String returns, and bytes.
func (c *Counter) UnmarshalText(text []byte) error {
	name := strings.ToLower(string(text))
	if name == "bytes" {
		name = "octets"
	}
	i := slices.Index(counterNames[:], name)
	if i < 0 {
		return fmt.Errorf("tail: counter %q is not known: use octets, packets or flows", text)
	}
	*c = Counter(i)
	return nil
}

// Sum is what flows with the same keys add up to.
type Sum struct{ Flows, Packets, Octets uint64 }

// of returns one of the counters.
func (s *Sum) of(c Counter) uint64 {
	switch c {
	case Packets:
		return s.Packets
	case Flows:
		return s.Flows
	default:
		return s.Octets
	}
}

func (s *Sum) add(packets, octets uint64) {
	s.Flows++
	s.Packets += packets
	s.Octets += octets
}

// Table adds flows up. It belongs to one goroutine.
type Table struct {
	cfg  Config
	key  []byte
	sums map[string]*Sum
	// Total is the sum of all flows, each once.
	Total Sum
	// Others is the sum of flows whose keys came when the table was full.
	Others Sum
}

// New returns an empty table.
func New(cfg Config) *Table {
	if cfg.MaxSums == 0 {
		cfg.MaxSums = DefaultMaxSums
	}
	t := &Table{cfg: cfg}
	t.Reset()
	return t
}

// Reset empties the table.
func (t *Table) Reset() {
	t.sums = make(map[string]*Sum)
	t.Total, t.Others = Sum{}, Sum{}
}

// Add adds a flow. If a key is about either end, the flow counts for both of its
// ends, unless they are equal.
func (t *Table) Add(f *flow.Flow) {
	packets, octets := f.Number(flow.Packets), f.Number(flow.Octets)
	if t.cfg.Scaled {
		scale := f.Scale()
		packets, octets = packets*scale, octets*scale
	}
	t.Total.add(packets, octets)
	t.key = t.cfg.Keys.append(t.key[:0], f, false)
	t.addTo(t.key, packets, octets)
	if !t.cfg.Keys.either() {
		return
	}
	n := len(t.key)
	t.key = t.cfg.Keys.append(t.key, f, true)
	if first, second := t.key[:n], t.key[n:]; !bytes.Equal(first, second) {
		t.addTo(second, packets, octets)
	}
}

func (t *Table) addTo(key []byte, packets, octets uint64) {
	sum := t.sums[string(key)]
	if sum == nil {
		if len(t.sums) >= t.cfg.MaxSums {
			t.Others.add(packets, octets)
			return
		}
		sum = new(Sum)
		t.sums[string(key)] = sum
	}
	sum.add(packets, octets)
}

// Len is how many sums there are.
func (t *Table) Len() int { return len(t.sums) }

// Row is a sum, and the values of its keys.
type Row struct {
	Keys []string
	Sum
}

// Rows returns the largest sums, in their order; those that are equal in that of their keys.
func (t *Table) Rows() []Row {
	type entry struct {
		key string
		sum *Sum
	}
	all := make([]entry, 0, len(t.sums))
	for key, sum := range t.sums {
		all = append(all, entry{key, sum})
	}
	slices.SortFunc(all, func(a, b entry) int {
		return cmp.Or(cmp.Compare(b.sum.of(t.cfg.By), a.sum.of(t.cfg.By)), strings.Compare(a.key, b.key))
	})
	if t.cfg.Rows > 0 && len(all) > t.cfg.Rows {
		all = all[:t.cfg.Rows]
	}
	rows := make([]Row, len(all))
	for i, e := range all {
		rows[i] = Row{t.cfg.Keys.texts(e.key), *e.sum}
	}
	return rows
}
