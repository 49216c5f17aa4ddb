package netflow5

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"slices"

	"github.com/flowpub/flowpub/decoder"
)

// Append appends p as a NetFlow version 5 packet to b and returns the result. It
// is what Decode reads, for exporters and tests.
//
// Values are written as they are: Count is not made to agree with the records,
// so that every wrong packet can be made. StartTime, EndTime and Anomalies, which
// follow from the rest, are ignored, and so is p.Format. Padding is zero. The
// error, with which b is returned unchanged, names the value that the format
// cannot hold.
func Append(b []byte, p *decoder.ExportPacket) ([]byte, error) {
	if err := checkHeader(&p.Header); err != nil {
		return b, err
	}
	for i := range p.Records {
		if err := checkRecord(&p.Records[i]); err != nil {
			return b, fmt.Errorf("netflow5: record %d: %w", i, err)
		}
	}
	b = slices.Grow(b, HeaderLen+len(p.Records)*RecordLen)
	b = appendHeader(b, &p.Header)
	for i := range p.Records {
		b = appendRecord(b, &p.Records[i])
	}
	return b, nil
}

// checkHeader returns an error when NetFlow version 5 cannot hold h.
func checkHeader(h *decoder.Header) error {
	for _, f := range [...]struct {
		name       string
		value, max uint32
	}{
		{"Count", h.Count, math.MaxUint16},
		{"SamplingMode", uint32(h.SamplingMode), maxSamplingMode},
		{"SamplingInterval", uint32(h.SamplingInterval), maxSamplingInterval},
	} {
		if f.value > f.max {
			return fmt.Errorf("netflow5: header: %s is %d; NetFlow v5 holds at most %d", f.name, f.value, f.max)
		}
	}
	return nil
}

func appendHeader(b []byte, h *decoder.Header) []byte {
	b = binary.BigEndian.AppendUint16(b, version5)
	b = binary.BigEndian.AppendUint16(b, uint16(h.Count))
	b = binary.BigEndian.AppendUint32(b, uint32(h.SystemUptime))
	b = binary.BigEndian.AppendUint32(b, h.ExportSeconds)
	b = binary.BigEndian.AppendUint32(b, h.ExportNanoseconds)
	b = binary.BigEndian.AppendUint32(b, h.FlowSequence)
	b = append(b, h.EngineType, h.EngineID)
	return binary.BigEndian.AppendUint16(b, uint16(h.SamplingMode)<<samplingModeShift|h.SamplingInterval)
}

// checkRecord returns an error when NetFlow version 5 cannot hold r.
func checkRecord(r *decoder.Record) error {
	for _, f := range [...]struct {
		name  string
		value netip.Addr
	}{
		{"SourceAddress", r.SourceAddress},
		{"DestinationAddress", r.DestinationAddress},
		{"NextHop", r.NextHop},
	} {
		if !f.value.Is4() {
			return fmt.Errorf("%s is %v; NetFlow v5 holds IPv4 addresses only, 0.0.0.0 when not known", f.name, f.value)
		}
	}
	for _, f := range [...]struct {
		name       string
		value, max uint64
	}{
		{"Packets", r.Packets, math.MaxUint32},
		{"Octets", r.Octets, math.MaxUint32},
		{"TCPFlags", uint64(r.TCPFlags), math.MaxUint8},
		{"InputInterface", uint64(r.InputInterface), math.MaxUint16},
		{"OutputInterface", uint64(r.OutputInterface), math.MaxUint16},
		{"SourceAS", uint64(r.SourceAS), math.MaxUint16},
		{"DestinationAS", uint64(r.DestinationAS), math.MaxUint16},
	} {
		if f.value > f.max {
			return fmt.Errorf("%s is %d; NetFlow v5 holds at most %d", f.name, f.value, f.max)
		}
	}
	return nil
}

func appendRecord(b []byte, r *decoder.Record) []byte {
	source, destination, nextHop := r.SourceAddress.As4(), r.DestinationAddress.As4(), r.NextHop.As4()
	b = append(b, source[:]...)
	b = append(b, destination[:]...)
	b = append(b, nextHop[:]...)
	b = binary.BigEndian.AppendUint16(b, uint16(r.InputInterface))
	b = binary.BigEndian.AppendUint16(b, uint16(r.OutputInterface))
	b = binary.BigEndian.AppendUint32(b, uint32(r.Packets))
	b = binary.BigEndian.AppendUint32(b, uint32(r.Octets))
	b = binary.BigEndian.AppendUint32(b, uint32(r.FirstUptime))
	b = binary.BigEndian.AppendUint32(b, uint32(r.LastUptime))
	b = binary.BigEndian.AppendUint16(b, r.SourcePort)
	b = binary.BigEndian.AppendUint16(b, r.DestinationPort)
	b = append(b, 0, uint8(r.TCPFlags), r.Protocol, r.TOS)
	b = binary.BigEndian.AppendUint16(b, uint16(r.SourceAS))
	b = binary.BigEndian.AppendUint16(b, uint16(r.DestinationAS))
	return append(b, r.SourcePrefixLength, r.DestinationPrefixLength, 0, 0)
}
