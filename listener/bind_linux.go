//go:build !portable

package listener

import (
	"errors"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// bind binds count sockets to t, or one where several would each get the same.
//
// The first is bound without SO_REUSEPORT, and so fails when anybody has the
// address. It gets the option afterwards, which is what lets the others join;
// there is no moment at which the port is free again. Port 0 is chosen by the
// first, too: with the option set, the kernel would choose among the ports of
// other groups of the same user as well.
func bind(t target, count int) ([]*endpoint, netip.AddrPort, error) {
	if t.alone() {
		count = 1
	}
	first, bound, err := bindOne(t, false)
	if err != nil {
		return nil, bound, t.failed(err)
	}
	all := []*endpoint{first}
	if count > 1 {
		err = sharePort(first.raw)
	}
	t.port = bound.Port()
	for err == nil && len(all) < count {
		var another *endpoint
		if another, _, err = bindOne(t, true); err == nil {
			all = append(all, another)
		}
	}
	if err != nil {
		return nil, bound, errors.Join(t.failed(err), closeAll(all))
	}
	return all, bound, nil
}

// bindOne binds a socket, which shares its address with others if share is set.
func bindOne(t target, share bool) (*endpoint, netip.AddrPort, error) {
	file, family, err := openSocket(t.ip)
	if err != nil {
		return nil, netip.AddrPort{}, err
	}
	bound, err := bindSocket(int(file.Fd()), family, t, share)
	if err != nil {
		return nil, bound, errors.Join(err, file.Close())
	}
	e, err := newEndpoint(file)
	return e, bound, err
}

// openSocket makes a socket that can be bound to ip. Where there is no IPv6, every
// address means every IPv4 address.
func openSocket(ip netip.Addr) (file *os.File, family int, err error) {
	family = unix.AF_INET6
	if ip.Is4() {
		family = unix.AF_INET
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.IPPROTO_UDP)
	if errors.Is(err, unix.EAFNOSUPPORT) && !ip.IsValid() {
		family = unix.AF_INET
		fd, err = unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.IPPROTO_UDP)
	}
	if err != nil {
		return nil, family, os.NewSyscallError("socket", err)
	}
	return os.NewFile(uintptr(fd), "udp"), family, nil
}

// bindSocket sets what must be set before a socket is bound, binds it, and joins
// the group if t is one. It returns the address that the kernel says it has.
func bindSocket(fd, family int, t target, share bool) (bound netip.AddrPort, err error) {
	if err := ownGroupsOnly(fd, family); err != nil {
		return bound, err
	}
	if family == unix.AF_INET6 {
		only := 1
		if !t.ip.IsValid() {
			only = 0
		}
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only); err != nil {
			return bound, os.NewSyscallError("IPV6_V6ONLY", err)
		}
	}
	// The kernel itself binds an address that belongs to an interface to that one.
	if t.device != nil && !belongsToInterface(t.ip) {
		if err := unix.BindToDevice(fd, t.device.Name); err != nil {
			return bound, os.NewSyscallError(bindToDevice, err)
		}
	}
	if share {
		if err := setReusePort(fd); err != nil {
			return bound, err
		}
	}
	if err := unix.Bind(fd, t.sockaddr(family)); err != nil {
		return bound, os.NewSyscallError("bind", err)
	}
	if t.ip.IsMulticast() {
		if err := join(fd, t); err != nil {
			return bound, os.NewSyscallError(joinGroup, err)
		}
	}
	return verify(fd, t)
}

// ownGroupsOnly keeps a socket from being handed multicast datagrams of groups that
// it did not join: the kernel's default is what anybody on the machine joined.
func ownGroupsOnly(fd, family int) error {
	// A socket for IPv6 may take IPv4, too.
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, 0); err != nil {
		return os.NewSyscallError("IP_MULTICAST_ALL", err)
	}
	if family == unix.AF_INET {
		return nil
	}
	err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_ALL, 0)
	if errors.Is(err, unix.ENOPROTOOPT) {
		return nil // before Linux 4.20 there was no way
	}
	return os.NewSyscallError("IPV6_MULTICAST_ALL", err)
}

// sockaddr returns t as bind(2) takes it.
func (t target) sockaddr(family int) unix.Sockaddr {
	if family == unix.AF_INET {
		addr := &unix.SockaddrInet4{Port: int(t.port)}
		if t.ip.IsValid() {
			addr.Addr = t.ip.As4()
		}
		return addr
	}
	addr := &unix.SockaddrInet6{Port: int(t.port)}
	if t.ip.IsValid() {
		addr.Addr = t.ip.As16()
	}
	if belongsToInterface(t.ip) {
		addr.ZoneId = uint32(t.device.Index)
	}
	return addr
}

// join has the kernel ask for the group on t's interface, by IGMP or MLD, for as
// long as the socket is open.
func join(fd int, t target) error {
	if t.ip.Is4() {
		return unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP,
			&unix.IPMreqn{Multiaddr: t.ip.As4(), Ifindex: int32(t.device.Index)})
	}
	return unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, unix.IPV6_JOIN_GROUP,
		&unix.IPv6Mreq{Multiaddr: t.ip.As16(), Interface: uint32(t.device.Index)})
}

// verify asks the kernel what a socket is bound to and compares that with t.
func verify(fd int, t target) (netip.AddrPort, error) {
	name, err := unix.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}, os.NewSyscallError("getsockname", err)
	}
	var bound netip.AddrPort
	switch name := name.(type) {
	case *unix.SockaddrInet4:
		bound = netip.AddrPortFrom(netip.AddrFrom4(name.Addr), uint16(name.Port))
	case *unix.SockaddrInet6:
		bound = netip.AddrPortFrom(netip.AddrFrom16(name.Addr), uint16(name.Port))
	}
	device, err := unix.GetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE)
	if err != nil {
		return bound, os.NewSyscallError(bindToDevice, err)
	}
	if err := t.check(bound, device); err != nil {
		return bound, err
	}
	if belongsToInterface(bound.Addr()) {
		bound = netip.AddrPortFrom(bound.Addr().WithZone(device), bound.Port())
	}
	return bound, nil
}

// sharePort lets other sockets bind to the address of a bound one.
func sharePort(raw syscall.RawConn) error {
	var failed error
	err := raw.Control(func(fd uintptr) { failed = setReusePort(int(fd)) })
	return errors.Join(err, failed)
}

func setReusePort(fd int) error {
	return os.NewSyscallError("SO_REUSEPORT", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
}
