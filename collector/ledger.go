package collector

import (
	"math/bits"

	"github.com/flowpub/flowpub/decoder"
)

// rejectReason says why a datagram could not be decoded.
type rejectReason uint8

// The reasons, in the order in which they are checked.
const (
	rejectNotAllowed rejectReason = iota // its source is not allowed to send
	rejectVersion                        // it is of no format that is taken
	rejectShort                          // it ends within the header
	rejectNoRecords                      // nothing behind the header can be read

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
// The ledger's first equation: received is the sum of decoded and that of rejected. The
// second, that of data sets, is kept by setCounts; the third, that of flows, by the
// publisher from the moment it is handed a packet.
type datagramCounts struct {
	received  uint64
	decoded   [numFormats]uint64 // by slotOf the format
	rejected  [rejectReasons]uint64
	foreign   [protocols]uint64       // of those rejected for their version
	samples   sampleCounts            // of sFlow, in those decoded
	anomalous [maxAnomalyKinds]uint64 // packets, by number of the kind's bit
}

// reject books a datagram that was not decoded.
func (c *datagramCounts) reject(r rejectReason) {
	c.received++
	c.rejected[r]++
}

// decode books a decoded packet with the anomalies of all its records.
func (c *datagramCounts) decode(f decoder.Format, a decoder.Anomalies) {
	c.received++
	c.decoded[slotOf(f)]++
	c.note(a)
}

// note books the anomalies of a packet.
func (c *datagramCounts) note(a decoder.Anomalies) {
	for ; a != 0; a &= a - 1 {
		c.anomalous[bits.TrailingZeros32(uint32(a))]++
	}
}

// add adds the counts of other to c.
func (c *datagramCounts) add(other *datagramCounts) {
	c.received += other.received
	addAll(c.decoded[:], other.decoded[:])
	addAll(c.rejected[:], other.rejected[:])
	addAll(c.foreign[:], other.foreign[:])
	c.samples.add(&other.samples)
	addAll(c.anomalous[:], other.anomalous[:])
}

func addAll(sums, counts []uint64) {
	for i, n := range counts {
		sums[i] += n
	}
}

// decodedByFormat returns the counts by metric label, every label present.
func (c *datagramCounts) decodedByFormat() map[string]uint64 {
	all := make(map[string]uint64, numFormats)
	for _, f := range decoder.Formats() {
		all[f.String()] = c.decoded[slotOf(f)]
	}
	return all
}

// rejectedByReason does the same for rejected.
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
