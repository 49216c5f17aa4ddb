package exporter

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/flowpub/flowpub/decoder/netflow5"
	"github.com/flowpub/flowpub/internal/pcap"
)

// Replay sends the datagrams of captures.
type Replay struct {
	config ReplayConfig
	plan   addressPlan
	out    transmitter
	// indices number the exporters' addresses in the order of their appearance.
	indices map[netip.Addr]int

	mu sync.Mutex // guards sockets, which Run alone changes
	// sockets are those opened so far, by the sources in the captures.
	sockets map[netip.AddrPort]*socket

	datagrams, octets, flows, others, foreign, truncated atomic.Uint64
}

// NewReplay checks the configuration; it reads no file and opens no socket.
// Mistakes are returned all at once, each a *FieldError.
func NewReplay(c ReplayConfig) (*Replay, error) {
	if c.Target == "" {
		c.Target = DefaultTarget
	}
	if c.Loops == 0 {
		c.Loops = 1
	}
	if err := c.validate(); err != nil {
		return nil, err
	}
	target, err := resolveTarget(c.Target)
	if err != nil {
		return nil, err
	}
	plan, err := c.plan(target)
	if err != nil {
		return nil, err
	}
	return &Replay{
		config:  c,
		plan:    plan,
		out:     &network{batch: newBatch()},
		indices: map[netip.Addr]int{},
		sockets: map[netip.AddrPort]*socket{},
	}, nil
}

// Run sends the captures and returns nil when all was sent or ctx ended; then
// it closes the sockets. It opens every capture before it sends anything, and
// sends nothing when one cannot be opened. It stops at the first capture that cannot be read to
// its end. Run may be called once.
func (r *Replay) Run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, r.close()) }()
	files, err := openCaptures(r.config.Files)
	if err != nil {
		return err
	}
	defer files.close()
	if err := files.check(r.config.Payloads); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, r.interrupt)
	defer stop()
	defer awaitRefusals(ctx, r.plan.target)
	pace := newPacing(r.config.Pace, r.config.Rate)
	defer pace.stop()
	for range r.config.Loops {
		for i, name := range r.config.Files {
			err := r.send(ctx, files, i, pace)
			switch {
			case ctx.Err() != nil:
				return nil
			case err != nil:
				return replaying(name, err)
			}
		}
	}
	return nil
}

// send sends the i-th capture.
func (r *Replay) send(ctx context.Context, files *captureFiles, i int, pace *pacing) error {
	f, err := files.take(i)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // it was only read
	pace.timeline = timeline{}
	return pcap.Read(f, r.isPayload, func(p pcap.Packet) error {
		if !r.wanted(&p) {
			return nil
		}
		from, err := r.socket(p.Source)
		if err != nil {
			return err
		}
		if err := pace.wait(ctx, p.Time); err != nil {
			return err
		}
		if _, err := r.out.transmit(ctx, from, [][]byte{p.Payload}); err != nil {
			return err
		}
		r.count(p.Payload)
		return nil
	})
}

// isPayload reports whether a file that is no capture is to be sent as a datagram.
func (r *Replay) isPayload(file []byte) bool { return r.config.Payloads || pcap.IsFlowExport(file) }

// wanted reports whether a datagram is to be sent, and counts it if not.
func (r *Replay) wanted(p *pcap.Packet) bool {
	switch {
	case p.Truncated:
		r.truncated.Add(1)
	case r.config.OnlyV5 && !isVersion5(p.Payload):
		r.foreign.Add(1)
	default:
		return true
	}
	return false
}

func (r *Replay) count(payload []byte) {
	r.datagrams.Add(1)
	r.octets.Add(uint64(len(payload)))
	if !isVersion5(payload) {
		r.others.Add(1)
	} else if len(payload) >= netflow5.HeaderLen {
		announced := int(binary.BigEndian.Uint16(payload[offCount:]))
		r.flows.Add(uint64(min(announced, (len(payload)-netflow5.HeaderLen)/netflow5.RecordLen)))
	}
}

func isVersion5(payload []byte) bool {
	return len(payload) >= 2 && binary.BigEndian.Uint16(payload[offVersion:]) == 5
}

// socket returns the socket of an exporter in the capture, opening it if need
// be.
func (r *Replay) socket(exporter netip.AddrPort) (*socket, error) {
	if s := r.sockets[exporter]; s != nil {
		return s, nil
	}
	if len(r.sockets) == MaxReplayed {
		return nil, fmt.Errorf("exporter: the captures have more than %d sources: leave out what is not NetFlow version 5, or filter the capture", MaxReplayed)
	}
	s, err := r.open(exporter)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sockets[exporter] = s
	return s, nil
}

// open opens the socket of an exporter.
func (r *Replay) open(exporter netip.AddrPort) (*socket, error) {
	i, known := r.indices[exporter.Addr()]
	if !known {
		i = len(r.indices)
		r.indices[exporter.Addr()] = i
	}
	if r.config.KeepPorts {
		s, err := r.plan.open(i, exporter.Port())
		if !errors.Is(err, syscall.EADDRINUSE) && !errors.Is(err, syscall.EACCES) {
			return s, err
		}
	}
	return r.plan.open(i, 0)
}

func (r *Replay) interrupt() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.sockets {
		s.interrupt()
	}
}

func (r *Replay) close() error {
	var errs []error
	for _, s := range r.sockets {
		s.noteRefusal()
		errs = append(errs, s.close())
	}
	return errors.Join(errs...)
}

// Sources tells where the exporters met so far, by their source in the
// captures, send from. Any goroutine may call it at any time.
func (r *Replay) Sources() map[netip.AddrPort]netip.AddrPort {
	r.mu.Lock()
	defer r.mu.Unlock()
	sources := make(map[netip.AddrPort]netip.AddrPort, len(r.sockets))
	for exporter, s := range r.sockets {
		sources[exporter] = s.source
	}
	return sources
}

// Stats returns what was done so far. Any goroutine may call it at any time.
func (r *Replay) Stats() ReplayStats {
	stats := ReplayStats{
		Datagrams: r.datagrams.Load(),
		Octets:    r.octets.Load(),
		Flows:     r.flows.Load(),
		Others:    r.others.Load(),
		Foreign:   r.foreign.Load(),
		Truncated: r.truncated.Load(),
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.sockets {
		stats.Refused += s.refused.Load()
		stats.Unheard = stats.Unheard || s.unheard.Load()
	}
	return stats
}
