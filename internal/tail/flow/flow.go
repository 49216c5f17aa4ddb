package flow

import (
	"fmt"
	"net/netip"
	"time"

	"google.golang.org/protobuf/proto"

	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// Flow is a flow record. Decode makes it one; until then it has no fields. A Flow
// decoded into again allocates nothing, unless the value is JSON.
type Flow struct {
	// value is the encoded message.
	value []byte
	// fields are its fields: numbers as such, of bytes where they begin in value, and
	// in the upper half where they end.
	fields [maxField + 1]uint64
	// lists reports whether there are fields with several values.
	lists bool
}

// Number returns a field that is a number or a time; zero if it is not set.
func (f *Flow) Number(n Field) uint64 { return f.fields[n] }

// Bytes returns a field that is bytes or text, nil if it is not set. It is valid as
// long as the value that was decoded.
func (f *Flow) Bytes(n Field) []byte {
	at := f.fields[n]
	return f.value[uint32(at) : at>>32]
}

// Address returns a field that is an address. It is not valid if that is not set.
func (f *Flow) Address(n Field) netip.Addr {
	switch b := f.Bytes(n); len(b) {
	case 4:
		return netip.AddrFrom4([4]byte(b))
	case 16:
		return netip.AddrFrom16([16]byte(b))
	default:
		return netip.Addr{}
	}
}

// HasLists reports whether fields with several values are set, which only Message has.
func (f *Flow) HasLists() bool { return f.lists }

// Message returns the record as generated code has it.
func (f *Flow) Message() (*flowv1.FlowRecord, error) {
	m := new(flowv1.FlowRecord)
	if err := proto.Unmarshal(f.value, m); err != nil {
		return nil, fmt.Errorf("tail: not a flow record: %w", err)
	}
	return m, nil
}

// Duration is the time from the flow's first packet to its last, in seconds.
// ok is false when one of them is unset or they are the wrong way round.
func (f *Flow) Duration() (seconds float64, ok bool) {
	start, end := f.fields[StartTime], f.fields[EndTime]
	if start == 0 || end == 0 || end < start {
		return 0, false
	}
	return float64(end-start) / float64(time.Second), true
}

// BitRate is the flow's layer 3 bits a second over its duration, as exported,
// not scaled by the sampling interval. ok is false when it has none.
func (f *Flow) BitRate() (bitsPerSecond float64, ok bool) {
	seconds, ok := f.Duration()
	if !ok || seconds == 0 {
		return 0, false
	}
	return float64(f.fields[Octets]) * 8 / seconds, true
}

// Sampling is the sampling interval: that of the exporter or, if it is greater, that which
// was given for it; 0 if nothing is known.
func (f *Flow) Sampling() uint64 { return max(f.fields[SamplingOverride], f.fields[SamplingInterval]) }

// Scale is by how much counters are to be multiplied for an estimate of what the
// exporter saw, as far as it is known that it samples.
func (f *Flow) Scale() uint64 { return max(f.Sampling(), 1) }

// Protocols of IP that ports mean something else in.
const (
	protocolICMP   = 1
	protocolICMPv6 = 58
)

// ICMP returns the type and code of ICMP; ok is false for other flows. Exporters put
// them into an element of their own, into the destination port, or the type into the source
// port and the code into the destination port.
func (f *Flow) ICMP() (kind, code uint8, ok bool) {
	if p := f.fields[Protocol]; p != protocolICMP && p != protocolICMPv6 {
		return 0, 0, false
	}
	both, source := f.fields[DestinationPort], f.fields[SourcePort]
	if own := f.fields[ICMPTypeCode]; own != 0 {
		both, source = own, 0
	}
	if source != 0 && both < 1<<8 {
		return uint8(source), uint8(both), true
	}
	return uint8(both >> 8), uint8(both), true
}

// Time returns the time that a field of a record holds.
func Time(nanoseconds uint64) time.Time {
	const second = uint64(time.Second)
	return time.Unix(int64(nanoseconds/second), int64(nanoseconds%second)).UTC()
}
