package pcap

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
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

// ErrNoCapture is the error of a file that is neither a capture nor a payload
// that the caller wants.
var ErrNoCapture = errors.New("pcap: it is neither pcap nor pcapng, and does not begin like a datagram of NetFlow, IPFIX or sFlow; name a capture")

// maxPayload is the largest payload of UDP over IPv4.
const maxPayload = 65507

// The first bytes of files: RFC 1952, section 2.3.1; IETF draft-ietf-opsawg-pcapng
// and draft-ietf-opsawg-pcap, section 4, in both byte orders, times in micro- and
// nanoseconds.
const (
	magicGzip   = 0x1f8b
	magicPcapng = 0x0a0d0d0a
)

var magicsPcap = map[uint32]bool{0xa1b2c3d4: true, 0xd4c3b2a1: true, 0xa1b23c4d: true, 0x4d3cb2a1: true}

// Read reads a capture and calls fn for each UDP datagram in it, in the order in
// which they were complete. It stops when fn returns an error, and returns that.
//
// It reads pcap and pcapng; either may be packed with gzip. Frames may be
// Ethernet (with VLAN tags, PPPoE, MPLS), BSD loopback, raw IP or Linux cooked.
// IP fragments are put together. Packets that are not UDP are left out. Any
// other input is one bare payload if isPayload says so, and else gets
// ErrNoCapture.
//
// An error names the packet after which the file could not be read, and what to
// do. One that wraps io.ErrUnexpectedEOF says that the capture was cut off; all
// whole packets have been given to fn by then.
func Read(r io.Reader, isPayload func([]byte) bool, fn func(Packet) error) error {
	input := bufio.NewReaderSize(r, 64<<10)
	if magic, err := input.Peek(2); err == nil && binary.BigEndian.Uint16(magic) == magicGzip {
		unpacked, err := gzip.NewReader(input)
		if err != nil {
			return fmt.Errorf("pcap: begins like gzip, but: %w; fetch the file again", err)
		}
		input = bufio.NewReaderSize(unpacked, 64<<10)
	}
	magic, err := input.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return unreadable(0, err)
	}
	switch {
	case len(magic) < 4:
		return readPayload(input, isPayload, fn)
	case binary.BigEndian.Uint32(magic) == magicPcapng:
		return readPcapng(input, newUnwrapper(fn))
	case magicsPcap[binary.BigEndian.Uint32(magic)]:
		return readPcap(input, newUnwrapper(fn))
	default:
		return readPayload(input, isPayload, fn)
	}
}

// readPayload takes all of the input for one payload.
func readPayload(input io.Reader, isPayload func([]byte) bool, fn func(Packet) error) error {
	payload, err := io.ReadAll(io.LimitReader(input, maxPayload+1))
	if err != nil {
		return unreadable(0, err)
	}
	if len(payload) > maxPayload {
		return fmt.Errorf("pcap: it is not pcap or pcapng, and as a payload it is too long: more than %d bytes; save it as pcap", maxPayload)
	}
	if !isPayload(payload) {
		return ErrNoCapture
	}
	return fn(Packet{Payload: payload})
}

func readPcap(input io.Reader, u *unwrapper) error {
	r, err := pcapgo.NewReader(input)
	if err != nil {
		return unreadable(0, unexpected(err))
	}
	return readFrames(r, u, func(*gopacket.CaptureInfo) layers.LinkType { return r.LinkType() })
}

func readPcapng(input io.Reader, u *unwrapper) error {
	r, err := pcapgo.NewNgReader(input, pcapgo.NgReaderOptions{WantMixedLinkType: true, SkipUnknownVersion: true})
	if err != nil {
		return unreadable(0, unexpected(err))
	}
	return readFrames(r, u, func(info *gopacket.CaptureInfo) layers.LinkType {
		link, _ := info.AncillaryData[0].(layers.LinkType) // each packet has that of its interface
		return link
	})
}

// readFrames reads all frames of a capture, each of the link type that link says.
func readFrames(r gopacket.ZeroCopyPacketDataSource, u *unwrapper, link func(*gopacket.CaptureInfo) layers.LinkType) error {
	for packets := 0; ; packets++ {
		frame, info, err := r.ZeroCopyReadPacketData()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return unreadable(packets, err)
		}
		if err := u.frame(link(&info), info.Timestamp, frame); err != nil {
			return err
		}
	}
}

// unexpected is err, but for the end of a file that has begun.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// unreadable says after how many packets a file could not be read.
func unreadable(packets int, err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("pcap: after %d packets: %w: the file was cut off; what is before that was read, capture or fetch it again for the rest", packets, err)
	}
	return fmt.Errorf("pcap: after %d packets: %w: the file is damaged or of another kind; capture or fetch it again", packets, err)
}
