package listener

import (
	"errors"
	"os"
	"syscall"
)

// bindCure returns what to do about err, to be added to its text.
func bindCure(err error) string {
	var call *os.SyscallError
	switch {
	case errors.As(err, &call) && call.Syscall == bindToDevice && errors.Is(err, syscall.EPERM):
		return ": to bind to an interface takes CAP_NET_RAW on Linux before 5.7: grant it, or leave out the interface"
	case errors.As(err, &call) && call.Syscall == joinGroup && errors.Is(err, syscall.ENOBUFS):
		return ": this socket or machine has as many groups as it may (Linux: sysctl net.ipv4.igmp_max_memberships)"
	case errors.As(err, &call) && call.Syscall == joinGroup:
		return ": choose another interface, or another group"
	case errors.Is(err, syscall.EADDRINUSE):
		return ": another process, or another address of this one, has the port: stop it or choose another port"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return ": this machine does not have the address: leave the host empty to listen on all it has"
	case errors.Is(err, syscall.EACCES):
		return ": a port below 1024 needs a privilege (Linux: CAP_NET_BIND_SERVICE): choose a higher one"
	default:
		return ""
	}
}

// What binding does, as its errors name it.
const (
	bindToDevice = "SO_BINDTODEVICE"
	joinGroup    = "joining the group"
)
