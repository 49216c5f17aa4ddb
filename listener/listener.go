package listener

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"
)

// Config says where to listen and how.
type Config struct {
	// Address is the UDP host:port to listen on, as ParseAddress reads it. An
	// empty host, or [::], means every address of this machine, IPv4 and, where
	// there is such, IPv6; 0.0.0.0 means every IPv4 address. Port 0 lets the system
	// choose one. A multicast group is joined on its interface, or on that of the
	// route to it.
	Address string
	// Sockets is how many sockets share the address, at least 1. A multicast group
	// has one, whatever it says: the kernel would hand each datagram to all. So do
	// broadcast addresses, and every address on systems other than Linux.
	Sockets int
	// ReceiveBuffer is the sum of the sockets' receive buffers in bytes, at
	// least 1 and below 1 GiB a socket. The kernel may grant less, see Stats.
	ReceiveBuffer int
	// Delay is how long datagrams may be left in the receive buffer for more to
	// be read with them, when enough are expected; 0 means not at all. It is the
	// most that it adds to the time of receipt.
	Delay time.Duration
	// Logger receives what an operator should know; nil means nothing is logged.
	Logger *slog.Logger
}

// Datagram is one UDP payload and where it came from.
type Datagram struct {
	// From is the sender. An IPv4-mapped IPv6 address is given as IPv4, and no
	// address has a zone.
	From netip.AddrPort
	// Payload is what was sent, 0 to 65,527 bytes and never truncated.
	Payload []byte
}

// Handler takes the datagrams of one read, at least one, in the order in which
// they arrived. Received is the clock when the read returned, wall clock and
// monotonic.
//
// A Handler is called by one goroutine only. Batch and all payloads belong to
// the listener: once the Handler returned they are used again, and after the
// last call touching a payload may end the process. While a Handler runs its
// socket is not read. A panic in it ends the process. It may call Close and
// Stats, but not Drain, which would wait for the Handler itself.
type Handler func(batch []Datagram, received time.Time)

// Stats is a snapshot of a Listener.
type Stats struct {
	// ReceiveBufferAsked and ReceiveBufferGranted are bytes over all sockets:
	// Config.ReceiveBuffer, and what the kernel made of it.
	ReceiveBufferAsked, ReceiveBufferGranted int
	// KernelDropped counts the datagrams that the kernel threw away after it had
	// found their socket: its receive buffer was full, in rare cases the
	// memory for all sockets was used up or a checksum was wrong. What Drain
	// refuses is not in it. It is 0 where the system does not tell.
	KernelDropped uint64
}

// Listener is the sockets of one address. All its methods may be called by
// several goroutines at once.
type Listener struct {
	sockets []*socket
	addr    netip.AddrPort
	asked   int // bytes of receive buffer over all sockets

	mu      sync.Mutex
	serving bool // Serve was called, and had something to do
	stopped bool // Drain or Close was called

	served chan struct{} // closed when Serve has ended
}

// Listen binds the sockets. Nothing is read before Serve is called, but the
// kernel queues what arrives.
//
// The address must be free: an address that another process has is an error,
// although SO_REUSEPORT would let both share it, and each lose a part of its
// datagrams to the other. It is bound as it was asked for, to no more and no less,
// which the system is asked to confirm; or it is refused. So is a name that stands
// for several addresses: Address.Resolve returns them.
//
// What was bound is logged, and as a warning with the cure what the kernel
// granted less than asked.
func Listen(cfg Config) (*Listener, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	t, err := cfg.target()
	if err != nil {
		return nil, err
	}
	endpoints, bound, err := bind(t, cfg.Sockets)
	if err != nil {
		return nil, err
	}
	l := &Listener{addr: bound, asked: cfg.ReceiveBuffer, served: make(chan struct{})}
	for i, endpoint := range endpoints {
		name := fmt.Sprintf("socket %d of %v", i, l.addr)
		l.sockets = append(l.sockets, &socket{name: name, endpoint: endpoint, delay: cfg.Delay, started: time.Now()})
	}
	log := loggerOrNone(cfg.Logger)
	if err := l.prepare(log); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	l.logBound(log, t)
	return l, nil
}

// target returns what is to be bound.
func (c Config) target() (target, error) {
	address, err := ParseAddress(c.Address)
	if err != nil {
		return target{}, fmt.Errorf("listener: cannot listen on %q: %w: write it as host:port, such as :2055", c.Address, err)
	}
	all, err := address.Resolve()
	if err != nil {
		return target{}, err
	}
	if len(all) > 1 {
		return target{}, fmt.Errorf("listener: %q stands for %v: listen on each of them", c.Address, all)
	}
	return newTarget(all[0])
}

// logBound tells what was bound, beside what was asked for.
func (l *Listener) logBound(log *slog.Logger, t target) {
	args := []any{"address", t.asked, "bound", l.addr.String(), "sockets", len(l.sockets)}
	switch {
	case t.ip.IsMulticast():
		args = append(args, "group_joined_on", t.device.Name)
	case t.device != nil:
		args = append(args, "interface", t.device.Name)
	}
	log.Info("listening", args...)
}

// validate returns the first mistake in c, or nil.
func (c Config) validate() error {
	if c.Sockets < 1 {
		return fmt.Errorf("listener: %d sockets for %q: there must be at least 1", c.Sockets, c.Address)
	}
	if c.ReceiveBuffer < 1 {
		return fmt.Errorf("listener: receive buffer of %d bytes for %q: it must be at least 1", c.ReceiveBuffer, c.Address)
	}
	return nil
}

// prepare sets the options of all sockets and warns of what they lack.
func (l *Listener) prepare(logger *slog.Logger) error {
	share := (l.asked + len(l.sockets) - 1) / len(l.sockets)
	if share > MaxReceiveBuffer {
		return fmt.Errorf("listener: receive buffer of %d bytes for each socket of %v: it must be at most %d", share, l.addr, MaxReceiveBuffer)
	}
	var capped, uncounted bool
	for _, s := range l.sockets {
		granted, err := s.setReceiveBuffer(share)
		if err != nil {
			return fmt.Errorf("listener: %s: receive buffer of %d bytes: %w", s.name, share, err)
		}
		s.granted = granted
		capped = capped || granted < share
		_, err = s.kernelDrops()
		uncounted = uncounted || err != nil
	}
	if capped {
		logger.Warn("receive buffer is smaller than asked: bursts may be lost",
			"address", l.addr, "asked_bytes", l.asked, "granted_bytes", l.Stats().ReceiveBufferGranted,
			"cure", l.BufferCure())
	}
	if uncounted {
		logger.Warn("this system does not tell which datagrams it dropped: they are not counted", "address", l.addr)
	}
	return nil
}

// Addr returns the bound address, with the port that the system chose if it
// was asked to. Listening on all IPv4 and IPv6 addresses gives [::].
func (l *Listener) Addr() netip.AddrPort { return l.addr }

// Stats may be called at any time, also after Drain or Close. It asks the
// kernel for the drops since the last call, so that they are counted even when
// no datagram follows them. The kernel counts in 32 bits: drops are lost to the
// count when 2^32 of them or more lie between two calls.
func (l *Listener) Stats() Stats {
	stats := Stats{ReceiveBufferAsked: l.asked}
	for _, s := range l.sockets {
		stats.ReceiveBufferGranted += s.granted
		stats.KernelDropped += s.drops.update(s.kernelDrops)
	}
	return stats
}

// Stalled names each socket whose handler has been running for limit or longer,
// and says for how long. It is cheap.
func (l *Listener) Stalled(limit time.Duration) []string {
	var stalled []string
	for _, s := range l.sockets {
		if running := s.handlerRunning(); running > 0 && running >= limit {
			stalled = append(stalled, fmt.Sprintf("%s: its handler has been running for %v", s.name, running.Round(time.Millisecond)))
		}
	}
	return stalled
}

// BufferCure returns what lets the sockets have the receive buffer that was asked for.
func (l *Listener) BufferCure() string {
	return receiveBufferCure((l.asked + len(l.sockets) - 1) / len(l.sockets))
}

// closeAll closes all of endpoints.
func closeAll(endpoints []*endpoint) error {
	var errs []error
	for _, e := range endpoints {
		errs = append(errs, e.close())
	}
	return errors.Join(errs...)
}

// loggerOrNone returns logger, or one that logs nothing.
func loggerOrNone(logger *slog.Logger) *slog.Logger {
	if logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return logger
}
