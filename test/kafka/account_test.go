//go:build kafka

package kafka_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
	"github.com/flowpub/flowpub/publisher"
)

// terms are what flows may undergo in a row of the failure matrix. Without any,
// each is delivered once, in its exporter's order, in one partition.
type terms struct {
	homes      int  // in how many partitions an exporter's flows may be, if not in one
	overflow   bool // what there is no room for is dropped
	duplicates bool // flows are there twice, and counted as such
	unnoticed  bool // flows are there twice, and nobody can know
}

// account closes p and holds what it counted against what exporters have sent and
// the topic has, flow by flow: of N flows sent, N less the dropped are there, once,
// in order, and those dropped are not. It prints the counts.
func (c *cluster) account(t *testing.T, p *publisher.Publisher, name string, tr traffic, allowed terms) publisher.Stats {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	if err := p.Close(ctx); err != nil {
		t.Error(err)
	}
	s, got := p.Stats(), c.tally(t, name, tr, max(1, allowed.homes))
	checkCounts(t, s, tr, allowed.overflow)
	got.check(t, s, allowed)
	report(t, tr.flows(), s, got)
	return s
}

// checkCounts fails the test unless p counts what the exporters know.
func checkCounts(t *testing.T, s publisher.Stats, tr traffic, overflow bool) {
	t.Helper()
	checkLedger(t, s)
	refused := tr.refused()
	if s.Decoded != tr.flows() || s.Delivered != tr.flows()-refused || s.Dropped[publisher.DropBufferFull] != refused {
		t.Errorf("decoded %d, delivered %d, dropped %v; %d were sent, and %d of them refused",
			s.Decoded, s.Delivered, s.Dropped, tr.flows(), refused)
	}
	if overflow != (refused > 0) {
		t.Errorf("there was no room for %d flows; is that to happen: %v", refused, overflow)
	}
	if s.BufferBytes != 0 {
		t.Errorf("%d bytes of the budget are still charged", s.BufferBytes)
	}
}

// tally is what a topic holds of exporters' flows, told apart by identity.
type tally struct {
	exporters  map[string]*holding // by key
	different  uint64              // flows
	duplicates uint64              // of them, that are there twice or more
	copies     uint64              // messages besides the first of each
}

// holding is what a topic holds of an exporter's flows.
type holding struct {
	exporter *exporter
	times    []int          // by the flow's number, how often it is there
	homes    map[int32]span // by partition, what is in it: the first, and after the last
}

// tally reads a topic from its start. It fails the test when a flow is not as it
// was sent or not in its exporter's order. What is in a second partition comes
// after what is in the first.
func (c *cluster) tally(t *testing.T, name string, tr traffic, homes int) *tally {
	t.Helper()
	got := newTally(tr)
	c.each(t, name, c.ends(t, name), func(r *kgo.Record) {
		if wrong := got.add(r); wrong != "" {
			t.Fatalf("partition %d, offset %d: %s: %s", r.Partition, r.Offset, r.Key, wrong)
		}
	})
	for key, h := range got.exporters {
		spans := slices.SortedFunc(maps.Values(h.homes), func(a, b span) int { return cmp.Compare(a.first, b.first) })
		for i := 1; i < len(spans); i++ {
			if spans[i].first < spans[i-1].end {
				t.Errorf("%s: flow %d is in another partition than flow %d, which comes after it", key, spans[i].first, spans[i-1].end-1)
			}
		}
		if len(spans) > homes {
			t.Errorf("%s: its flows are in %d partitions, want at most %d", key, len(spans), homes)
		}
	}
	return got
}

func newTally(tr traffic) *tally {
	got := &tally{exporters: make(map[string]*holding)}
	for _, e := range tr {
		got.exporters[e.from.Addr().String()] = &holding{exporter: e, times: make([]int, e.sent), homes: make(map[int32]span)}
	}
	return got
}

// add takes a message, and tells what is wrong with it; empty if nothing is. The
// order is that of the first copies.
func (got *tally) add(r *kgo.Record) string {
	h := got.exporters[string(r.Key)]
	if string(r.Key) == forged {
		return ""
	}
	if h == nil {
		return "such an exporter has sent nothing"
	}
	var m flowv1.FlowRecord
	if err := proto.Unmarshal(r.Value, &m); err != nil {
		return err.Error()
	}
	n := m.GetFlowSequence() + m.GetRecordIndex()
	if int(n) >= len(h.times) {
		return fmt.Sprintf("flow %d was not sent", n)
	}
	if wrong := h.exporter.differs(n, &m); wrong != "" {
		return fmt.Sprintf("flow %d: %s", n, wrong)
	}
	switch h.times[n]++; h.times[n] {
	case 1:
		got.different++
	case 2:
		got.duplicates++
		fallthrough
	default:
		got.copies++
		return ""
	}
	home, known := h.homes[r.Partition]
	if !known {
		home.first = n
	}
	if n < home.end {
		return fmt.Sprintf("flow %d comes after %d", n, home.end-1)
	}
	h.homes[r.Partition] = span{home.first, n + 1}
	return ""
}

// check fails the test unless the topic has what was delivered, of what was dropped
// nothing, and no duplicates but those that are counted, or cannot be.
func (got *tally) check(t *testing.T, s publisher.Stats, allowed terms) {
	t.Helper()
	if got.different != s.Delivered {
		t.Errorf("the topic has %d different flows, %d were delivered", got.different, s.Delivered)
	}
	for key, h := range got.exporters {
		for _, refused := range h.exporter.refused {
			if slices.Max(h.times[refused.first:refused.end]) > 0 {
				t.Errorf("%s: of flows %d to %d, which were dropped, some are in the topic", key, refused.first, refused.end-1)
			}
		}
	}
	if got.duplicates > s.PossiblyDuplicated && !allowed.unnoticed {
		t.Errorf("%d flows are there twice, %d are called so", got.duplicates, s.PossiblyDuplicated)
	}
	if (allowed.duplicates || allowed.unnoticed) != (got.duplicates > 0) || allowed.duplicates != (s.PossiblyDuplicated > 0) {
		t.Errorf("%d flows are there twice, %d are called so; allowed are %+v", got.duplicates, s.PossiblyDuplicated, allowed)
	}
}

// report prints a row's counts, also to the file that KAFKA_COUNTS names.
func report(t *testing.T, sent uint64, s publisher.Stats, got *tally) {
	t.Helper()
	dropped := "0"
	for reason, n := range s.Dropped {
		if n > 0 {
			dropped = strings.TrimPrefix(dropped+fmt.Sprintf(", %v %d", reason, n), "0, ")
		}
	}
	line := fmt.Sprintf("%-46s sent %8d  delivered %8d  dropped %s  in the topic %8d  of them twice or more %d, %d copies (counted %d)\n",
		t.Name(), sent, s.Delivered, dropped, got.different, got.duplicates, got.copies, s.PossiblyDuplicated)
	t.Log(line)
	name := os.Getenv("KAFKA_COUNTS")
	if name == "" {
		return
	}
	file, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString(line); err != nil {
		t.Error(err)
	}
}
