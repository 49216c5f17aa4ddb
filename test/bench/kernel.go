package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// receiveMax bounds what a process may ask for as a receive buffer. The largest
// one that collectors here ask for is 32 MiB.
const (
	receiveMaxPath = "/proc/sys/net/core/rmem_max"
	receiveMax     = 32 << 20
)

// raiseReceiveMax raises net.core.rmem_max to receiveMax, if it is lower and this
// process may, and says so. The function it returns restores it.
func raiseReceiveMax(w io.Writer) (restore func() error, err error) {
	nothing := func() error { return nil }
	before, err := readNumber(receiveMaxPath)
	if err != nil || before >= receiveMax {
		return nothing, err
	}
	err = os.WriteFile(receiveMaxPath, []byte(strconv.Itoa(receiveMax)), 0)
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		fmt.Fprintf(w, "# net.core.rmem_max is %d and cannot be raised: run as root, or: sysctl -w net.core.rmem_max=%d\n", before, receiveMax)
		return nothing, nil
	case err != nil:
		return nothing, err
	}
	fmt.Fprintf(w, "# net.core.rmem_max raised from %d to %d for the time of the benchmark\n", before, receiveMax)
	return func() error { return os.WriteFile(receiveMaxPath, []byte(strconv.Itoa(before)), 0) }, nil
}

func readNumber(path string) (int, error) {
	b, err := os.ReadFile(path) //nolint:gosec // one of ours
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(b)))
}

// udpSockets returns how many sockets are bound to a UDP port of this machine,
// and how many datagrams the kernel has dropped for want of room in them: what
// the collector says of itself is not needed, and counts nothing twice.
func udpSockets(port uint16) (sockets int, drops uint64, err error) {
	for _, path := range []string{"/proc/net/udp", "/proc/net/udp6"} {
		f, err := os.Open(path) //nolint:gosec // one of two
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return 0, 0, err
		}
		n, d, err := countSockets(f, port)
		if err := errors.Join(err, f.Close()); err != nil {
			return 0, 0, fmt.Errorf("%s: %w", path, err)
		}
		sockets, drops = sockets+n, drops+d
	}
	return sockets, drops, nil
}

// countSockets reads a table as /proc/net/udp has it: a header, then lines whose
// second field is the local address and port in hexadecimal, and whose last is
// the number of drops.
func countSockets(r io.Reader, port uint16) (sockets int, drops uint64, err error) {
	suffix := fmt.Sprintf(":%04X", port)
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 13 || !strings.HasSuffix(fields[1], suffix) {
			continue
		}
		n, err := strconv.ParseUint(fields[len(fields)-1], 10, 64)
		if err != nil {
			return 0, 0, err
		}
		sockets, drops = sockets+1, drops+n
	}
	return sockets, drops, lines.Err()
}

// freeUDP and freeTCP return an address of this machine that nobody listens on.
func freeUDP() (netip.AddrPort, error) {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return netip.AddrPort{}, err
	}
	addr, err := netip.ParseAddrPort(c.LocalAddr().String())
	return addr, errors.Join(err, c.Close())
}

func freeTCP() (netip.AddrPort, error) {
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return netip.AddrPort{}, err
	}
	addr, err := netip.ParseAddrPort(l.Addr().String())
	return addr, errors.Join(err, l.Close())
}
