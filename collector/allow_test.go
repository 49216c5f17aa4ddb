package collector

import (
	"math/rand/v2"
	"net/netip"
	"testing"
)

func TestAllowList(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		networks []string
		yes, no  []string
	}{
		{"empty allows all", nil, []string{"192.0.2.1", "2001:db8::1"}, nil},
		{"one IPv4 network", []string{"192.0.2.0/24"}, []string{"192.0.2.0", "192.0.2.255"}, []string{"192.0.1.255", "192.0.3.0", "::1"}},
		{"one address", []string{"192.0.2.7/32"}, []string{"192.0.2.7"}, []string{"192.0.2.6", "192.0.2.8"}},
		{"host bits are ignored", []string{"192.0.2.77/24"}, []string{"192.0.2.1"}, []string{"192.0.3.1"}},
		{"one IPv6 network", []string{"2001:db8::/32"}, []string{"2001:db8::", "2001:db8:ffff::1"}, []string{"2001:db9::1", "32.1.13.184"}},
		{"all of IPv4", []string{"0.0.0.0/0"}, []string{"0.0.0.0", "255.255.255.255"}, []string{"::1"}},
		{"all of IPv6 is not IPv4", []string{"::/0"}, []string{"::1"}, []string{"192.0.2.1"}},
		{"mapped networks mean IPv4", []string{"::ffff:192.0.2.0/120"}, []string{"192.0.2.9"}, []string{"192.0.3.9"}},
		{
			"networks within networks", []string{"10.1.2.0/24", "10.0.0.0/8", "10.1.0.0/16", "10.0.0.0/8", "172.16.0.0/12"},
			[]string{"10.0.0.1", "10.1.2.3", "10.255.255.255", "172.31.0.1"}, []string{"11.0.0.0", "9.255.255.255", "172.32.0.0"},
		},
		{
			"both families", []string{"2001:db8::/64", "198.51.100.0/25", "192.0.2.0/24"},
			[]string{"198.51.100.127", "192.0.2.3", "2001:db8::3"}, []string{"198.51.100.128", "2001:db8:0:1::"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			list := newAllowList(prefixes(test.networks...))
			for _, a := range test.yes {
				if !list.allows(netip.MustParseAddr(a)) {
					t.Errorf("%s is refused", a)
				}
			}
			for _, a := range test.no {
				if list.allows(netip.MustParseAddr(a)) {
					t.Errorf("%s is allowed", a)
				}
			}
		})
	}
}

// The search gives the same answers as asking each network.
func TestAllowListAgainstEachNetwork(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	address := func() netip.Addr {
		return netip.AddrFrom4([4]byte{10, byte(random.IntN(4)), byte(random.IntN(4)), byte(random.IntN(256))})
	}
	for range 200 {
		networks := make([]netip.Prefix, 1+random.IntN(20))
		for i := range networks {
			networks[i] = netip.PrefixFrom(address(), 8+random.IntN(25))
		}
		list := newAllowList(networks)
		for range 200 {
			a, want := address(), false
			for _, n := range networks {
				want = want || n.Contains(a)
			}
			if got := list.allows(a); got != want {
				t.Fatalf("%v in %v: got %v, want %v", a, networks, got, want)
			}
		}
	}
}

func prefixes(texts ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		all[i] = netip.MustParsePrefix(text)
	}
	return all
}

// Only networks of up to 256 addresses name the exporters in them.
func TestNamedBy(t *testing.T) {
	t.Parallel()
	var networks []netip.Prefix
	for _, n := range []string{"10.0.0.0/8", "10.1.1.1/32", "192.0.2.0/24", "198.51.100.0/23", "2001:db8::/64", "2001:db8::100/120", "::ffff:203.0.113.0/120"} {
		networks = append(networks, netip.MustParsePrefix(n))
	}
	list := namedBy(networks)
	for address, want := range map[string]bool{
		"10.1.1.1": true, "10.1.1.2": false, "192.0.2.255": true, "198.51.100.1": false,
		"2001:db8::1ff": true, "2001:db8::1": false, "203.0.113.7": true,
	} {
		if got := list.contains(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s is named: %v, want %v", address, got, want)
		}
	}
	if namedBy(networks[:1]).contains(netip.MustParseAddr("10.1.1.1")) || namedBy(nil).contains(netip.MustParseAddr("10.1.1.1")) {
		t.Error("a list without small networks names an exporter")
	}
}
