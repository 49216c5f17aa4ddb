//go:build !portable

package listener

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A group is joined, and nothing but its datagrams arrives, each once although
// there could be four sockets: no unicast to the same port, no other group, not
// the same group on another interface, all of which the machine itself takes.
func TestMulticast(t *testing.T) {
	n := newNetwork(t)
	n.ip(t, "route add 239.0.0.0/8 dev near1")
	n.ip(t, "-6 route add multicast ff15::/16 dev near1 table local metric 1")
	for _, tt := range []struct {
		name, address, group, network, from string
		unicast, otherGroup                 string
	}{
		{"IPv4", "239.1.2.3%near0:0", "239.1.2.3", "udp4", "far0", near0Addr, "239.1.2.4"},
		{"IPv4-mapped", "[::ffff:239.1.2.3%near0]:0", "239.1.2.3", "udp4", "far0", near0Addr, "239.1.2.4"},
		{"the second interface", "239.1.2.3%near1:0", "239.1.2.3", "udp4", "far1", near1Addr, "239.1.2.4"},
		{"the interface of the route", "239.1.2.3:0", "239.1.2.3", "udp4", "far1", near1Addr, "239.1.2.4"},
		{"IPv6", "[ff15::9%near0]:0", "ff15::9", "udp6", "far0", "2001:db8:0::1", "ff15::a"},
		{"IPv6, the interface of the route", "[ff15::9]:0", "ff15::9", "udp6", "far1", "2001:db8:1::1", "ff15::a"},
		{"IPv6 of the link", "[ff02::9%near0]:0", "ff02::9", "udp6", "far0", "fe80::1", "ff02::a"},
	} {
		l := newListener(t, Config{Address: tt.address, Sockets: 4, ReceiveBuffer: 1 << 20})
		if len(l.sockets) != 1 {
			t.Errorf("%s: %d sockets, want 1", tt.name, len(l.sockets))
		}
		port := l.Addr().Port()
		if got := l.Addr().Addr().WithZone("").String(); got != tt.group {
			t.Errorf("%s: bound %v, want the group", tt.name, l.Addr())
		}
		for _, device := range []string{"near0", "near1"} {
			joinElsewhere(t, tt.group, device)
			joinElsewhere(t, tt.otherGroup, device)
		}
		for _, device := range []string{"far0", "far1"} {
			sender := n.sender(t, tt.network, device)
			write(t, sender, tt.otherGroup, port, "another group")
			if device != tt.from {
				write(t, sender, tt.group, port, "another interface")
			}
		}
		sender := n.sender(t, tt.network, tt.from)
		write(t, sender, tt.unicast, port, "unicast")
		want := []string{"1", "2", "3", "4", "5"}
		for _, payload := range want {
			write(t, sender, tt.group, port, payload)
		}
		if got := heard(t, l, "5"); !slices.Equal(got, want) {
			t.Errorf("%s: heard %q, want %q", tt.name, got, want)
		}
	}
}

// Without anybody else who joined it, the kernel takes the group's datagrams, and
// no more when the listener is closed. What the sender asks for is told.
func TestMembership(t *testing.T) {
	newNetwork(t)
	var log bytes.Buffer
	four, err := Listen(Config{
		Address: "239.1.2.3%near0:0", Sockets: 1, ReceiveBuffer: 1 << 20, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	six, err := Listen(Config{Address: "[ff15::9%near1]:0", Sockets: 1, ReceiveBuffer: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	// Written by the kernel as a number in the machine's order, and in IPv6's own.
	group4, group6 := "030201EF", "ff150000000000000000000000000009"
	if runtime.GOARCH == "s390x" || runtime.GOARCH == "ppc64" {
		group4 = "EF010203"
	}
	if !strings.Contains(readProc(t, "igmp"), group4) || !strings.Contains(readProc(t, "igmp6"), group6) {
		t.Errorf("the groups were not joined:\n%s\n%s", readProc(t, "igmp"), readProc(t, "igmp6"))
	}
	if line := log.String(); !strings.Contains(line, "group_joined_on=near0") || !strings.Contains(line, "address=239.1.2.3%near0:0") ||
		!strings.Contains(line, "bound="+four.Addr().String()) {
		t.Errorf("the log does not tell what was asked, bound and joined: %s", line)
	}
	for _, l := range []*Listener{four, six} {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	if strings.Contains(readProc(t, "igmp"), group4) || strings.Contains(readProc(t, "igmp6"), group6) {
		t.Error("the groups were not left")
	}
}

// A second listener on the group is refused, and does not take over unicast of a
// third on the same port, whose sockets hear no group either.
func TestGroupAndUnicastBesideEachOther(t *testing.T) {
	n := newNetwork(t)
	n.ip(t, "route add 239.0.0.0/8 dev near0")
	group := newListener(t, Config{Address: "239.1.2.3%near0:2055", Sockets: 4, ReceiveBuffer: 1 << 20})
	unicast := newListener(t, Config{Address: near0Addr + ":2055", Sockets: 4, ReceiveBuffer: 1 << 20})
	for _, address := range []string{"239.1.2.3%near0:2055", "239.1.2.3:2055", ":2055", "0.0.0.0:2055"} {
		if l, err := Listen(Config{Address: address, Sockets: 4, ReceiveBuffer: 1 << 20}); err == nil {
			t.Errorf("%s was bound though the port is taken", address)
			l.Close()
		} else if !errors.Is(err, syscall.EADDRINUSE) {
			t.Error(err)
		}
	}
	sender := n.sender(t, "udp4", "far0")
	write(t, sender, "239.1.2.3", 2055, "group")
	write(t, sender, near0Addr, 2055, "unicast")
	if got := heard(t, group, "group"); len(got) != 1 {
		t.Errorf("the group's listener heard %q", got)
	}
	if got := heard(t, unicast, "unicast"); len(got) != 1 {
		t.Errorf("the other heard %q", got)
	}
}

// Whatever groups others on the machine have joined, a listener on all addresses
// hears none, of which each of its sockets would get a copy.
func TestNoGroupWasAskedFor(t *testing.T) {
	n := newNetwork(t)
	for _, tt := range []struct{ name, address, network, group, unicast string }{
		{"IPv4", "0.0.0.0:0", "udp4", "239.1.2.3", near0Addr},
		{"IPv4 on all addresses", ":0", "udp4", "239.1.2.3", near0Addr},
		{"IPv6", ":0", "udp6", "ff15::9", "2001:db8:0::1"},
		{"on an interface", ":0%near0", "udp4", "239.1.2.3", near0Addr},
	} {
		l := newListener(t, Config{Address: tt.address, Sockets: 4, ReceiveBuffer: 1 << 20})
		joinElsewhere(t, tt.group, "near0")
		sender := n.sender(t, tt.network, "far0")
		write(t, sender, tt.group, l.Addr().Port(), "group")
		write(t, sender, tt.unicast, l.Addr().Port(), "unicast")
		if got := heard(t, l, "unicast"); len(got) != 1 {
			t.Errorf("%s: heard %q, want unicast only", tt.name, got)
		}
	}
}

// A broadcast address has one socket: each would get a copy.
func TestBroadcast(t *testing.T) {
	n := newNetwork(t)
	for _, address := range []string{"192.0.2.255", "255.255.255.255"} {
		l := newListener(t, Config{Address: address + ":0", Sockets: 4, ReceiveBuffer: 1 << 20})
		sender := n.sender(t, "udp4", "far0")
		write(t, sender, address, l.Addr().Port(), "1")
		write(t, sender, address, l.Addr().Port(), "2")
		if got := heard(t, l, "2"); !slices.Equal(got, []string{"1", "2"}) {
			t.Errorf("%s: heard %q, want each once", address, got)
		}
	}
}

// What comes by another interface is not heard, though the address is right; and
// another listener may have the same address on that one.
func TestInterface(t *testing.T) {
	n := newNetwork(t)
	near1, err := net.InterfaceByName("near1")
	if err != nil {
		t.Fatal(err)
	}
	n.inPeer(t, func() {
		n.ip(t, "route add 192.0.2.1 dev far1")
		n.ip(t, "-6 route add 2001:db8:0::1 dev far1")
		n.ip(t, "-6 neigh add 2001:db8:0::1 lladdr %v dev far1", near1.HardwareAddr)
	})
	for _, tt := range []struct{ name, address, other, network, to string }{
		{"all addresses", ":2055%near0", ":2055%near1", "udp4", near0Addr},
		{"all addresses, IPv6", ":2055%near0", "%near1:2055", "udp6", "2001:db8:0::1"},
		{"[::]", "[::%near0]:2055", "[::]:2055%near1", "udp4", near0Addr},
		{"all IPv4 addresses", "0.0.0.0%near0:2055", "0.0.0.0%near1:2055", "udp4", near0Addr},
		{"an address", "192.0.2.1%near0:2055", "192.0.2.1%near1:2055", "udp4", near0Addr},
		{"an IPv4-mapped address", "[::ffff:192.0.2.1%near0]:2055", "192.0.2.1%near1:2055", "udp4", near0Addr},
		{"an IPv6 address", "[2001:db8:0::1%near0]:2055", "[2001:db8:0::1%near1]:2055", "udp6", "2001:db8:0::1"},
		{"a link's address", "[fe80::1%near0]:2055", "[fe80::1%near1]:2055", "udp6", "fe80::1"},
	} {
		l := newListener(t, Config{Address: tt.address, Sockets: 2, ReceiveBuffer: 1 << 20})
		other := newListener(t, Config{Address: tt.other, Sockets: 2, ReceiveBuffer: 1 << 20})
		write(t, n.sender(t, tt.network, "far1"), tt.to, 2055, "other")
		if got := heard(t, other, "other"); len(got) != 1 {
			t.Errorf("%s: on the other interface: heard %q", tt.name, got)
		}
		write(t, n.sender(t, tt.network, "far0"), tt.to, 2055, "right")
		if got := heard(t, l, "right"); len(got) != 1 {
			t.Errorf("%s: heard %q, want what came by near0", tt.name, got)
		}
	}
}

// The loopback is an interface like others.
func TestLoopbackInterface(t *testing.T) {
	t.Parallel()
	for address, network := range map[string]string{"127.0.0.1%lo:0": "udp4", "[::1%lo]:0": "udp6", ":0%lo": "udp4", "127.0.0.1%1:0": "udp4"} {
		t.Run(address, func(t *testing.T) {
			t.Parallel()
			l := newListener(t, Config{Address: address, Sockets: 2, ReceiveBuffer: 1 << 20})
			send(t, newSender(t, network), l, []byte("x"))
			if got := heard(t, l, "x"); len(got) != 1 {
				t.Errorf("heard %q", got)
			}
		})
	}
}

// Groups work on the loopback as well, which has no flag that says so. Those of IPv6
// are joined there too, but nothing can be sent to them.
func TestMulticastOnLoopback(t *testing.T) {
	n := newNetwork(t)
	n.ip(t, "route add 239.0.0.0/8 dev lo")
	l := newListener(t, Config{Address: "239.1.2.3%lo:0", Sockets: 2, ReceiveBuffer: 1 << 20})
	write(t, onDevice(t, "udp4", ":0", "lo"), "239.1.2.3", l.Addr().Port(), "x")
	if got := heard(t, l, "x"); len(got) != 1 {
		t.Errorf("heard %q", got)
	}
	l = newListener(t, Config{Address: "[ff02::1%lo]:0", Sockets: 2, ReceiveBuffer: 1 << 20})
	if got := l.Addr().Addr().String(); got != "ff02::1%lo" {
		t.Errorf("bound %v, want the group", l.Addr())
	}
}

// Since Linux 5.7 a socket may be bound to an interface by anybody; before, the
// error names the capability.
func TestInterfaceWithoutCapability(t *testing.T) {
	t.Parallel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for ever: the thread ends with the goroutine
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&header, &none[0]); err != nil {
			t.Error(err)
		}
		l, err := Listen(Config{Address: "127.0.0.1%lo:0", Sockets: 1, ReceiveBuffer: 1 << 16})
		if err != nil && !strings.Contains(err.Error(), "CAP_NET_RAW") {
			t.Errorf("refused, and the capability is not named: %v", err)
		}
		if err == nil {
			l.Close()
		}
	}()
	<-done
}

func TestBindCure(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		want string
	}{
		{os.NewSyscallError(bindToDevice, unix.EPERM), "CAP_NET_RAW"},
		{os.NewSyscallError(joinGroup, unix.ENOBUFS), "igmp_max_memberships"},
		{os.NewSyscallError(joinGroup, unix.ENODEV), "another interface"},
		{os.NewSyscallError("bind", unix.EACCES), "CAP_NET_BIND_SERVICE"},
	} {
		if got := bindCure(tt.err); !strings.Contains(got, tt.want) {
			t.Errorf("%v: cure %q, want %q in it", tt.err, got, tt.want)
		}
	}
}

// Where nothing leads to the group, or the interface is not there, the error says
// which there are.
func TestInterfaceToBeNamed(t *testing.T) {
	n := newNetwork(t)
	n.ip(t, "link set near1 arp off multicast off")
	for address, wants := range map[string][]string{
		"239.1.2.3:2055":        {"no interface leads to the group", "239.1.2.3%eth0:2055", "lo, "},
		"[ff15::9]:2055":        {"no interface leads to the group", "[ff15::9%eth0]:2055"},
		"239.1.2.3%eth7:2055":   {`no interface "eth7"`, "near0"},
		"0.0.0.0%eth7:2055":     {`no interface "eth7"`, "near1"},
		"239.1.2.3%near1:2055":  {"near1 carries no multicast", "VRF"},
		"[fe80::1]:2055":        {"another one on each interface", "[fe80::1%eth0]:2055"},
		"[ff02::1]:2055":        {"another one on each interface", "[ff02::1%eth0]:2055"},
		"[fe80::77%near0]:2055": {"does not have the address"},
	} {
		l, err := Listen(Config{Address: address, Sockets: 1, ReceiveBuffer: 1 << 16})
		if err == nil {
			l.Close()
			if address == "[ff15::9]:2055" {
				continue // IPv6 has a route to every group on each interface
			}
			t.Errorf("%s was bound", address)
			continue
		}
		for _, want := range wants {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %q lacks %q", address, err, want)
			}
		}
	}
}

// With IPv6 switched off, every address means those of IPv4.
func TestWithoutIPv6(t *testing.T) {
	n := newNetwork(t)
	if err := os.WriteFile("/proc/sys/net/ipv6/conf/all/disable_ipv6", []byte("1"), 0); err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{":0", "[::]:0", ":0%near0"} {
		l := newListener(t, Config{Address: address, Sockets: 2, ReceiveBuffer: 1 << 20})
		write(t, n.sender(t, "udp4", "far0"), near0Addr, l.Addr().Port(), "x")
		if got := heard(t, l, "x"); len(got) != 1 {
			t.Errorf("%s: heard %q", address, got)
		}
	}
}
