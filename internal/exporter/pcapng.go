package exporter

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"math/bits"
	"time"
)

// Block types and options of pcapng: IETF draft-ietf-opsawg-pcapng, section 4.
const (
	blockSectionHeader  = 0x0a0d0d0a
	blockInterface      = 1
	blockPacket         = 2 // obsolete
	blockSimplePacket   = 3
	blockEnhancedPacket = 6

	optionEnd        = 0
	optionResolution = 9
	optionOffset     = 14

	byteOrderMagic = 0x1a2b3c4d
)

const (
	// maxBlock is the longest block that is read rather than skipped: a frame
	// and its options.
	maxBlock = maxFrame + 64<<10
	// maxInterfaces is more than a machine has.
	maxInterfaces = 1 << 14
	// blockFrame is what a block has around its body: type, length, length.
	blockFrame = 12
)

// captureInterface is what an interface description block says.
type captureInterface struct {
	link       linkType
	snapLength uint32
	perSecond  uint64 // clock ticks in a second
	offset     int64  // seconds to add
}

// pcapngReader reads the blocks of a pcapng file.
type pcapngReader struct {
	in      *captureReader
	deliver *unwrapper
	// order and interfaces are those of the section.
	order      binary.ByteOrder
	interfaces []captureInterface
}

// readPcapng reads a pcapng file and gives its frames to deliver.
func readPcapng(in *captureReader, deliver *unwrapper) error {
	r := &pcapngReader{in: in, deliver: deliver, order: binary.LittleEndian}
	for {
		header, err := in.read(8)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return in.cutOff(err)
		}
		if err := r.block([8]byte(header)); err != nil {
			return err
		}
	}
}

// block reads the rest of a block that begins with a type and a length.
func (r *pcapngReader) block(header [8]byte) error {
	if binary.BigEndian.Uint32(header[:]) == blockSectionHeader {
		return r.section(header[4:])
	}
	kind := r.order.Uint32(header[:])
	length := r.order.Uint32(header[4:])
	if err := r.checkLength(length); err != nil {
		return err
	}
	handle := r.handler(kind)
	if handle == nil {
		return r.skip(length - blockFrame)
	}
	if length > maxBlock {
		return r.in.damagedf("a block of %d bytes, more than %d", length, maxBlock)
	}
	body, err := r.in.rest(int(length) - 8)
	if err != nil {
		return err
	}
	body, end := body[:len(body)-4], body[len(body)-4:]
	if again := r.order.Uint32(end); again != length {
		return r.in.damagedf("a block of %d bytes ends as one of %d", length, again)
	}
	return handle(body)
}

func (r *pcapngReader) checkLength(length uint32) error {
	if length < blockFrame || length%4 != 0 {
		return r.in.damagedf("a block of %d bytes; lengths are multiples of 4 from %d up", length, blockFrame)
	}
	return nil
}

// skip passes over a block's body and the length after it.
func (r *pcapngReader) skip(body uint32) error { return r.in.skip(int64(body) + 4) }

// handler returns what reads the bodies of a kind of block, or nil.
func (r *pcapngReader) handler(kind uint32) func([]byte) error {
	switch kind {
	case blockInterface:
		return r.describe
	case blockPacket:
		return r.obsoletePacket
	case blockSimplePacket:
		return r.simplePacket
	case blockEnhancedPacket:
		return r.enhancedPacket
	default:
		return nil
	}
}

// section begins a section, given the length of its header block in an order
// yet to be found out.
func (r *pcapngReader) section(length []byte) error {
	magic, err := r.in.rest(4)
	if err != nil {
		return err
	}
	switch uint32(byteOrderMagic) {
	case binary.LittleEndian.Uint32(magic):
		r.order = binary.LittleEndian
	case binary.BigEndian.Uint32(magic):
		r.order = binary.BigEndian
	default:
		return r.in.damagedf("a section's byte order mark is %x", magic)
	}
	r.interfaces = r.interfaces[:0]
	n := r.order.Uint32(length)
	if err := r.checkLength(n); err != nil {
		return err
	}
	if n < blockFrame+16 {
		return r.in.damagedf("a section header of %d bytes", n)
	}
	return r.skip(n - blockFrame - 4)
}

// describe reads an interface description.
func (r *pcapngReader) describe(body []byte) error {
	if len(body) < 8 {
		return r.in.damagedf("an interface description of %d bytes", len(body))
	}
	if len(r.interfaces) == maxInterfaces {
		return r.in.damagedf("more than %d interfaces", maxInterfaces)
	}
	i := captureInterface{link: linkType(r.order.Uint16(body)), snapLength: r.order.Uint32(body[4:]), perSecond: 1e6}
	if err := r.options(body[8:], &i); err != nil {
		return err
	}
	r.interfaces = append(r.interfaces, i)
	return nil
}

// options reads those options of an interface that say what its times mean.
func (r *pcapngReader) options(b []byte, i *captureInterface) error {
	for len(b) >= 4 {
		code, length := r.order.Uint16(b), int(r.order.Uint16(b[2:]))
		padded := 4 + (length+3)&^3
		if code == optionEnd || padded > len(b) {
			return nil
		}
		value := b[4 : 4+length]
		switch {
		case code == optionResolution && length == 1:
			i.perSecond = ticks(value[0])
			if i.perSecond == 0 {
				return r.in.damagedf("times in units of %#x (if_tsresol)", value[0])
			}
		case code == optionOffset && length == 8:
			i.offset = int64(r.order.Uint64(value))
		}
		b = b[padded:]
	}
	return nil
}

// ticks is how many clock ticks a second has by an if_tsresol option: 10 to the
// power of its low seven bits, or 2 if its top bit is set. 0 means more than a
// 64-bit number can say.
func ticks(resolution byte) uint64 {
	power := resolution & 0x7f
	if resolution&0x80 != 0 {
		return 1 << power // 0 from 64 on
	}
	if power > 19 {
		return 0
	}
	n := uint64(1)
	for range power {
		n *= 10
	}
	return n
}

// time is the moment that an interface's clock has counted to.
func (i *captureInterface) time(high, low uint32) time.Time {
	count := uint64(high)<<32 | uint64(low)
	seconds, left := count/i.perSecond, count%i.perSecond
	h, l := bits.Mul64(left, uint64(time.Second))
	nanoseconds, _ := bits.Div64(h, l, i.perSecond)
	return time.Unix(int64(seconds&math.MaxInt64)+i.offset, int64(nanoseconds))
}

// enhancedPacket: interface, time, captured length, original length, frame.
func (r *pcapngReader) enhancedPacket(body []byte) error {
	if len(body) < 20 {
		return r.in.damagedf("a packet block of %d bytes", len(body))
	}
	return r.packet(r.order.Uint32(body), body[4:])
}

// obsoletePacket: the same, but for a count of drops in half of the interface.
func (r *pcapngReader) obsoletePacket(body []byte) error {
	if len(body) < 20 {
		return r.in.damagedf("an obsolete packet block of %d bytes", len(body))
	}
	return r.packet(uint32(r.order.Uint16(body)), body[4:])
}

// packet reads what follows the interface in a packet block.
func (r *pcapngReader) packet(index uint32, b []byte) error {
	i, err := r.interfaceAt(index)
	if err != nil {
		return err
	}
	length, frame := r.order.Uint32(b[8:]), b[16:]
	if length > uint32(len(frame)) {
		return r.in.damagedf("a frame of %d bytes in a block that has %d left", length, len(frame))
	}
	return r.deliver.frame(i.link, i.time(r.order.Uint32(b), r.order.Uint32(b[4:])), frame[:length])
}

// simplePacket: original length, frame. It is of the first interface and
// has no time.
func (r *pcapngReader) simplePacket(body []byte) error {
	if len(body) < 4 {
		return r.in.damagedf("a simple packet block of %d bytes", len(body))
	}
	i, err := r.interfaceAt(0)
	if err != nil {
		return err
	}
	length := min(r.order.Uint32(body), uint32(len(body)-4))
	if i.snapLength > 0 {
		length = min(length, i.snapLength)
	}
	return r.deliver.frame(i.link, time.Time{}, body[4:4+length])
}

func (r *pcapngReader) interfaceAt(index uint32) (*captureInterface, error) {
	if index >= uint32(len(r.interfaces)) {
		return nil, r.in.damagedf("a packet of interface %d, of which the section describes %d", index, len(r.interfaces))
	}
	i := &r.interfaces[index]
	if !i.link.known() {
		return nil, r.in.fail(unknownLink(i.link))
	}
	return i, nil
}
