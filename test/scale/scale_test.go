package main

import (
	"bytes"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// The page has the tables that the simulation makes.
func TestPage(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../../" + page)
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range makeTables(options{}) {
		from, to, err := place(string(content), &table)
		if err != nil {
			t.Error(err)
		} else if got, want := string(content[from:to]), table.markdown(); got != want {
			t.Errorf("%s, table %q: go run ./test/scale -write makes another of it\nis\n%snot\n%s", page, table.name, got, want)
		}
	}
}

// What is random follows from the seed alone.
func TestSeed(t *testing.T) {
	t.Parallel()
	table := func(seed uint64) string {
		made := rolloutTable(options{seed: seed, more: 1})
		return made.markdown()
	}
	first := table(1)
	if again := table(1); again != first {
		t.Error("the same seed makes two tables")
	}
	if table(2) == first {
		t.Error("two seeds make the same table")
	}
}

func TestRewrite(t *testing.T) {
	t.Parallel()
	before := "a\n<!-- table: x -->\n| old |\n|---|\n\nb\n<!-- table: y -->\n| old |\n\n"
	x := table{name: "x", head: []string{"n", "m"}, rows: [][]string{{"1", "2"}}}
	got, err := rewritten(before, []table{x})
	if want := "a\n<!-- table: x -->\n| n | m |\n|---|---|\n| 1 | 2 |\n\nb\n<!-- table: y -->\n| old |\n\n"; err != nil || got != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	if _, err := rewritten(before, []table{{name: "z"}}); err == nil || !strings.Contains(err.Error(), `no line "<!-- table: z -->"`) {
		t.Errorf("a table that the page does not have: %v", err)
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		want int
	}{{[]string{"-h"}, exitDone}, {[]string{"-more", "0"}, exitUsage}, {[]string{"x"}, exitUsage}, {[]string{"-seed", "x"}, exitUsage}} {
		var out, messages bytes.Buffer
		if got := run(tt.args, &out, &messages); got != tt.want || messages.Len() == 0 || out.Len() > 0 {
			t.Errorf("%v: status %d, want %d; says %q", tt.args, got, tt.want, messages.String())
		}
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		count(0): "0", count(999): "999", count(1000): "1,000", count(1234567): "1,234,567",
		short(0.123): "0.12", short(0.95): "0.9", short(9.94): "9.9", short(9.96): "10", short(1234): "1,234",
		megabytes(24_800): "25 kB", megabytes(2_480_000): "2.5 MB", megabytes(124e9): "124 GB",
		duration(0.0583): "58 ms", duration(2.88): "2.9 s", duration(119): "119 s", duration(600): "10 minutes",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// What the exporters share sums up, and falls as 1, 1/2, 1/3.
func TestShares(t *testing.T) {
	t.Parallel()
	got := shares(3, rates[1].share) // 6/11, 3/11, 2/11
	for i, want := range []float64{6.0 / 11, 3.0 / 11, 2.0 / 11} {
		if math.Abs(got[i]-want) > 1e-12 {
			t.Errorf("shares are %v", got)
		}
	}
}

// An exporter of 10 datagrams a second repeats its templates every 60 s, next at 40. It comes
// to a pod at 10, to another at 30, and to a third at 50. On the first it loses 20 s, since it
// has left when the template comes; on the second 10 s wait, and are decoded; on the third,
// of the 50 s until 100, 25.6 s are: 256 sets.
func TestMeet(t *testing.T) {
	t.Parallel()
	o := meet([]stay{{10, 30}, {30, 50}, {50, math.Inf(1)}}, 40, 60, 10)
	if want := (outcome{moves: 3, marked: 20 + 10 + 50, blind: 20 + 0 + 50 - 25.6}); o != want {
		t.Errorf("got %+v, want %+v", o, want)
	}
	slow := meet([]stay{{0, math.Inf(1)}}, 1000, 1800, 1) // 60 s wait, at most
	if want := (outcome{moves: 1, marked: 1000, blind: 940}); slow != want {
		t.Errorf("got %+v, want %+v", slow, want)
	}
}

// Of three pods, exporters on the third move once; on the second once, and with 1/3 to the
// third; on the first once, and with 1/3 each to one of those: 1, 4/3 and 16/9, 37/27 on
// average. With all pods replaced together, each moves once.
func TestMoves(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	const exporters = 50_000
	for surge, want := range map[int]float64{1: 37.0 / 27, 3: 1} {
		var sum outcome
		for range exporters {
			sum = sum.plus(rollOut(random, 3, surge, refreshes[0]))
		}
		if got := sum.over(exporters).moves; math.Abs(got-want) > 0.01 {
			t.Errorf("%d at a time: %.3f moves, want %.3f", surge, got, want)
		}
	}
}

// A record by hand: length 2, attributes 1, timestamp delta 1, offset delta 2, key length 1,
// key 25, value length 2, value 26 + 2 + 23 x 4, header count 1.
func TestTopicRecord(t *testing.T) {
	t.Parallel()
	if got, want := topicRecord(), 2+1+1+2+1+25+2+(26+2+92)+1; got != want {
		t.Errorf("a record has %d bytes, want %d", got, want)
	}
}

// A partition of 10 datagrams a second opens a batch 0.1 s after the last has gone, on average,
// which goes 0.1 s later, with the datagram that opened it and another.
func TestOnePartition(t *testing.T) {
	t.Parallel()
	p := newProducer(rand.New(rand.NewPCG(1, 2)), 1, 1, 1, usualLinger)
	p.run(4000)
	if got := p.perSecond(); math.Abs(got-5) > 0.1 || p.batches != p.requests {
		t.Errorf("%.2f requests/s with %d batches in %d, want 5 with one each", got, p.batches, p.requests)
	}
	if got := p.flows / 4000; math.Abs(got-flowsEach) > 5 {
		t.Errorf("%.1f flows/s, want %.0f", got, flowsEach)
	}
}

// A partition that fills batches sends them one after the other, without lingering.
func TestFullBatches(t *testing.T) {
	t.Parallel()
	p := newProducer(rand.New(rand.NewPCG(1, 2)), 1000, 1, 1, usualLinger) // 300,000 flows/s
	p.run(10)
	if want := 300_000.0 / batchFlows; math.Abs(p.perSecond()-want) > want/20 {
		t.Errorf("%.0f requests/s, want %.0f", p.perSecond(), want)
	}
}
