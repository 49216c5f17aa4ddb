package tail

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"google.golang.org/protobuf/proto"

	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// confluentSize is what precedes a message in Confluent's wire format.
const confluentSize = 6

// flow is a decoded message: the record, and its addresses as such. An address
// that the record does not carry is invalid.
type flow struct {
	record                                 flowv1.FlowRecord
	exporter, source, destination, nextHop netip.Addr
}

// decode replaces f with the flow record in value. What parses as a message but
// has no exporter, or addresses that are none, is not a flow record: protobuf
// alone would take the empty message for one.
func (f *flow) decode(form Value, value []byte) error {
	if err := unmarshal(form, value, &f.record); err != nil {
		return fmt.Errorf("tail: not a flow record as %v: %w", form, err)
	}
	if len(f.record.GetExporterAddress()) == 0 {
		return errors.New("tail: not a flow record: it names no exporter")
	}
	if err := sizesAreRight(&f.record); err != nil {
		return err
	}
	f.exporter, _ = netip.AddrFromSlice(f.record.GetExporterAddress())
	f.source, _ = netip.AddrFromSlice(f.record.GetSourceAddress())
	f.destination, _ = netip.AddrFromSlice(f.record.GetDestinationAddress())
	f.nextHop, _ = netip.AddrFromSlice(f.record.GetNextHop())
	return nil
}

// unmarshal replaces m with the flow record in a value.
func unmarshal(form Value, value []byte, m *flowv1.FlowRecord) error {
	switch form {
	case ValueJSON:
		return unmarshalJSON(value, m)
	case ValueProtobufDelimited:
		length, n := binary.Uvarint(value)
		if n <= 0 || length != uint64(len(value)-n) {
			return errors.New("it does not begin with the length of what follows")
		}
		value = value[n:]
	case ValueConfluent:
		// A 0, the schema's id in four bytes, and a 0: the first type in the schema.
		if len(value) < confluentSize || value[0] != 0 || value[confluentSize-1] != 0 {
			return errors.New("it does not begin with a schema id and the index of the first message type")
		}
		value = value[confluentSize:]
	default: // the value is the message
	}
	return proto.Unmarshal(value, m)
}

// duration is the time from the flow's first packet to its last, in seconds.
// ok is false when one of them is unset or they are the wrong way round.
func (f *flow) duration() (seconds float64, ok bool) {
	start, end := f.record.GetStartTimeNs(), f.record.GetEndTimeNs()
	if start == 0 || end == 0 || end < start {
		return 0, false
	}
	return float64(end-start) / float64(time.Second), true
}

// bitRate is the flow's layer 3 bits a second over its duration, as exported,
// not scaled by the sampling interval. ok is false when it has none.
func (f *flow) bitRate() (bitsPerSecond float64, ok bool) {
	seconds, ok := f.duration()
	if !ok || seconds == 0 {
		return 0, false
	}
	return float64(f.record.GetOctets()) * 8 / seconds, true
}

// unixTime returns the time that a field of a record holds.
func unixTime(nanoseconds uint64) time.Time {
	const second = uint64(time.Second)
	return time.Unix(int64(nanoseconds/second), int64(nanoseconds%second)).UTC()
}
