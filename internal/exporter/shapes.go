package exporter

import (
	"math"
	"math/rand/v2"
)

// TCP flags as flows have them: the OR of those of all their packets.
const (
	flagsSYN   = 0x02
	flagsReset = 0x16 // SYN, RST, ACK
	flagsOpen  = 0x18 // PSH, ACK: neither begun nor ended within the flow
	flagsWhole = 0x1b // FIN, SYN, PSH, ACK
)

// activeTimeout is when exporters cut long flows, in milliseconds.
const activeTimeout = 60_000

// maxPackets keeps octets within 32 bits at 1,500 a packet.
const maxPackets = 1_000_000

// newShapes fills made with different shapes of a profile.
func newShapes(r *rand.Rand, p profile, made []shape) {
	draw := [profileCount]func(*rand.Rand) shape{
		profileTCP:     tcpShape,
		profileQuery:   queryShape,
		profileStream:  streamShape,
		profileNoPorts: steadyShape,
	}[p]
	seen := make(map[shape]bool, len(made))
	for len(seen) < len(made) {
		s := draw(r)
		if !seen[s] {
			made[len(seen)] = s
			seen[s] = true
		}
	}
}

// tcpShape is a connection, and now and then one that nobody answered or that
// was refused.
func tcpShape(r *rand.Rand) shape {
	switch r.IntN(16) {
	case 0:
		packets := uint32(2 + r.IntN(4))
		return shape{packets, packets * 60, packets * uint32(900+r.IntN(200)), flagsSYN}
	case 1:
		packets := uint32(2 + r.IntN(3))
		return shape{packets, packets * uint32(40+r.IntN(80)), uint32(r.IntN(300)), flagsReset}
	}
	s := longShape(r)
	s.tcpFlags = flagsWhole
	if s.duration == activeTimeout {
		s.tcpFlags = flagsOpen
	}
	return s
}

// queryShape is a question or an answer, of any size that fits into a frame;
// asked again when it was lost.
func queryShape(r *rand.Rand) shape {
	packets := uint32(1 + r.IntN(20)/18)
	return shape{packets, packets * uint32(40+r.IntN(1460)), (packets - 1) * uint32(r.IntN(2000)), 0}
}

// streamShape is longShape without flags.
func streamShape(r *rand.Rand) shape { return longShape(r) }

// longShape follows a heavy-tailed (Pareto) distribution: most flows are a few
// packets, most octets are in a few flows.
func longShape(r *rand.Rand) shape {
	const index = 1.1
	packets := uint32(min(4*math.Pow(1-r.Float64(), -1/index), maxPackets))
	size := uint32(52 + r.IntN(1400))
	perPacket := uint32(5 + r.IntN(45)) // milliseconds
	return shape{packets, packets * size, min(packets*perPacket, activeTimeout), 0}
}

// steadyShape is a ping or a tunnel: packets at a steady pace. What is added to
// its octets, below 2^14, makes its packets at most 1,024 octets larger.
func steadyShape(r *rand.Rand) shape {
	packets := uint32(16 + r.IntN(activeTimeout/10-16))
	return shape{packets, packets * 64, packets * 10, 0}
}
