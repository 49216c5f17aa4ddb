package exporter

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/netflow5"
)

// Where a record's fields are, in bytes, that differ from flow to flow.
const (
	offPackets         = 16
	offOctets          = 20
	offFirstUptime     = 24
	offLastUptime      = 28
	offSourcePort      = 32
	offDestinationPort = 34
	offTCPFlags        = 37
)

// How a flow's number is divided up. The three parts are all of its 32 bits,
// and different parts make different records: that is why no record repeats
// within 2^32 flows. Only their system uptime tells apart what comes later.
const (
	conversationBits = 12 // which conversation
	clientPortBits   = 14 // the client's port, or octets where there are no ports
	shapeLowBits     = 32 - conversationBits - clientPortBits
	// shapeHighBits more choose a shape. They are not the number's own.
	shapeHighBits = 5

	conversationCount = 1 << conversationBits
	shapeCount        = 1 << (shapeLowBits + shapeHighBits)
)

// firstClientPort begins the dynamic ports, RFC 6335 section 6: 2^14 of them.
const firstClientPort = 1<<16 - 1<<clientPortBits

// lagBits is how long ago, at most, a flow ended when it is exported: 2^14 ms,
// about the usual inactive time-out of 15 s.
const lagBits = 14

// traffic makes flow records out of tables: who talks to whom, and how much.
// It does not change once made.
type traffic struct {
	conversations [conversationCount]conversation
	// records are the same, for formats other than version 5.
	records []decoder.Record
	shapes  [profileCount][shapeCount]shape
	salt    uint32
}

// conversation is a record of two hosts and a service, ready but for what
// differs from flow to flow. No two are equal.
type conversation struct {
	record  [netflow5.RecordLen]byte
	profile profile
	// clientPort is the offset in record of the client's port; 0 if the
	// protocol has no ports.
	clientPort uint8
}

// shape is how much a flow carried and how long it took. No two of a profile
// are equal; those of protocols without ports differ in packets.
type shape struct {
	packets, octets uint32
	duration        uint32 // milliseconds
	tcpFlags        uint8
}

// newTraffic makes the traffic that belongs to a seed.
func newTraffic(seed uint64) (*traffic, error) {
	r := rand.New(rand.NewPCG(seed, trafficStream))
	t := &traffic{salt: r.Uint32()}
	for p := range profileCount {
		newShapes(r, p, t.shapes[p][:])
	}
	var err error
	t.records, err = newConversations(r, t.conversations[:])
	return t, err
}

// trafficStream tells the random numbers of the traffic from those of the
// exporters, which have the same seed.
const trafficStream = 1

// drawn is a flow: its conversation, its shape, and what chose them. It has few
// fields, so that it stays in registers.
type drawn struct {
	conversation *conversation
	shape        *shape
	n, more      uint32
}

// draw is the flow with this number.
func (t *traffic) draw(flow uint32) drawn {
	n := scatter(flow ^ t.salt)
	more := n * 0x9e3779b1 // 2^32 divided by the golden ratio: n's bits, mixed upwards
	c := &t.conversations[n%conversationCount]
	return drawn{c, &t.shapes[c.profile][n>>(32-shapeLowBits)|more>>(32-shapeHighBits)<<shapeLowBits], n, more}
}

// index is that of its conversation.
func (d drawn) index() uint32 { return d.n % conversationCount }

// free is what tells it from others of its conversation and its shape.
func (d drawn) free() uint32 { return d.n >> conversationBits & (1<<clientPortBits - 1) }

// clientPort is for protocols that have ports.
func (d drawn) clientPort() uint16 { return uint16(firstClientPort + d.free()) }

// octets are those of its shape, and, without a port, those that tell it apart.
func (d drawn) octets() uint32 {
	if d.conversation.clientPort == 0 {
		return d.shape.octets + d.free()
	}
	return d.shape.octets
}

// lag is how many milliseconds before its export it ended.
func (d drawn) lag() uint32 { return d.more >> shapeHighBits & (1<<lagBits - 1) }

// writeRecord writes the flow with this number, as exported at uptime, into the
// first 48 bytes of b.
func (t *traffic) writeRecord(b []byte, flow, uptime uint32) {
	d := t.draw(flow)
	record := (*[netflow5.RecordLen]byte)(b)
	*record = d.conversation.record
	if at := d.conversation.clientPort; at != 0 {
		binary.BigEndian.PutUint16(record[at:], d.clientPort())
	}
	last := uptime - d.lag()
	binary.BigEndian.PutUint32(record[offPackets:], d.shape.packets)
	binary.BigEndian.PutUint32(record[offOctets:], d.octets())
	binary.BigEndian.PutUint32(record[offFirstUptime:], last-d.shape.duration)
	binary.BigEndian.PutUint32(record[offLastUptime:], last)
	record[offTCPFlags] = d.shape.tcpFlags
}

// scatter maps 32-bit numbers one to one onto others that look random: the last
// step of MurmurHash3.
func scatter(n uint32) uint32 {
	n ^= n >> 16
	n *= 0x85ebca6b
	n ^= n >> 13
	n *= 0xc2b2ae35
	return n ^ n>>16
}
