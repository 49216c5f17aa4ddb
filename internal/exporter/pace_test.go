package exporter

import (
	"context"
	"errors"
	"math"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// A rate that rises from 100 to 300 a second within 10 s has an area of 2,000, and 300 a second
// from then on.
func TestRamp(t *testing.T) {
	t.Parallel()
	r := ramp{from: 100, to: 300, over: 10 * time.Second}
	for since, want := range map[time.Duration]float64{0: 0, 5 * time.Second: 750, 10 * time.Second: 2000, 11 * time.Second: 2300} {
		if got := r.sum(since); math.Abs(got-want) > 1e-6 {
			t.Errorf("%v are due after %v, want %v", got, since, want)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(300, 64, time.Now)
		defer p.stop()
		p.ramp = r
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		sent := 0
		for n := p.take(ctx); n > 0; n = p.take(ctx) {
			sent += n
		}
		if sent < 1990 || sent > 2000 {
			t.Errorf("%d were sent, want 2,000", sent)
		}
	})
}

// The first exporter sends its share, and the others the rest in turn.
func TestElephant(t *testing.T) {
	t.Parallel()
	g := quietGenerator(t, Config{Exporters: 5, Elephant: 0.6, Flows: 30 * 1000})
	for i, s := range g.Stats().Exporters {
		want := uint64(600)
		if i > 0 {
			want = 100
		}
		if s.Datagrams < want-64 || s.Datagrams > want+64 {
			t.Errorf("exporter %d sent %d datagrams, want %d", i, s.Datagrams, want)
		}
	}
}

// Of neighbours one is silent while the other sends.
func TestFlap(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	g, err := New(Config{Exporters: 4, Flap: time.Second, Target: "127.0.0.1:9", Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	g.began = now
	for phase := range 3 {
		seen := make(map[*source]bool)
		for range 8 {
			seen[g.turn()] = true
		}
		for i, s := range g.sources {
			if want := (i+phase)%2 == 0; seen[s] != want {
				t.Errorf("phase %d: exporter %d sends: %v, want %v", phase, i, seen[s], want)
			}
		}
		now = now.Add(time.Second)
	}
}

// A target that refuses everything is given up.
func TestUnheard(t *testing.T) {
	t.Parallel()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	target := conn.LocalAddr().String()
	conn.Close()
	now := time.Unix(1_700_000_000, 0)
	clock := func() time.Time {
		now = now.Add(100 * time.Millisecond)
		return now
	}
	g, err := New(Config{Target: target, Rate: 0, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := g.Run(ctx); !errors.Is(err, ErrUnheard) {
		t.Errorf("error is %v, want %v; the context ended with %v", err, ErrUnheard, ctx.Err())
	}
}

// quietGenerator runs a generator to its end, to a target that listens.
func quietGenerator(t *testing.T, c Config) *Generator {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c.Target = conn.LocalAddr().String()
	g, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return g
}
