package collector

import (
	"testing"
	"time"
)

func TestCensus(t *testing.T) {
	t.Parallel()
	const now = 100 * time.Hour
	const min5 = 5 * time.Minute
	heard := func(ago time.Duration) sequence { return sequence{heard: now - ago} }
	tests := []struct {
		name    string
		streams []stream // of one exporter
		want    census
	}{
		{"heard now", []stream{{sequence: heard(0), packets: 1}}, census{heard: 1}},
		{"heard 5 minutes ago", []stream{{sequence: heard(min5), packets: 100}}, census{heard: 1}},
		{"silent for longer", []stream{{sequence: heard(min5 + 1), standing: regular}}, census{silent: 1}},
		{"silent after a burst", []stream{{sequence: heard(min5 + 1), standing: frequent, packets: 1 << 20}}, census{}},
		{"silent, allowed by name, after a burst", []stream{{sequence: heard(min5 + 1), standing: named, packets: 1 << 20}}, census{}},
		{"silent, and was regular on one of two ports", []stream{{sequence: heard(6 * min5), standing: regular}, {sequence: heard(2 * min5)}}, census{silent: 1}},
		{"silent for a day", []stream{{sequence: heard(24 * time.Hour), standing: regular}}, census{silent: 1}},
		{"silent for longer than a day", []stream{{sequence: heard(24*time.Hour + 1), standing: regular}}, census{}},
		{"moved to another port", []stream{{sequence: heard(6 * min5), standing: regular}, {sequence: heard(0), packets: 1}}, census{heard: 1}},
		{"lost now", []stream{{sequence: heard(0), lossy: true, lost: now}}, census{heard: 1, losing: 1}},
		{"lost 5 minutes ago", []stream{{sequence: heard(0), lossy: true, lost: now - min5}}, census{heard: 1, losing: 1}},
		{"lost before that", []stream{{sequence: heard(0), lossy: true, lost: now - min5 - 1}}, census{heard: 1}},
		{"clock is off", []stream{{sequence: heard(0), skewed: true}, {sequence: heard(0), skewed: true}}, census{heard: 1, skewed: 1}},
		{"clock was off, by a stream that is silent", []stream{{sequence: heard(2 * min5), skewed: true}, {sequence: heard(0)}}, census{heard: 1}},
		{"unsequenced", []stream{{sequence: sequence{heard: now, unsequenced: true}}, {sequence: heard(0)}}, census{heard: 1, unsequenced: 1}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			forwards, backwards := make(exporters), make(exporters)
			for i := range test.streams {
				forwards.add(&test.streams[i], now)
				backwards.add(&test.streams[len(test.streams)-1-i], now)
			}
			if got := forwards.count(now); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			if got := backwards.count(now); got != test.want {
				t.Errorf("in opposite order got %+v, want %+v", got, test.want)
			}
		})
	}
}

// A loss at the very start of the collector's life is no different.
func TestCensusAtTheStart(t *testing.T) {
	t.Parallel()
	all := make(exporters)
	all.add(&stream{}, time.Second)
	if got, want := all.count(time.Second), (census{heard: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// The clock of the intake decides what is skewed: a minute exactly is not.
func TestClockSkew(t *testing.T) {
	t.Parallel()
	// Whole seconds, so that the header expresses them exactly.
	now := time.Now().Truncate(time.Second)
	tests := []struct {
		name string
		off  time.Duration
		want int
	}{
		{"right", 0, 0},
		{"a minute behind", -time.Minute, 0},
		{"a minute ahead", time.Minute, 0},
		{"more behind", -time.Minute - time.Second, 1},
		{"more ahead", time.Minute + time.Second, 1},
		{"no clock", -time.Duration(now.UnixNano()), 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newTestCollector(t, 1, 1, nil)
			c.intakes[0][0].handle(from("192.0.2.1:1", v5(0, 1, now.Add(test.off))), now)
			if got := c.Snapshot().ExportersClockSkewed; got != test.want {
				t.Errorf("%d exporters are skewed, want %d", got, test.want)
			}
		})
	}
}
