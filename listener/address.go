package listener

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Address is where to listen, in parts.
type Address struct {
	// Host is an IP address without a zone, or a name. Empty means every address,
	// IPv4 and IPv6.
	Host string
	// Interface is the only network interface to listen on, or a VRF; empty means
	// all.
	Interface string
	// Port 0 lets the system choose one.
	Port uint16
}

// ParseAddress reads host:port, with %interface behind the host or at the end:
// 192.0.2.1:2055, [fe80::1%eth0]:2055, 239.1.2.3%eth1:2055, :2055%vrf-blue.
func ParseAddress(text string) (Address, error) {
	plain, device, err := SplitInterface(text)
	if err != nil {
		return Address{}, err
	}
	host, port, err := net.SplitHostPort(plain)
	if err != nil {
		return Address{}, errors.New("it is not an address with a port")
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return Address{}, fmt.Errorf("port %q is not a number from 0 to 65535", port)
	}
	a := Address{Host: host, Interface: device, Port: uint16(number)}
	if ip, err := netip.ParseAddr(host); err == nil {
		ip = ip.Unmap()
		a.Host = ip.String()
		if device == "" && belongsToInterface(ip) {
			return Address{}, fmt.Errorf("%v is another one on each interface: name yours, as in [%v%%eth0]:%d", ip, ip, number)
		}
	}
	return a, nil
}

// SplitInterface returns an address's host:port and its interface, if it has one.
func SplitInterface(text string) (hostPort, device string, err error) {
	before, after, found := strings.Cut(text, "%")
	if !found {
		return text, "", nil
	}
	end := strings.IndexAny(after, "]:")
	if end < 0 {
		end = len(after)
	}
	device = after[:end]
	if device == "" || strings.Contains(after, "%") {
		return "", "", errors.New("name one interface behind the %")
	}
	return before + after[end:], device, nil
}

// belongsToInterface reports whether an address says nothing without the interface
// that it is meant for.
func belongsToInterface(ip netip.Addr) bool {
	return ip.Is6() && (ip.IsLinkLocalUnicast() || ip.IsLinkLocalMulticast() || ip.IsInterfaceLocalMulticast())
}

// String returns a as ParseAddress reads it.
func (a Address) String() string {
	host, port := a.Host, strconv.Itoa(int(a.Port))
	switch {
	case a.Interface == "":
		return net.JoinHostPort(host, port)
	case host == "":
		return ":" + port + "%" + a.Interface
	default:
		return net.JoinHostPort(host+"%"+a.Interface, port)
	}
}

// lookupTime is how long a host's name may take to be looked up.
const lookupTime = 10 * time.Second

// Resolve returns a itself, or for a name each of its addresses. Those of IPv6 are
// left out where there are others and this machine has no IPv6.
func (a Address) Resolve() ([]Address, error) {
	if _, err := netip.ParseAddr(a.Host); err == nil || a.Host == "" {
		return []Address{a}, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookupTime)
	defer cancel()
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", a.Host)
	if err != nil {
		return nil, fmt.Errorf("listener: cannot listen on %q: %w: correct the host's name, or write its address", a, err)
	}
	interfaces, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("listener: this machine's addresses: %w", err)
	}
	var all []Address
	for _, ip := range reachable(ips, interfaces) {
		all = append(all, Address{Host: ip.String(), Interface: a.Interface, Port: a.Port})
	}
	return all, nil
}

// reachable returns ips, each once, without those of IPv6 that a machine with
// these interfaces' addresses cannot have while it may have others.
func reachable(ips []netip.Addr, interfaces []net.Addr) []netip.Addr {
	var all []netip.Addr
	for _, ip := range ips {
		if ip = ip.Unmap().WithZone(""); !slices.Contains(all, ip) {
			all = append(all, ip)
		}
	}
	hasIPv6 := slices.ContainsFunc(interfaces, func(address net.Addr) bool {
		prefix, err := netip.ParsePrefix(address.String())
		return err == nil && prefix.Addr().Is6()
	})
	if !hasIPv6 && slices.ContainsFunc(all, netip.Addr.Is4) {
		all = slices.DeleteFunc(all, netip.Addr.Is6)
	}
	return all
}

// target is an address that can be bound.
type target struct {
	asked  string         // as it was configured, for errors
	ip     netip.Addr     // without a zone; not valid: every address, IPv4 and IPv6
	port   uint16         // 0: any
	device *net.Interface // the only interface; nil: all
}

// newTarget returns where a leads, an address without a name. For a multicast
// group without an interface that is the interface of the route to it.
func newTarget(a Address) (target, error) {
	t := target{asked: a.String(), port: a.Port}
	if a.Host != "" {
		ip, err := netip.ParseAddr(a.Host)
		if err != nil {
			return target{}, t.failed(err)
		}
		if ip != netip.IPv6Unspecified() { // [::] is every address
			t.ip = ip
		}
	}
	var err error
	switch {
	case a.Interface != "":
		t.device, err = findInterface(a.Interface)
	case t.ip.IsMulticast():
		t.device, err = routedInterface(t.ip)
	}
	if err != nil {
		return target{}, t.failed(err)
	}
	if group := t.ip.IsMulticast(); group && t.device.Flags&(net.FlagMulticast|net.FlagLoopback) == 0 {
		return target{}, t.failed(fmt.Errorf("interface %s carries no multicast: name one that does, for a VRF one of its interfaces", t.device.Name))
	}
	return t, nil
}

// failed returns an error that names what was to be bound, with the cure.
func (t target) failed(err error) error {
	return fmt.Errorf("listener: cannot listen on %q: %w%s", t.asked, err, bindCure(err))
}

// alone reports whether t has one socket only: the kernel hands what is sent to
// many receivers to every socket that is bound to it.
func (t target) alone() bool { return t.ip.IsMulticast() || isBroadcast(t.ip) }

// isBroadcast reports whether ip is a broadcast address of a network of this
// machine.
func isBroadcast(ip netip.Addr) bool {
	if !ip.Is4() {
		return false
	}
	addresses, err := net.InterfaceAddrs()
	return err == nil && slices.ContainsFunc(addresses, func(address net.Addr) bool {
		prefix, err := netip.ParsePrefix(address.String())
		return err == nil && prefix.Addr().Is4() && prefix.Bits() < 31 && ip == lastOf(prefix)
	}) || ip == netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// lastOf returns the last address of an IPv4 network.
func lastOf(prefix netip.Prefix) netip.Addr {
	last := prefix.Masked().Addr().As4()
	for bit := prefix.Bits(); bit < 32; bit++ {
		last[bit/8] |= 0x80 >> (bit % 8)
	}
	return netip.AddrFrom4(last)
}

// findInterface returns an interface by its name or number.
func findInterface(name string) (*net.Interface, error) {
	device, err := net.InterfaceByName(name)
	if err == nil {
		return device, nil
	}
	if number, notNumber := strconv.Atoi(name); notNumber == nil {
		if device, err := net.InterfaceByIndex(number); err == nil {
			return device, nil
		}
	}
	return nil, fmt.Errorf("this machine has no interface %q: it has %s", name, interfaceNames())
}

// interfaceNames lists the interfaces of this machine.
func interfaceNames() string {
	interfaces, err := net.Interfaces()
	if err != nil || len(interfaces) == 0 {
		return "none that can be listed"
	}
	names := make([]string, len(interfaces))
	for i := range interfaces {
		names[i] = interfaces[i].Name
	}
	return strings.Join(names, ", ")
}

// routedInterface returns the interface from which this machine would send to a
// group: what it joins when nobody names another.
func routedInterface(group netip.Addr) (*net.Interface, error) {
	cure := fmt.Errorf("no interface leads to the group: name one behind a %%, as in %s; this machine has %s",
		Address{Host: group.String(), Interface: "eth0", Port: 2055}, interfaceNames())
	// Nothing is sent: the kernel looks the route up, and an address of ours.
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(group, 9)))
	if err != nil {
		return nil, cure
	}
	ours := addrPort(conn.LocalAddr()).Addr().WithZone("")
	if err := conn.Close(); err != nil {
		return nil, err
	}
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	for i := range interfaces {
		if hasAddress(&interfaces[i], ours) {
			return &interfaces[i], nil
		}
	}
	return nil, cure
}

// hasAddress reports whether an interface has an address.
func hasAddress(device *net.Interface, ip netip.Addr) bool {
	addresses, err := device.Addrs()
	return err == nil && slices.ContainsFunc(addresses, func(address net.Addr) bool {
		prefix, err := netip.ParsePrefix(address.String())
		return err == nil && prefix.Addr().Unmap() == ip
	})
}

// check compares what was bound with what was asked for. device is the name of the
// interface that the socket is bound to, empty when it is to none.
func (t target) check(bound netip.AddrPort, device string) error {
	every := !t.ip.IsValid() && bound.Addr().IsUnspecified()
	switch {
	case !every && bound.Addr().WithZone("") != t.ip:
	case t.port != 0 && bound.Port() != t.port, bound.Port() == 0:
	case t.device != nil && device != t.device.Name, t.device == nil && device != "":
	default:
		return nil
	}
	return fmt.Errorf("listener: asked to listen on %q, the system bound %v%s: that is a defect, please report it",
		t.asked, bound, deviceSuffix(device))
}

// deviceSuffix returns the interface as it stands behind an address.
func deviceSuffix(device string) string {
	if device == "" {
		return ""
	}
	return "%" + device
}

// addrPort returns the IP address and port in addr. An IPv4-mapped address is
// given as IPv4.
func addrPort(addr net.Addr) netip.AddrPort {
	udp, ok := addr.(*net.UDPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	bound := udp.AddrPort()
	return netip.AddrPortFrom(bound.Addr().Unmap(), bound.Port())
}
