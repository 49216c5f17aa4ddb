package tail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/flowpub/flowpub/internal/pcap"
	"github.com/flowpub/flowpub/internal/tail/wire"
)

// datagram is one that an exporter sent.
type datagram struct {
	payload  []byte
	from     netip.AddrPort
	received time.Time
	// cut: it was longer than payload.
	cut bool
}

// datagrams makes messages of datagrams, or shows them as they are.
type datagrams struct {
	cfg     *Config
	decoder *wire.Decoder
	sink    *sink
	packets *packets // nil: messages are made of them
	message message
}

func newDatagrams(cfg *Config, s *sink) *datagrams {
	d := &datagrams{cfg: cfg, decoder: wire.New(), sink: s}
	if cfg.Packets {
		d.packets = newPackets(cfg)
		s.output = d.packets
	}
	return d
}

// take takes a datagram.
func (d *datagrams) take(in *datagram) error {
	if d.packets != nil {
		return d.show(in)
	}
	err := d.decoder.Decode(in.payload, in.from, in.received, d.emit)
	switch {
	case err == nil, errors.Is(err, errEnough):
		return err
	case d.message.value == nil: // not of emit
		d.sink.unreadable(in, err)
		return nil
	default:
		return err
	}
}

// emit hands on a message. It is there as long as that is at work.
func (d *datagrams) emit(value []byte) error {
	d.message.value = value
	if err := d.sink.take(&d.message); err != nil {
		return err
	}
	d.message.value = nil
	return nil
}

func (d *datagrams) show(in *datagram) error {
	if err := d.packets.show(in); err != nil {
		return printing(err)
	}
	d.sink.summary.Printed++
	if d.sink.summary.Printed == d.cfg.Limit {
		return errEnough
	}
	return nil
}

// end notes what could not be read.
func (d *datagrams) end() { d.sink.summary.Waiting = d.decoder.Missed() }

// idle shows what waits to be shown.
func (d *datagrams) idle() error { return d.sink.idle() }

// unreadable counts a datagram that is no export packet. The first one is logged.
func (s *sink) unreadable(in *datagram, reason error) {
	if s.summary.Undecodable == 0 {
		s.cfg.Logger.Warn("a datagram is not of NetFlow, IPFIX or sFlow; others like it are only counted",
			"from", in.from, "bytes", len(in.payload), "error", reason)
	}
	s.summary.Undecodable++
}

// captures are files whose datagrams are read.
type captures struct{ cfg *Config }

// findCaptures looks for the files of a configuration, so that a wrong name is told before
// anything is read or shown.
func findCaptures(cfg *Config) (*captures, error) {
	for _, name := range cfg.Files {
		if name == stdin {
			continue
		}
		if _, err := os.Stat(name); err != nil {
			return nil, fmt.Errorf("tail: %w: check its name", err)
		}
	}
	return &captures{cfg: cfg}, nil
}

// idleDatagrams is after how many datagrams of a capture the output is flushed, and the
// context looked at.
const idleDatagrams = 256

// run is part of source.
func (c *captures) run(ctx context.Context, s *sink) error {
	d := newDatagrams(c.cfg, s)
	defer d.end()
	for _, name := range c.cfg.Files {
		if err := c.read(ctx, name, d); err != nil {
			return err
		}
	}
	return d.idle()
}

// stdin stands for standard input among files.
const stdin = "-"

func (c *captures) read(ctx context.Context, name string, d *datagrams) error {
	input := os.Stdin
	if name != stdin {
		f, err := os.Open(name) //nolint:gosec // the file that the command line names
		if err != nil {
			return fmt.Errorf("tail: %w: check its name", err)
		}
		defer func() { _ = f.Close() }() // it was only read
		input = f
	}
	n := 0
	err := pcap.Read(input, pcap.IsFlowExport, func(p pcap.Packet) error {
		if n++; n%idleDatagrams == 0 {
			if err := errors.Join(ctx.Err(), d.idle()); err != nil {
				return err
			}
		}
		return d.take(&datagram{payload: p.Payload, from: p.Source, received: p.Time, cut: p.Truncated})
	})
	switch {
	case err == nil, errors.Is(err, errEnough):
		return err
	case ctx.Err() != nil:
		return d.idle()
	case errors.Is(err, io.ErrUnexpectedEOF):
		c.cfg.Logger.Warn("a capture ends in the middle of a packet; what is before was read", "file", name)
		return d.idle()
	default:
		return fmt.Errorf("tail: %s: %w", name, err)
	}
}

// port receives datagrams.
type port struct {
	cfg  *Config
	conn *net.UDPConn
}

// receiveBuffer is what the system is asked to hold of datagrams; it may give less.
const receiveBuffer = 8 << 20

// maxDatagram is what the longest datagram has room in.
const maxDatagram = 1 << 16

// listen opens the port of a configuration.
func listen(cfg *Config) (*port, error) {
	addr, err := net.ResolveUDPAddr("udp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("tail: address %q to listen on: %w: give host:port, such as :2055", cfg.Listen, err)
	}
	conn, err := net.ListenUDP("udp", addr)
	if err != nil {
		return nil, fmt.Errorf("tail: listening on %s: %w: %s", cfg.Listen, rootCause(err), listenCure(err))
	}
	_ = conn.SetReadBuffer(receiveBuffer) // less room is no reason to stop
	cfg.Logger.Info("listening", "address", conn.LocalAddr())
	return &port{cfg, conn}, nil
}

// listenCure says what to do about an address that is not to be had.
func listenCure(err error) string {
	if errors.Is(err, syscall.EADDRINUSE) {
		return "stop what listens there, perhaps flowpub, or give another port"
	}
	return "give a port above 1023, of an address of this machine or of none, such as :2055"
}

// run is part of source.
func (p *port) run(ctx context.Context, s *sink) error {
	defer func() { _ = p.conn.Close() }() // it was only read
	d := newDatagrams(p.cfg, s)
	defer d.end()
	buffer := make([]byte, maxDatagram)
	lastIdle := time.Now()
	for ctx.Err() == nil {
		if err := p.conn.SetReadDeadline(time.Now().Add(pollWait)); err != nil {
			return fmt.Errorf("tail: listening: %w", err)
		}
		n, from, err := p.conn.ReadFromUDPAddrPort(buffer)
		now := time.Now()
		switch {
		case err == nil:
			from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
			if err := d.take(&datagram{payload: buffer[:n], from: from, received: now}); err != nil {
				return err
			}
		case !isTimeout(err):
			return fmt.Errorf("tail: listening: %w", err)
		}
		if err != nil || now.Sub(lastIdle) >= pollWait {
			lastIdle = now
			if err := d.idle(); err != nil {
				return err
			}
		}
	}
	return d.idle()
}
