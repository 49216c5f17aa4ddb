package collector

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/flowpub/flowpub/internal/telemetry"
	"github.com/flowpub/flowpub/internal/testwait"
)

// countersOf returns all counters of a collector, by name and labels.
func countersOf(t *testing.T, c *Collector) map[string]float64 {
	t.Helper()
	families, err := telemetry.NewRegistry(c.Snapshot).Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]float64)
	for _, f := range families {
		if f.GetType().String() != "COUNTER" {
			continue
		}
		for _, m := range f.GetMetric() {
			all[fmt.Sprint(f.GetName(), m.GetLabel())] = m.GetCounter().GetValue()
		}
	}
	return all
}

// randomSet returns a set of either format, and whether it is a data set: templates that are right, that have a
// variable length, that sample, that are cut, or none; and data that fit one of them or nothing.
func randomSet(r *rand.Rand, format int) (b []byte, data bool) {
	id := uint16(256 + r.IntN(3))
	templates, options := uint16(0), []byte{byte(id >> 8), byte(id), 0, 4, 0, 4, 0, 1, 0, 4, 0, 34, 0, 4}
	if format == 10 {
		templates, options = 2, []byte{byte(id >> 8), byte(id), 0, 2, 0, 1, 0, 149, 0, 4, 0, 34, 0, 4}
	}
	switch r.IntN(12) {
	case 0:
		return set(templates, wide(id)...), false
	case 1:
		return set(templates, namedOctets(id)...), false
	case 2:
		return set(templates+1, options...), false
	case 3:
		return set(templates, append(wide(id), namedOctets(id)[:4+r.IntN(8)]...)...), false
	case 4:
		return set(templates, binary.BigEndian.AppendUint32(nil, uint32(id)<<16)...), false // a withdrawal, or a template without fields
	case 5:
		return set(templates, byte(id>>8), byte(id), 0, 1, 0, 1, 0, 0), false // a field without length
	}
	body := make([]byte, r.IntN(40))
	for i := range body {
		body[i] = byte(r.IntN(4))
	}
	return set(id, body...), true
}

// Whatever comes, in whatever order, at two sockets, from exporters that restart: the ledger adds up behind each
// datagram, each data set of those that were decoded is in it, no counter falls, and in the end nothing waits.
func TestLedgerOfRandomDatagrams(t *testing.T) {
	t.Parallel()
	for seed := range testwait.Fewer[uint64](4, 20) {
		r := rand.New(rand.NewPCG(seed, 1))
		c := newTestCollector(t, 1, 2, nil)
		now, sent := c.started, uint64(0)
		before := countersOf(t, c.Collector)
		for range 150 {
			now = now.Add(time.Duration(r.IntN(8)) * time.Second)
			var sets [][]byte
			data := uint64(0)
			format := 9 + r.IntN(2)
			for range 1 + r.IntN(4) {
				b, isData := randomSet(r, format)
				sets = append(sets, b)
				data += uint64(one(isData))
			}
			payload := ipfixMessage(r.Uint32N(9), r.Uint32N(2), now, sets...)
			if format == 9 {
				payload = v9(r.Uint32N(9), r.Uint32N(2), now, sets...)
				binary.BigEndian.PutUint32(payload[4:], uint32(1000*(1+r.IntN(2)*100)))
			}
			rejected := c.Snapshot().DatagramsRejected["no_records"]
			source := fmt.Sprintf("192.0.2.%d:%d", 1+r.IntN(2), 1+r.IntN(2))
			c.intakes[0][r.IntN(2)].handle(from(source, payload), now)
			if r.IntN(10) == 0 {
				c.expireTemplates(now.Sub(c.started))
			}
			s := c.Snapshot()
			if s.DatagramsRejected["no_records"] == rejected {
				sent += data
			}
			if datagrams, unbalanced, flows := s.Imbalance(); datagrams != 0 || unbalanced != 0 || flows != 0 || s.DataSetsReceived != sent {
				t.Fatalf("seed %d: behind %x the ledger is off by %d datagrams, %d data sets, %d flows; %d data sets are received, want %d",
					seed, slices.Concat(sets...), datagrams, unbalanced, flows, s.DataSetsReceived, sent)
			}
			after := countersOf(t, c.Collector)
			for name, n := range before {
				if after[name] < n {
					t.Fatalf("seed %d: behind %x %s fell from %v to %v", seed, slices.Concat(sets...), name, n, after[name])
				}
			}
			before = after
		}
		c.giveUpWaiting()
		if s := c.Snapshot(); s.DataSetsWaiting != 0 || s.DataSetsDecoded == 0 || s.DataSetsDropped["malformed"] == 0 || s.DataSetsDropped["no_template"] == 0 {
			t.Errorf("seed %d: at the end %v", seed, setsOf(s))
		}
	}
}
