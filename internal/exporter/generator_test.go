package exporter

import (
	"context"
	"maps"
	"math"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/netflow5"
)

func TestGeneratorNumbersFlows(t *testing.T) {
	t.Parallel()
	sent, stats := record(t, Config{Exporters: 3, Flows: 10_000, RecordsPerPacket: 7})

	next := map[netip.AddrPort]uint32{}
	for _, e := range stats.Exporters {
		next[e.Address] = e.FirstSequence
	}
	flows := 0
	for i, d := range sent {
		p := decode(t, d.payload)
		if p.FlowSequence != next[d.source] {
			t.Fatalf("datagram %d: sequence %d, want %d", i, p.FlowSequence, next[d.source])
		}
		next[d.source] += uint32(len(p.Records))
		flows += len(p.Records)
	}
	// 1,428 packets of 7, and one of the 4 that remain.
	if flows != 10_000 || len(sent) != 1429 || len(next) != 3 {
		t.Errorf("%d flows in %d datagrams of %d exporters, want 10000, 1429, 3", flows, len(sent), len(next))
	}
	if want := (Counts{Datagrams: 1429, Flows: 10_000}); stats.Counts != want {
		t.Errorf("counted %+v, want %+v", stats.Counts, want)
	}
	for _, e := range stats.Exporters {
		if e.NextSequence != next[e.Address] || e.Flows != uint64(e.NextSequence-e.FirstSequence) {
			t.Errorf("counted %+v, want next sequence %d", e, next[e.Address])
		}
	}
}

func TestGeneratorWithholdsPackets(t *testing.T) {
	t.Parallel()
	sent, stats := record(t, Config{Exporters: 2, Flows: 38_400, SequenceGaps: 0.1})
	// 1,280 packets, 640 of each exporter: 64 of these are withheld.
	want := Counts{Datagrams: 1152, Flows: 34_560, WithheldFlows: 3840}
	if stats.Counts != want {
		t.Errorf("counted %+v, want %+v", stats.Counts, want)
	}
	gaps := map[netip.AddrPort]uint32{}
	last := map[netip.AddrPort]uint32{}
	for _, e := range stats.Exporters {
		last[e.Address] = e.FirstSequence
	}
	for _, d := range sent {
		p := decode(t, d.payload)
		gap := p.FlowSequence - last[d.source]
		if gap != 0 && gap != 30 {
			t.Fatalf("a gap of %d flows, want none or those of one packet", gap)
		}
		gaps[d.source] += gap
		last[d.source] = p.FlowSequence + uint32(len(p.Records))
	}
	for _, e := range stats.Exporters {
		// The last packet may be a withheld one, which no datagram shows.
		if got := gaps[e.Address] + e.NextSequence - last[e.Address]; got != 1920 || e.WithheldFlows != 1920 {
			t.Errorf("%v: gaps of %d flows, counted %d, want 1920", e.Address, got, e.WithheldFlows)
		}
	}
}

func TestGeneratorDamagesDatagrams(t *testing.T) {
	t.Parallel()
	sent, stats := record(t, Config{Exporters: 2, Flows: 60_000, MalformedShare: 0.25, SequenceGaps: 0.1})
	var got Counts
	kinds := map[string]bool{}
	var p decoder.ExportPacket
	for _, d := range sent {
		got.Datagrams++
		err := netflow5.Decode(d.payload, &p)
		switch {
		case err != nil:
			kinds[err.Error()] = true
			got.Malformed++
		case p.Anomalies != 0:
			kinds[p.Anomalies.String()] = true
			got.Malformed++
			got.MalformedFlows += uint64(len(p.Records))
		default:
			got.Flows += uint64(len(p.Records))
		}
	}
	got.WithheldFlows = 60_000 - got.Flows - got.MalformedFlows
	if got != stats.Counts {
		t.Errorf("a decoder sees %+v, counted %+v", got, stats.Counts)
	}
	// 2,000 packets without the 200 withheld.
	if stats.Datagrams != 1800 || stats.Malformed != 450 {
		t.Errorf("%d datagrams, %d malformed, want 1800, 450", stats.Datagrams, stats.Malformed)
	}
	// Short, version, no records; and three kinds of anomalies.
	if len(kinds) != 6 {
		t.Errorf("kinds of damage: %v, want 6", kinds)
	}
}

func TestGeneratorIsDeterministic(t *testing.T) {
	t.Parallel()
	c := Config{Exporters: 3, Flows: 3000, Seed: 7, SequenceGaps: 0.1, MalformedShare: 0.2}
	payloads := func(c Config) (all [][]byte) {
		sent, _ := record(t, c)
		for _, d := range sent {
			all = append(all, d.payload)
		}
		return all
	}
	first := payloads(c)
	if !reflect.DeepEqual(first, payloads(c)) {
		t.Error("the same seed made other packets")
	}
	c.Seed++
	if second := payloads(c); slices.Equal(first[0], second[0]) {
		t.Error("another seed made the same packets")
	}
}

func TestGeneratorRecordsAreRealistic(t *testing.T) {
	t.Parallel()
	sent, _ := record(t, Config{Exporters: 5, Flows: 100_000, SamplingMode: 1, SamplingInterval: 1000})
	protocols := map[uint8]int{}
	sources := map[netip.Addr]int{}
	for _, d := range sent {
		p := decode(t, d.payload)
		if got := p.ExportTime().Time(); !got.Equal(noon) {
			t.Fatalf("export time is %v, want %v", got, noon)
		}
		if p.SamplingMode != 1 || p.SamplingInterval != 1000 {
			t.Fatalf("sampling %d/%d, want 1/1000", p.SamplingMode, p.SamplingInterval)
		}
		for i := range p.Records {
			checkRecord(t, &p.Records[i])
			protocols[p.Records[i].Protocol]++
			sources[p.Records[i].SourceAddress]++
		}
	}
	// The weights in services: 510 of 1000 for TCP, 445 for UDP, 25 for ICMP.
	for protocol, share := range map[uint8]float64{6: 0.51, 17: 0.445, 1: 0.025, 47: 0.01, 50: 0.01} {
		if got := float64(protocols[protocol]) / 100_000; math.Abs(got-share) > 0.03 {
			t.Errorf("protocol %d: a share of %.3f, want about %.3f", protocol, got, share)
		}
	}
	if most := slices.Max(slices.Collect(maps.Values(sources))); len(sources) < 300 || most < 2000 {
		t.Errorf("%d sources, the most popular in %d of 100,000 flows: want many, and some popular", len(sources), most)
	}
}

// checkRecord fails if a record could not come from a network.
func checkRecord(t *testing.T, r *decoder.Record) {
	t.Helper()
	end, start := noon.Sub(r.EndTime.Time()), noon.Sub(r.StartTime.Time())
	switch {
	case r.Anomalies != 0:
		t.Fatalf("anomalies %v: %+v", r.Anomalies, r)
	case end < 0 || end > 17*time.Second || start < end || start-end > time.Minute:
		t.Fatalf("flow from %v to %v before its export: %+v", start, end, r)
	case r.Octets < 28*r.Packets || r.Octets > 1500*r.Packets:
		t.Fatalf("%d octets in %d packets: %+v", r.Octets, r.Packets, r)
	case r.Protocol != 6 && r.TCPFlags != 0, r.Protocol == 6 && r.TCPFlags&0x1a == 0:
		t.Fatalf("TCP flags %#x: %+v", r.TCPFlags, r)
	case (r.Protocol == 6 || r.Protocol == 17) != (r.SourcePort != 0 && r.DestinationPort != 0):
		t.Fatalf("ports %d and %d: %+v", r.SourcePort, r.DestinationPort, r)
	case r.InputInterface == 0 || r.OutputInterface == 0 || r.InputInterface == r.OutputInterface:
		t.Fatalf("interfaces %d and %d: %+v", r.InputInterface, r.OutputInterface, r)
	case r.SourceAS < 64512 || r.DestinationAS < 64512 || r.SourcePrefixLength < 16 || r.DestinationPrefixLength < 16:
		t.Fatalf("routes: %+v", r)
	}
}

func TestGeneratorUptimeWraps(t *testing.T) {
	t.Parallel()
	begun, ticks := noon, 0
	clock := func() time.Time {
		ticks++
		return begun.Add(time.Duration(ticks) * 100 * time.Millisecond)
	}
	sent, _ := record(t, Config{Flows: 50 * 30 * maxBatch, UptimeWrap: true, Now: clock})
	first, last := decode(t, sent[0].payload), decode(t, sent[len(sent)-1].payload)
	if first.SystemUptime < math.MaxUint32-1000 || last.SystemUptime > 10_000 {
		t.Errorf("uptime goes from %d to %d, want it to wrap", first.SystemUptime, last.SystemUptime)
	}
	for _, d := range sent {
		p := decode(t, d.payload)
		for _, r := range p.Records {
			if age := p.ExportTime().Time().Sub(r.StartTime.Time()); r.Anomalies != 0 || age < 0 || age > 80*time.Second {
				t.Fatalf("a flow began %v before the export at uptime %d: %+v", age, p.SystemUptime, r)
			}
		}
	}
}

func TestGeneratorKeepsRate(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		rate float64 // flows a second
		most int     // datagrams at once
	}{
		{"a trickle", 300, 1},
		{"many", 250_000, 33}, // half a burst; the other half is for late ticks
		// 66,667 datagrams a second, in ticks of a millisecond.
		{"very many", 2_000_000, 133},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const seconds = 1
				begun := time.Now()
				g, err := New(Config{Exporters: 3, Rate: tt.rate, Flows: uint64(tt.rate * seconds)})
				if err != nil {
					t.Fatal(err)
				}
				sent := bursts{}
				g.out = sent
				if err := g.Run(t.Context()); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(begun); took < seconds*time.Second || took > seconds*time.Second+20*time.Millisecond {
					t.Errorf("%d flows took %v, want %d s", g.Stats().Flows, took, seconds)
				}
				if most := slices.Max(slices.Collect(maps.Values(sent))); most > tt.most {
					t.Errorf("%d datagrams at once, want at most %d", most, tt.most)
				}
			})
		})
	}
}

// bursts is a transmitter that counts how many datagrams it is given at a time.
type bursts map[time.Time]int

func (b bursts) transmit(_ context.Context, _ *socket, payloads [][]byte) (int, error) {
	b[time.Now()] += len(payloads)
	return len(payloads), nil
}

func TestPacerMakesUpForStall(t *testing.T) {
	t.Parallel()
	for _, rate := range []int{1000, 100_000} {
		synctest.Test(t, func(t *testing.T) {
			stall := time.Duration(0)
			pace := newPacer(float64(rate), maxBatch, func() time.Time { return time.Now().Add(stall) })
			defer pace.stop()
			pace.take(t.Context())
			stall = time.Hour
			begun, got := time.Now(), 0
			for time.Since(begun) < 3*time.Second {
				got += pace.take(t.Context())
			}
			// Three seconds' worth and the one second that is made up for.
			if math.Abs(float64(got-4*rate)) > 0.01*float64(rate) {
				t.Errorf("%d datagrams in 3 s after an hour's stall, want about %d", got, 4*rate)
			}
		})
	}
}

func TestGeneratorSendsFromOwnAddresses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		host   string
		first  netip.Addr
		source []string
	}{
		{"loopback", "127.0.0.1", netip.Addr{}, []string{"127.1.0.1", "127.1.0.2", "127.1.0.3"}},
		{"chosen", "127.0.0.1", netip.MustParseAddr("127.9.8.254"), []string{"127.9.8.254", "127.9.8.255", "127.9.9.0"}},
		{"IPv6", "::1", netip.Addr{}, []string{"::1", "::1", "::1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := listen(t, tt.host)
			g, err := New(Config{Target: c.LocalAddr().String(), Exporters: 3, FirstSource: tt.first, Flows: 120})
			if err != nil {
				t.Fatal(err)
			}
			if err := g.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			ports := map[netip.AddrPort]int{}
			for _, d := range receive(t, c, 4) {
				ports[d.source] += len(decode(t, d.payload).Records)
			}
			for i, e := range g.Stats().Exporters {
				if e.Address.Addr().String() != tt.source[i] || ports[e.Address] != int(e.Flows) || e.Flows == 0 {
					t.Errorf("exporter %d: %d flows came from %v, want %d from %s", i, ports[e.Address], e.Address, e.Flows, tt.source[i])
				}
			}
		})
	}
}

func TestGeneratorGoesOnWhenNobodyListens(t *testing.T) {
	t.Parallel()
	c := listen(t, "127.3.0.1") // no other test listens there
	target := c.LocalAddr().String()
	c.Close()
	g, err := New(Config{Target: target, Flows: 3000})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	stats := g.Stats()
	if stats.Flows != 3000 || stats.Datagrams != 100 || stats.Refused == 0 || !stats.Unheard {
		t.Errorf("counted %+v, want 3000 flows, 100 datagrams, some refused", stats.Counts)
	}
}

func TestGeneratorEndsWithContext(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{0, 100} {
		ctx, cancel := context.WithCancel(t.Context())
		g, err := New(Config{Rate: rate})
		if err != nil {
			t.Fatal(err)
		}
		g.out = transmitFunc(func() { cancel() })
		if err := g.Run(ctx); err != nil {
			t.Errorf("rate %v: %v", rate, err)
		}
		if err := g.Close(); err == nil {
			t.Errorf("rate %v: the sockets were left open", rate)
		}
	}
}

// transmitFunc is a transmitter that does something instead.
type transmitFunc func()

func (f transmitFunc) transmit(_ context.Context, _ *socket, payloads [][]byte) (int, error) {
	f()
	return len(payloads), nil
}

func TestNewRefusesMistakes(t *testing.T) {
	t.Parallel()
	address := netip.MustParseAddr
	tests := []struct {
		name   string
		config Config
		want   []string // parts of the error
	}{
		{"exporters", Config{Exporters: 16385}, []string{"exporter: Exporters is 16385: give a number from 1 to 16384"}},
		{"records", Config{RecordsPerPacket: 1365}, []string{"RecordsPerPacket is 1365: give a number from 1 to 1364"}},
		{"sampling", Config{SamplingMode: 4, SamplingInterval: 16384}, []string{"SamplingMode is 4", "SamplingInterval is 16384: give a number from 0 to 16383"}},
		{"rate", Config{Rate: -1}, []string{"Rate is -1: give"}},
		{"rate is no number", Config{Rate: math.NaN()}, []string{"Rate is NaN: give"}},
		{"gaps", Config{SequenceGaps: 1}, []string{"SequenceGaps is 1: give a share from 0 to below 1"}},
		{"malformed", Config{MalformedShare: 1.5}, []string{"MalformedShare is 1.5: give a share from 0 to 1"}},
		{"target", Config{Target: "localhost"}, []string{`Target is "localhost": give host:port`}},
		{"target's port", Config{Target: "127.0.0.1:http-or-so"}, []string{"looking up target 127.0.0.1:http-or-so"}},
		{"source elsewhere", Config{FirstSource: address("10.0.0.1")}, []string{"FirstSource is 10.0.0.1: give an address of 127.0.0.0/8 with 0 more"}},
		{"source at the end", Config{FirstSource: address("127.255.255.254"), Exporters: 2}, []string{"with 1 more after it"}},
		{"source for IPv6", Config{Target: "[::1]:2055", FirstSource: address("127.0.0.1")}, []string{"FirstSource is 127.0.0.1: leave it out"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := New(tt.config)
			if err == nil {
				t.Fatal("no error")
			}
			for _, part := range tt.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error is %q, want one with %q", err, part)
				}
			}
		})
	}
}
