package exporter

import (
	"encoding/binary"
	"math/rand/v2"

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
	shapes        [profileCount][shapeCount]shape
	salt          uint32
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
	return t, newConversations(r, t.conversations[:])
}

// trafficStream tells the random numbers of the traffic from those of the
// exporters, which have the same seed.
const trafficStream = 1

// writeRecord writes the flow with this number, as exported at uptime, into the
// first 48 bytes of b.
func (t *traffic) writeRecord(b []byte, flow, uptime uint32) {
	n := scatter(flow ^ t.salt)
	more := n * 0x9e3779b1 // 2^32 divided by the golden ratio: n's bits, mixed upwards
	c := &t.conversations[n%conversationCount]
	free := n >> conversationBits & (1<<clientPortBits - 1)
	s := &t.shapes[c.profile][n>>(32-shapeLowBits)|more>>(32-shapeHighBits)<<shapeLowBits]

	record := (*[netflow5.RecordLen]byte)(b)
	*record = c.record
	octets := s.octets
	if c.clientPort != 0 {
		binary.BigEndian.PutUint16(record[c.clientPort:], uint16(firstClientPort+free))
	} else {
		octets += free
	}
	last := uptime - more>>shapeHighBits&(1<<lagBits-1)
	binary.BigEndian.PutUint32(record[offPackets:], s.packets)
	binary.BigEndian.PutUint32(record[offOctets:], octets)
	binary.BigEndian.PutUint32(record[offFirstUptime:], last-s.duration)
	binary.BigEndian.PutUint32(record[offLastUptime:], last)
	record[offTCPFlags] = s.tcpFlags
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
