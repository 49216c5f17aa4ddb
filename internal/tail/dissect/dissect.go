package dissect

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"time"
)

// maxHex is how many bytes of something unknown are shown.
const maxHex = 256

// Dissector shows datagrams, one after the other: data records by the templates that came
// before. It belongs to one goroutine. Its memory is bounded.
type Dissector struct {
	templates map[templateKey][]fieldSpec
	// fields is how many all of them have.
	fields int
}

// New returns a dissector that knows no templates.
func New() *Dissector { return &Dissector{templates: make(map[templateKey][]fieldSpec)} }

// Append appends what a datagram holds as lines of text. Cut means that the datagram was
// longer.
func (d *Dissector) Append(b, payload []byte, from netip.AddrPort, received time.Time, cut bool) []byte {
	p := page{b: b}
	when := "-"
	if !received.IsZero() {
		when = received.UTC().Format("2006-01-02 15:04:05.000000")
	}
	source := "-"
	if from.IsValid() {
		source = from.String()
	}
	p.line(0, "%s %s %d bytes: %s", when, source, len(payload), nameOf(payload))
	switch nameOf(payload) {
	case nameNetFlow5:
		p.netflow5(payload)
	case nameNetFlow9:
		d.netflow9(&p, payload, from)
	case nameIPFIX:
		d.ipfix(&p, payload, from)
	case nameSFlow:
		p.sflow(payload)
	default:
		p.bytes(1, "payload", payload)
	}
	if cut {
		p.line(1, "! the capture holds no more of it")
	}
	return append(p.b, '\n')
}

// Names of formats.
const (
	nameNetFlow5 = "NetFlow v5"
	nameNetFlow9 = "NetFlow v9"
	nameIPFIX    = "IPFIX"
	nameSFlow    = "sFlow v5"
	nameUnknown  = "not of NetFlow, IPFIX or sFlow"
)

// nameOf returns the name of the format that a payload begins like.
func nameOf(b []byte) string {
	if len(b) < 4 {
		return nameUnknown
	}
	switch binary.BigEndian.Uint16(b) {
	case 5:
		return nameNetFlow5
	case 9:
		return nameNetFlow9
	case 10:
		return nameIPFIX
	case 0:
		if binary.BigEndian.Uint32(b) == 5 {
			return nameSFlow
		}
	}
	return nameUnknown
}

// page is the text of a datagram.
type page struct{ b []byte }

// line appends a line at a depth.
func (p *page) line(depth int, format string, args ...any) {
	for range depth {
		p.b = append(p.b, "  "...)
	}
	p.b = append(fmt.Appendf(p.b, format, args...), '\n')
}

// bytes appends bytes of which nothing is known.
func (p *page) bytes(depth int, what string, b []byte) {
	if len(b) == 0 {
		return
	}
	more := ""
	if len(b) > maxHex {
		more = "..."
	}
	p.line(depth, "%s: %d bytes %s%s", what, len(b), hex.EncodeToString(b[:min(len(b), maxHex)]), more)
}

// cut tells that something goes on behind what is there, and shows what there is.
func (p *page) cut(depth int, what string, b []byte) {
	p.line(depth, "! %s is cut off or has an impossible length", what)
	p.bytes(depth, "rest", b)
}

// numbers takes big-endian numbers off bytes that hold them.
type numbers struct {
	b  []byte
	at int
}

func (n *numbers) of8() uint8 {
	n.at++
	return n.b[n.at-1]
}

func (n *numbers) of16() uint16 {
	n.at += 2
	return binary.BigEndian.Uint16(n.b[n.at-2:])
}

func (n *numbers) of32() uint32 {
	n.at += 4
	return binary.BigEndian.Uint32(n.b[n.at-4:])
}

func (n *numbers) address4() netip.Addr {
	n.at += 4
	return netip.AddrFrom4([4]byte(n.b[n.at-4:]))
}

// moment shows seconds since 1970, and what they mean.
func moment(seconds, nanoseconds uint32) string {
	text := strconv.FormatUint(uint64(seconds), 10)
	if nanoseconds != 0 {
		text += fmt.Sprintf("+%dns", nanoseconds)
	}
	return text + " (" + time.Unix(int64(seconds), int64(nanoseconds)).UTC().Format("2006-01-02 15:04:05.999999999") + ")"
}
