package listener

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestParseAddress(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		want Address
		back string // as String writes it; empty: as it was
	}{
		{":2055", Address{"", "", 2055}, ""},
		{"192.0.2.1:2055", Address{"192.0.2.1", "", 2055}, ""},
		{"[2001:db8::1]:9995", Address{"2001:db8::1", "", 9995}, ""},
		{"collector.example.net:2055", Address{"collector.example.net", "", 2055}, ""},
		{"[192.0.2.1]:2055", Address{"192.0.2.1", "", 2055}, "192.0.2.1:2055"},
		{"[::ffff:192.0.2.1]:2055", Address{"192.0.2.1", "", 2055}, "192.0.2.1:2055"},
		{":2055%vrf-blue", Address{"", "vrf-blue", 2055}, ""},
		{"%vrf-blue:2055", Address{"", "vrf-blue", 2055}, ":2055%vrf-blue"},
		{"0.0.0.0%eth1:2055", Address{"0.0.0.0", "eth1", 2055}, ""},
		{"127.0.0.1%lo:0", Address{"127.0.0.1", "lo", 0}, ""},
		{"192.0.2.1:2055%eth0.100", Address{"192.0.2.1", "eth0.100", 2055}, "192.0.2.1%eth0.100:2055"},
		{"[::1%lo]:2055", Address{"::1", "lo", 2055}, ""},
		{"[fe80::1%eth0]:2055", Address{"fe80::1", "eth0", 2055}, ""},
		{"[fe80::1]:2055%2", Address{"fe80::1", "2", 2055}, "[fe80::1%2]:2055"},
		{"239.1.2.3%eth0:2055", Address{"239.1.2.3", "eth0", 2055}, ""},
		{"[ff05::9]:2055", Address{"ff05::9", "", 2055}, ""},
	} {
		t.Run(tt.text, func(t *testing.T) {
			t.Parallel()
			got, err := ParseAddress(tt.text)
			if err != nil || got != tt.want {
				t.Fatalf("%+v (%v), want %+v", got, err, tt.want)
			}
			back := tt.back
			if back == "" {
				back = tt.text
			}
			if got.String() != back {
				t.Errorf("written as %q, want %q", got, back)
			}
			if again, err := ParseAddress(got.String()); err != nil || again != got {
				t.Errorf("%q is read as %+v (%v)", got, again, err)
			}
		})
	}
}

func TestParseAddressErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                       "not an address with a port",
		"192.0.2.1":              "not an address with a port",
		"2001:db8::1":            "not an address with a port",
		":netflow":               `port "netflow" is not a number`,
		":65536":                 `port "65536" is not a number`,
		"192.0.2.1%:2055":        "name one interface behind the %",
		":2055%":                 "name one interface behind the %",
		"192.0.2.1%a%b:2055":     "name one interface behind the %",
		"[fe80::1]:2055":         "name yours, as in [fe80::1%eth0]:2055",
		"[ff02::1]:2055":         "name yours, as in [ff02::1%eth0]:2055",
		"[ff01::1]:2055":         "name yours, as in [ff01::1%eth0]:2055",
		"192.0.2.1%eth0:20%55:1": "name one interface behind the %",
	} {
		if got, err := ParseAddress(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v (%v), want an error that says %q", text, got, err, want)
		}
	}
}

// A name stands for all its addresses, each once; on a machine without IPv6 for
// those of IPv4, if it has any.
func TestReachable(t *testing.T) {
	t.Parallel()
	addrs := func(texts ...string) (all []netip.Addr) {
		for _, text := range texts {
			all = append(all, netip.MustParseAddr(text))
		}
		return all
	}
	four := []net.Addr{&net.IPNet{IP: net.IPv4(192, 0, 2, 1).To4(), Mask: net.CIDRMask(24, 32)}}
	both := slices.Concat(four, []net.Addr{&net.IPNet{IP: net.IPv6loopback, Mask: net.CIDRMask(128, 128)}})
	for _, tt := range []struct {
		name       string
		ips        []netip.Addr
		interfaces []net.Addr
		want       []netip.Addr
	}{
		{"two", addrs("127.0.0.1", "127.0.0.2"), both, addrs("127.0.0.1", "127.0.0.2")},
		{"both families", addrs("::1", "127.0.0.1"), both, addrs("::1", "127.0.0.1")},
		{"one twice, once IPv4-mapped", addrs("127.0.0.1", "::ffff:127.0.0.1", "127.0.0.1"), both, addrs("127.0.0.1")},
		{"no IPv6 here", addrs("::1", "127.0.0.1"), four, addrs("127.0.0.1")},
		{"no IPv6 here, and nothing else", addrs("::1"), four, addrs("::1")},
	} {
		if got := reachable(tt.ips, tt.interfaces); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	for _, literal := range []string{":2055", "192.0.2.1:2055", "[fe80::1%eth0]:2055", ":2055%eth0"} {
		a, err := ParseAddress(literal)
		if err != nil {
			t.Fatal(err)
		}
		if all, err := a.Resolve(); err != nil || !slices.Equal(all, []Address{a}) {
			t.Errorf("%s: %v (%v), want itself", literal, all, err)
		}
	}
	all, err := Address{Host: "localhost", Interface: "lo", Port: 2055}.Resolve()
	if err != nil || !slices.Contains(all, Address{Host: "127.0.0.1", Interface: "lo", Port: 2055}) {
		t.Errorf("localhost: %v (%v), want 127.0.0.1 among them, with interface and port", all, err)
	}
	_, err = Address{Host: "flowpub.invalid", Port: 2055}.Resolve()
	if err == nil || !strings.Contains(err.Error(), "flowpub.invalid:2055") || !strings.Contains(err.Error(), "correct the host's name") {
		t.Errorf("a name that is none: %v, want an error that names it and the cure", err)
	}
}

// Whatever the system made of it that was not asked for is an error.
func TestCheck(t *testing.T) {
	t.Parallel()
	eth0 := &net.Interface{Name: "eth0"}
	for _, tt := range []struct {
		name          string
		target        target
		bound, device string
		right         bool
	}{
		{"every address", target{port: 2055}, "[::]:2055", "", true},
		{"every address, without IPv6", target{port: 2055}, "0.0.0.0:2055", "", true},
		{"a port that the system chose", target{}, "[::]:40000", "", true},
		{"on an interface", target{port: 2055, device: eth0}, "[::]:2055", "eth0", true},
		{"of a link", target{ip: netip.MustParseAddr("fe80::1"), port: 2055, device: eth0}, "[fe80::1%eth0]:2055", "eth0", true},
		{"a group, wider", target{ip: netip.MustParseAddr("239.1.2.3"), port: 2055, device: eth0}, "0.0.0.0:2055", "eth0", false},
		{"another address", target{ip: netip.MustParseAddr("192.0.2.1"), port: 2055}, "192.0.2.2:2055", "", false},
		{"one address for all", target{port: 2055}, "192.0.2.2:2055", "", false},
		{"every IPv6 address for those of IPv4", target{ip: netip.IPv4Unspecified(), port: 2055}, "[::]:2055", "", false},
		{"another port", target{port: 2055}, "[::]:2056", "", false},
		{"no port", target{}, "[::]:0", "", false},
		{"all interfaces", target{port: 2055, device: eth0}, "[::]:2055", "", false},
		{"another interface", target{port: 2055, device: eth0}, "[::]:2055", "eth1", false},
		{"one interface for all", target{port: 2055}, "[::]:2055", "eth1", false},
	} {
		if err := tt.target.check(netip.MustParseAddrPort(tt.bound), tt.device); (err == nil) != tt.right {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestLastOf(t *testing.T) {
	t.Parallel()
	for network, want := range map[string]string{
		"192.0.2.1/24": "192.0.2.255", "10.1.2.3/8": "10.255.255.255", "198.51.100.5/30": "198.51.100.7", "172.16.9.9/12": "172.31.255.255",
	} {
		if got := lastOf(netip.MustParsePrefix(network)).String(); got != want {
			t.Errorf("%s: %s, want %s", network, got, want)
		}
	}
}
