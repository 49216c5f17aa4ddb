//go:build !portable

package listener

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/flowpub/flowpub/internal/testwait"
)

// network is this test's machine and another one, in network namespaces: near0 here
// leads to far0 there, near1 to far1.
//
// Tests that have one do not run beside others: a command that is started has all
// sockets of this process for a moment, and their ports would not be free again when
// another test expects it.
type network struct {
	here, there int // file descriptors
}

// Addresses of the network.
const (
	near0Addr, far0Addr = "192.0.2.1", "192.0.2.2"
	near1Addr, far1Addr = "198.51.100.1", "198.51.100.2"
)

// newNetwork moves the test into a namespace that has the network. Its goroutine
// keeps the thread, which ends with it: what it opens is of the namespace, what
// other goroutines open is not.
func newNetwork(t *testing.T) *network {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces take root")
	}
	runtime.LockOSThread()
	n := &network{there: newNamespace(t), here: newNamespace(t)}
	for i, addrs := range [][2]string{{near0Addr, far0Addr}, {near1Addr, far1Addr}} {
		n.ip(t, "link add near%d type veth peer name far%d netns /proc/%d/fd/%d", i, i, os.Getpid(), n.there)
		n.ip(t, "addr add %s/24 brd + dev near%d", addrs[0], i)
		n.ip(t, "addr add 2001:db8:%d::1/64 dev near%d nodad", i, i)
		n.ip(t, "addr add fe80::1/64 dev near%d nodad", i)
		n.inPeer(t, func() {
			n.ip(t, "addr add %s/24 brd + dev far%d", addrs[1], i)
			n.ip(t, "addr add 2001:db8:%d::2/64 dev far%d nodad", i, i)
			n.ip(t, "addr add fe80::2/64 dev far%d nodad", i)
			n.ip(t, "link set far%d addrgenmode none up", i)
		})
		n.ip(t, "link set near%d addrgenmode none up", i)
	}
	n.ip(t, "link set lo up")
	awaitRoutes(t, "near0", "near1")
	n.inPeer(t, func() { awaitRoutes(t, "far0", "far1") })
	return n
}

// awaitRoutes waits until the kernel has noticed that interfaces are up, which takes
// it a second: then they have a route to the groups of IPv6.
func awaitRoutes(t *testing.T, devices ...string) {
	t.Helper()
	for _, device := range devices {
		testwait.Until(t, patience, "routes of "+device, func() bool {
			for line := range strings.Lines(readProc(t, "ipv6_route")) {
				if strings.HasPrefix(line, "ff00000000000000") && strings.HasSuffix(line, " "+device+"\n") {
					return true
				}
			}
			return false
		})
	}
}

// readProc reads a file of this thread's network.
func readProc(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("/proc/thread-self/net/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// newNamespace moves the thread into a new namespace.
func newNamespace(t *testing.T) (fd int) {
	t.Helper()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// inPeer calls do in the other machine.
func (n *network) inPeer(t *testing.T, do func()) {
	t.Helper()
	if err := unix.Setns(n.there, unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	do()
	if err := unix.Setns(n.here, unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
}

// ip runs ip(8) where the thread is.
func (*network) ip(t *testing.T, format string, args ...any) {
	t.Helper()
	command := exec.Command("ip", strings.Fields(fmt.Sprintf(format, args...))...)
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v: %s", command, err, out)
	}
}

// sender returns a socket of the other machine that sends from an interface.
func (n *network) sender(t *testing.T, network, device string) *net.UDPConn {
	t.Helper()
	var conn *net.UDPConn
	n.inPeer(t, func() { conn = onDevice(t, network, ":0", device) })
	return conn
}

// onDevice returns a socket that is bound to an interface and may share its address.
func onDevice(t *testing.T, network, address, device string) *net.UDPConn {
	t.Helper()
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return control(raw, "SO_BINDTODEVICE", func(fd int) error { return unix.BindToDevice(fd, device) })
	}}
	conn, err := config.ListenPacket(t.Context(), network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.(*net.UDPConn) //nolint:forcetypeassert // UDP has no other
}

// joinElsewhere has another program of this machine join a group, so that the
// kernel takes its datagrams.
func joinElsewhere(t *testing.T, group, device string) {
	t.Helper()
	ip := netip.MustParseAddr(group)
	network := "udp6"
	if ip.Is4() {
		network = "udp4"
	}
	interfaces, err := net.InterfaceByName(device)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := onDevice(t, network, ":0", device).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := control(raw, joinGroup, func(fd int) error { return join(fd, target{ip: ip, device: interfaces}) }); err != nil {
		t.Fatal(err)
	}
}

// write sends payload to a port of host.
func write(t *testing.T, sender *net.UDPConn, host string, port uint16, payload string) {
	t.Helper()
	to := netip.AddrPortFrom(netip.MustParseAddr(host), port)
	if _, err := sender.WriteToUDPAddrPort([]byte(payload), to); err != nil {
		t.Fatalf("to %v: %v", to, err)
	}
}

// heard serves l until it has heard last, and returns the payloads of all that it
// heard till then.
func heard(t *testing.T, l *Listener, last string) []string {
	t.Helper()
	var got recorder
	served := serve(l, got.handler)
	payloads := func() (all []string) {
		for _, r := range got.all() {
			all = append(all, r.payload)
		}
		return all
	}
	testwait.Until(t, patience, "the last datagram", func() bool { return slices.Contains(payloads(), last) })
	if err := l.Drain(); err != nil {
		t.Error(err)
	}
	if err := ended(t, served); err != nil {
		t.Error(err)
	}
	return payloads()
}
