package collector

import (
	"math/bits"

	"github.com/flowpub/flowpub/decoder"
)

// rejectReason says why a datagram yielded no flow records.
type rejectReason uint8

// The reasons, in the order in which they are checked.
const (
	rejectNotAllowed rejectReason = iota // its source is not allowed to send
	rejectVersion                        // it is not NetFlow version 5
	rejectShort                          // it ends within the header
	rejectNoRecords                      // no whole record follows the header

	rejectReasons // how many there are
)

// String returns the reason's metric label.
func (r rejectReason) String() string {
	return [rejectReasons]string{"not_allowed", "version", "short", "no_records"}[r]
}

// maxAnomalyKinds is how many kinds decoder.Anomalies can hold.
const maxAnomalyKinds = 32

// datagramCounts tells what became of datagrams.
//
// The ledger's first equation: received is decoded and the sum of rejected. The
// second, that of flows, is kept by the publisher from the moment it is handed
// a packet.
type datagramCounts struct {
	received, decoded uint64
	rejected          [rejectReasons]uint64
	foreign           [protocols]uint64       // of those rejected for their version
	anomalous         [maxAnomalyKinds]uint64 // packets, by number of the kind's bit
}

// reject books a datagram that was not decoded.
func (c *datagramCounts) reject(r rejectReason) {
	c.received++
	c.rejected[r]++
}

// decode books a decoded packet with the anomalies of all its records.
func (c *datagramCounts) decode(a decoder.Anomalies) {
	c.received++
	c.decoded++
	for ; a != 0; a &= a - 1 {
		c.anomalous[bits.TrailingZeros32(uint32(a))]++
	}
}

// add adds the counts of other to c.
func (c *datagramCounts) add(other *datagramCounts) {
	c.received += other.received
	c.decoded += other.decoded
	addAll(c.rejected[:], other.rejected[:])
	addAll(c.foreign[:], other.foreign[:])
	addAll(c.anomalous[:], other.anomalous[:])
}

func addAll(sums, counts []uint64) {
	for i, n := range counts {
		sums[i] += n
	}
}

// rejectedByReason returns the counts by metric label, every label present.
func (c *datagramCounts) rejectedByReason() map[string]uint64 {
	all := make(map[string]uint64, rejectReasons)
	for r, n := range c.rejected {
		all[rejectReason(r).String()] = n
	}
	return all
}

// foreignByProtocol does the same for foreign.
func (c *datagramCounts) foreignByProtocol() map[string]uint64 {
	all := make(map[string]uint64, protocols)
	for p, n := range c.foreign {
		all[protocol(p).String()] = n
	}
	return all
}

// anomalousByKind does the same for anomalous.
func (c *datagramCounts) anomalousByKind() map[string]uint64 {
	all := make(map[string]uint64)
	for _, kind := range decoder.AnomalyKinds() {
		all[kind.String()] = c.anomalous[bits.TrailingZeros32(uint32(kind))]
	}
	return all
}
