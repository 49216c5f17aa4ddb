package exporter

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"
)

// Packet is a UDP datagram found in a capture.
type Packet struct {
	// Time is when it was captured. Zero means that the capture does not say.
	Time time.Time
	// Source and Destination are those of the datagram. They are not valid when
	// the capture does not say, as in a file that is a bare payload.
	Source, Destination netip.AddrPort
	// Payload is valid until the function it was given to returns.
	Payload []byte
	// Truncated: the datagram was longer than Payload, but the rest was not
	// captured.
	Truncated bool
}

// Limits of what is read. Memory is bounded by them, whatever a file claims.
const (
	// maxPayload is the largest payload of UDP over IPv4.
	maxPayload = 65507
	// maxFrame is the largest frame that a capture may hold, as in libpcap.
	maxFrame = 256 << 10
)

// magicGzip begins gzip data, RFC 1952 section 2.3.1.
const magicGzip = 0x1f8b

// ReadCapture reads a capture and calls fn for each UDP datagram in it, in the
// order in which they were complete. It stops when fn returns an error, and
// returns that.
//
// It reads pcap (times in micro- or nanoseconds, either byte order, also with
// the record headers of "modified" libpcap) and pcapng; either may be packed
// with gzip. Frames may be Ethernet (with VLAN tags, PPPoE, MPLS), BSD loopback,
// raw IP or Linux cooked. IP fragments are put together. Packets that are not
// UDP are left out. Anything else must begin like a datagram of flow export,
// and is then taken for the bare payload of one; else the error is ErrNoCapture.
//
// The capture is not trusted: memory is bounded, and an error names the offset,
// in unpacked bytes, and what to do. One that wraps io.ErrUnexpectedEOF says
// that the capture was cut off; all whole packets have been given to fn by then.
func ReadCapture(r io.Reader, fn func(Packet) error) error {
	return readAny(r, false, fn)
}

// readAny is ReadCapture. If anyPayload, what is no capture is taken for a
// payload whatever it holds.
func readAny(r io.Reader, anyPayload bool, fn func(Packet) error) error {
	input := bufio.NewReaderSize(r, 64<<10)
	if magic, err := input.Peek(2); err == nil && binary.BigEndian.Uint16(magic) == magicGzip {
		unpacked, err := gzip.NewReader(input)
		if err != nil {
			return fmt.Errorf("exporter: capture: begins like gzip, but: %w; fetch the file again", err)
		}
		input = bufio.NewReaderSize(unpacked, 64<<10)
	}
	in := &captureReader{r: input}
	magic, err := input.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("exporter: capture: %w", err)
	}
	deliver := newUnwrapper(fn)
	switch {
	case len(magic) < 4:
		return readPayload(in, anyPayload, fn)
	case binary.BigEndian.Uint32(magic) == blockSectionHeader:
		return readPcapng(in, deliver)
	default:
		if format, ok := pcapFormats[[4]byte(magic)]; ok {
			return readPcap(in, format, deliver)
		}
		return readPayload(in, anyPayload, fn)
	}
}

// ErrNoCapture is what a file gets that nobody means to send.
var ErrNoCapture = errors.New("exporter: capture: it is neither pcap nor pcapng, and does not begin like a datagram of NetFlow, IPFIX or sFlow; name a capture")

// readPayload takes all of the input for one payload.
func readPayload(in *captureReader, anyPayload bool, fn func(Packet) error) error {
	payload, err := io.ReadAll(io.LimitReader(in.r, maxPayload+1))
	if err != nil {
		return in.cutOff(err)
	}
	if len(payload) > maxPayload {
		return fmt.Errorf("exporter: capture: it is not pcap or pcapng, and as a payload it is too long: more than %d bytes; save it as pcap", maxPayload)
	}
	if !anyPayload && !isFlowExport(payload) {
		return ErrNoCapture
	}
	return fn(Packet{Payload: payload})
}

// captureReader reads a capture and knows where it is.
type captureReader struct {
	r      *bufio.Reader
	offset int64
	buffer []byte
}

// read returns the next n bytes, valid until the next call. The caller has
// bounded n. At the very end of the input the error is io.EOF.
func (c *captureReader) read(n int) ([]byte, error) {
	if cap(c.buffer) < n {
		c.buffer = make([]byte, n)
	}
	b := c.buffer[:n]
	got, err := io.ReadFull(c.r, b)
	c.offset += int64(got)
	return b, err
}

// rest returns the next n bytes of something that has begun, so that the end of
// the input is unexpected.
func (c *captureReader) rest(n int) ([]byte, error) {
	b, err := c.read(n)
	return b, c.cutOff(err)
}

// skip passes over n bytes of something that has begun.
func (c *captureReader) skip(n int64) error {
	done, err := io.CopyN(io.Discard, c.r, n)
	c.offset += done
	return c.cutOff(err)
}

// cutOff turns the end of the input into an error.
func (c *captureReader) cutOff(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return c.fail(fmt.Errorf("%w: the file was cut off; what is before that was read, capture or fetch it again for the rest", io.ErrUnexpectedEOF))
	}
	if err != nil {
		return c.fail(fmt.Errorf("reading: %w; check the file, or fetch it again", err))
	}
	return nil
}

// fail adds the offset to an error.
func (c *captureReader) fail(err error) error {
	return fmt.Errorf("exporter: capture: offset %d: %w", c.offset, err)
}

// damagedf is an error about what the capture says.
func (c *captureReader) damagedf(format string, args ...any) error {
	return c.fail(fmt.Errorf(format+": the file is damaged or of another kind; capture or fetch it again", args...))
}
