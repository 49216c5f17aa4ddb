package publisher

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
)

// parseRoutes returns routes in the notation of the configuration, and a topic
// for each name, "flows" first.
func parseRoutes(list ...string) ([]Route, []*topic) {
	c := Config{Topic: testTopic}
	for _, entry := range list {
		network, name, _ := strings.Cut(entry, "=")
		c.Routes = append(c.Routes, Route{netip.MustParsePrefix(network), name})
	}
	var topics []*topic
	for _, name := range c.topics() {
		topics = append(topics, &topic{target: target{name: name}})
	}
	return c.Routes, topics
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	nested := []string{
		"10.0.0.0/8=a", "10.1.0.0/16=b", "10.1.2.0/24=c", "10.1.2.3/32=d", "10.255.255.255/32=e",
		"255.255.255.255/32=f", "2001:db8::/32=g", "2001:db8:1::/48=a", "fe80::/10=h",
	}
	tests := []struct {
		routes   []string
		exporter string
		want     string
	}{
		{nil, "10.1.2.3", "flows"},
		{[]string{"0.0.0.0/0=v4"}, "10.1.2.3", "v4"},
		{[]string{"0.0.0.0/0=v4"}, "::a01:203", "flows"},
		{[]string{"::/0=v6"}, "10.1.2.3", "flows"},
		{[]string{"::/0=v6"}, "::ffff:10.1.2.3", "flows"},
		{[]string{"::/0=v6"}, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "v6"},
		{nested, "9.255.255.255", "flows"},
		{nested, "10.0.0.0", "a"},
		{nested, "10.1.0.0", "b"},
		{nested, "10.1.1.255", "b"},
		{nested, "10.1.2.2", "c"},
		{nested, "10.1.2.3", "d"},
		{nested, "::ffff:10.1.2.3", "d"},
		{nested, "10.1.2.4", "c"},
		{nested, "10.1.3.0", "b"},
		{nested, "10.2.0.0", "a"},
		{nested, "10.255.255.255", "e"},
		{nested, "11.0.0.0", "flows"},
		{nested, "255.255.255.254", "flows"},
		{nested, "255.255.255.255", "f"},
		{nested, "::", "flows"},
		{nested, "2001:db8::1", "g"},
		{nested, "2001:db8:1::1", "a"},
		{nested, "2001:db8:2::", "g"},
		{nested, "2001:db9::", "flows"},
		{nested, "fe80::1%eth0", "h"},
	}
	for _, tt := range tests {
		list, topics := parseRoutes(tt.routes...)
		if got := newRoutes(list, topics).of(netip.MustParseAddr(tt.exporter)); got.name != tt.want {
			t.Errorf("%s of %v goes to %s, want %s", tt.exporter, tt.routes, got.name, tt.want)
		}
	}
}

// randomNetwork returns a network of 10.0.0.0/8, where they meet often.
func randomNetwork(random *rand.Rand) netip.Prefix {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], 10<<24|random.Uint32()>>8)
	return netip.PrefixFrom(netip.AddrFrom4(b), 8+random.IntN(25)).Masked()
}

// Whatever networks there are, the topic is that of the longest one that holds
// the address, found by looking at all of them.
func TestLongestNetworkWins(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		seen := make(map[netip.Prefix]bool)
		var entries []string
		for i := range 100 {
			if n := randomNetwork(random); !seen[n] {
				seen[n] = true
				entries = append(entries, fmt.Sprintf("%v=t%d", n, i))
			}
		}
		list, topics := parseRoutes(entries...)
		r := newRoutes(list, topics)
		for range 500 {
			exporter := randomNetwork(random).Addr()
			want, bits := testTopic, -1
			for _, route := range list {
				if route.Network.Contains(exporter) && route.Network.Bits() > bits {
					want, bits = route.Topic, route.Network.Bits()
				}
			}
			if got := r.of(exporter).name; got != want {
				t.Fatalf("%v goes to %s, want %s; routes %v", exporter, got, want, entries)
			}
		}
	}
}

// manyRoutes returns the largest number of routes there may be.
func manyRoutes() *networks[*topic] {
	var entries []string
	for i := range MaxRoutes {
		entries = append(entries, fmt.Sprintf("10.%d.%d.0/24=t%d", i/256, i%256, i%(MaxTopics-1)))
	}
	return newRoutes(parseRoutes(entries...))
}

func TestRoutingAllocatesNothing(t *testing.T) {
	r := manyRoutes()
	exporter := netip.MustParseAddr("::ffff:10.3.77.1")
	if n := testing.AllocsPerRun(100, func() { r.of(exporter) }); n != 0 {
		t.Errorf("%v allocations a look-up, want none", n)
	}
}

func BenchmarkRoutes(b *testing.B) {
	list, topics := parseRoutes()
	for name, r := range map[string]*networks[*topic]{"none": newRoutes(list, topics), "1024": manyRoutes()} {
		b.Run(name, func(b *testing.B) {
			exporter := netip.MustParseAddr("10.3.77.1")
			b.ReportAllocs()
			for b.Loop() {
				r.of(exporter)
			}
		})
	}
}

func TestRouteMistakes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		routes []Route
		want   string
	}{
		{"no network", []Route{{netip.Prefix{}, "a"}}, "is not for a network"},
		{"bits beyond", []Route{{netip.MustParsePrefix("10.0.0.1/8"), "a"}}, "route 10.0.0.1/8 to topic \"a\" is not for a network"},
		{"mapped", []Route{{netip.MustParsePrefix("::ffff:10.0.0.0/104"), "a"}}, "is not for a network"},
		{"twice", []Route{{netip.MustParsePrefix("10.0.0.0/8"), "a"}, {netip.MustParsePrefix("10.0.0.0/8"), "a"}}, "route 10.0.0.0/8 is there twice"},
		{"no topic", []Route{{netip.MustParsePrefix("10.0.0.0/8"), ".."}}, `route 10.0.0.0/8 goes to topic "..", which cannot exist`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := DefaultConfig()
			c.Brokers, c.Routes = []string{"a:9092"}, tt.routes
			if err := c.Validate(); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want one about %q", err, tt.want)
			}
		})
	}
}

// The bounds are exact.
func TestMostRoutes(t *testing.T) {
	t.Parallel()
	c := DefaultConfig()
	c.Brokers = []string{"a:9092"}
	for i := range MaxRoutes {
		c.Routes = append(c.Routes, Route{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24), fmt.Sprint("t", i%(MaxTopics-1))})
	}
	if err := c.Validate(); err != nil {
		t.Errorf("the most there may be: %v", err)
	}
	c.BufferBytes--
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "it must be from 256MiB") {
		t.Errorf("a buffer too small for the topics: %v", err)
	}
	c.Routes[0].Topic = "one-more"
	c.Routes = append(c.Routes, Route{netip.MustParsePrefix("192.0.2.0/24"), "t0"})
	err := c.Validate()
	for _, want := range []string{"there are 1025 routes: at most 1024", "make 257 topics: at most 256"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q in it", err, want)
		}
	}
}
