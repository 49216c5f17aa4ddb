package exporter

import (
	"encoding/binary"
	"testing"

	"github.com/flowpub/flowpub/decoder/netflow5"
)

// gather is the inverse of scatter: that there is one is what makes scatter
// one to one.
func gather(n uint32) uint32 {
	n ^= n >> 16
	n *= inverse(0xc2b2ae35)
	n ^= n>>13 ^ n>>26
	n *= inverse(0x85ebca6b)
	return n ^ n>>16
}

// inverse is what an odd number has to be multiplied with to make 1 modulo
// 2^32. Newton's method doubles the bits that are right, from 3 on.
func inverse(odd uint32) uint32 {
	x := odd
	for range 4 {
		x *= 2 - odd*x
	}
	return x
}

func TestScatterIsOneToOne(t *testing.T) {
	t.Parallel()
	for i := range uint32(1 << 16) {
		n := i * 0x10001
		if got := gather(scatter(n)); got != n {
			t.Fatalf("%#x came back as %#x", n, got)
		}
	}
}

// unpatched is what of a conversation's record stays in each of its flows.
func unpatched(c *conversation) (record [netflow5.RecordLen]byte) {
	record = c.record
	for i := offPackets; i < offSourcePort; i++ {
		record[i] = 0
	}
	record[offTCPFlags] = 0
	if c.clientPort != 0 {
		binary.BigEndian.PutUint16(record[c.clientPort:], 0)
	}
	return record
}

func TestConversationsDiffer(t *testing.T) {
	t.Parallel()
	traffic, err := newTraffic(3)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[[netflow5.RecordLen]byte]int{}
	for i := range traffic.conversations {
		record := unpatched(&traffic.conversations[i])
		if j, found := seen[record]; found {
			t.Fatalf("conversations %d and %d have the same record %x", i, j, record)
		}
		seen[record] = i
	}
}

// TestFlowsDiffer writes all the flows that could be equal the most easily:
// those of one conversation and one client port, and some of that
// conversation's other ports. The rest differ by TestConversationsDiffer.
func TestFlowsDiffer(t *testing.T) {
	t.Parallel()
	traffic, err := newTraffic(3)
	if err != nil {
		t.Fatal(err)
	}
	const uptime = 1_000_000_000
	profiles := map[profile]bool{}
	for conversation := range uint32(200) {
		seen := map[[netflow5.RecordLen]byte]bool{}
		flows := 0
		for free := range uint32(32) {
			for shape := range uint32(1 << shapeLowBits) {
				n := shape<<(conversationBits+clientPortBits) | free<<conversationBits | conversation
				var record [netflow5.RecordLen]byte
				traffic.writeRecord(record[:], gather(n)^traffic.salt, uptime)
				if got := freePart(&traffic.conversations[conversation], record[:]); got != free {
					t.Fatalf("flow %#x: its record holds %d for %d", n, got, free)
				}
				// When it ended is chance, so it must differ by something else.
				first, last := binary.BigEndian.Uint32(record[offFirstUptime:]), binary.BigEndian.Uint32(record[offLastUptime:])
				binary.BigEndian.PutUint32(record[offFirstUptime:], last-first)
				binary.BigEndian.PutUint32(record[offLastUptime:], 0)
				seen[record] = true
				flows++
			}
		}
		if len(seen) != flows {
			t.Fatalf("conversation %d: %d flows make %d records", conversation, flows, len(seen))
		}
		profiles[traffic.conversations[conversation].profile] = true
	}
	if len(profiles) != int(profileCount) {
		t.Errorf("profiles %v: not all were tried", profiles)
	}
}

// freePart finds in a record the part of the flow's number that is the client's
// port, or what was added to 64 octets a packet.
func freePart(c *conversation, record []byte) uint32 {
	if c.clientPort != 0 {
		return uint32(binary.BigEndian.Uint16(record[c.clientPort:])) - 49152
	}
	return binary.BigEndian.Uint32(record[offOctets:]) - 64*binary.BigEndian.Uint32(record[offPackets:])
}

func TestWriteRecordDoesNotAllocate(t *testing.T) {
	traffic, err := newTraffic(3)
	if err != nil {
		t.Fatal(err)
	}
	record, flow := make([]byte, netflow5.RecordLen), uint32(0)
	if n := testing.AllocsPerRun(1000, func() {
		traffic.writeRecord(record, flow, 1e9)
		flow++
	}); n != 0 {
		t.Errorf("%v allocations a flow", n)
	}
}
