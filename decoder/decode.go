package decoder

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"time"
)

// The errors of Decode, one for each reason to reject a datagram. They are
// returned as they are, so that rejecting costs no allocation.
var (
	// ErrShort: the datagram ends within the header.
	ErrShort = errors.New("decoder: datagram is shorter than a NetFlow v5 header (24 bytes)")
	// ErrVersion: the first two bytes are not version 5. The datagram is of
	// another protocol or another NetFlow version.
	ErrVersion = errors.New("decoder: datagram is not NetFlow v5; export in version 5 to this port")
	// ErrNoRecords: the header is whole but announces no record, or not one
	// whole record follows it.
	ErrNoRecords = errors.New("decoder: NetFlow v5 packet without a whole record")
)

// Decode replaces *p with the export packet in b, a UDP payload of any length.
//
// It copies every field, so b may be reused as soon as it returns, and reuses
// p.Records, so a p kept by one goroutine stops allocating once it has held the
// largest packet (1,364 records fit into a datagram).
//
// The records decoded are the smaller of those that b announces and those that
// it holds whole: none is made up, none that is readable is thrown away.
// p.Anomalies and each record's say what was odd. On error *p is empty and only
// keeps its capacity; the error is ErrShort, ErrVersion or ErrNoRecords. The
// version is judged first, so a short datagram of another protocol is
// ErrVersion.
func Decode(b []byte, p *ExportPacket) error {
	n, err := countRecords(b)
	if err != nil {
		p.Header, p.Records = Header{}, p.Records[:0]
		return err
	}
	p.Header = decodeHeader((*[HeaderLen]byte)(b))
	p.Anomalies = lengthAnomalies(p.Count, len(b))
	if p.ExportNanoseconds >= uint32(time.Second) {
		p.Anomalies |= AnomalyNanosecondsOutOfRange
	}

	p.Records = slices.Grow(p.Records[:0], max(n, MaxRecords))[:n]
	export := p.ExportTime()
	b = b[HeaderLen:]
	for i := range p.Records {
		decodeRecord((*[RecordLen]byte)(b[i*RecordLen:]), export, p.SystemUptime, &p.Records[i])
	}
	return nil
}

// countRecords returns how many records of b can be decoded: at least one, or an error.
func countRecords(b []byte) (int, error) {
	if len(b) >= offVersion+2 && binary.BigEndian.Uint16(b[offVersion:]) != version5 {
		return 0, ErrVersion
	}
	if len(b) < HeaderLen {
		return 0, ErrShort
	}
	announced := int(binary.BigEndian.Uint16(b[offCount:]))
	n := min(announced, (len(b)-HeaderLen)/RecordLen)
	if n == 0 {
		return 0, ErrNoRecords
	}
	return n, nil
}

// lengthAnomalies compares the records a header announces with the length of
// its datagram, in bytes.
func lengthAnomalies(announced uint32, length int) (a Anomalies) {
	expected := HeaderLen + int(announced)*RecordLen
	switch {
	case length > expected:
		a |= AnomalyTrailingBytes
	case length < expected:
		a |= AnomalyCountAbovePresent
		if (length-HeaderLen)%RecordLen != 0 {
			a |= AnomalyPartialRecord
		}
	}
	if announced > MaxRecords {
		a |= AnomalyCountAbove30
	}
	return a
}

func decodeHeader(b *[HeaderLen]byte) Header {
	sampling := binary.BigEndian.Uint16(b[offSampling:])
	return Header{
		Format:            FormatNetFlowV5,
		Count:             uint32(binary.BigEndian.Uint16(b[offCount:])),
		SystemUptime:      Uptime(binary.BigEndian.Uint32(b[offSystemUptime:])),
		ExportSeconds:     binary.BigEndian.Uint32(b[offExportSeconds:]),
		ExportNanoseconds: binary.BigEndian.Uint32(b[offExportNanoseconds:]),
		FlowSequence:      binary.BigEndian.Uint32(b[offFlowSequence:]),
		EngineType:        b[offEngineType],
		EngineID:          b[offEngineID],
		SamplingMode:      uint8(sampling >> samplingModeShift),
		SamplingInterval:  sampling & samplingIntervalMask,
	}
}

// decodeRecord replaces *r with the record in b. The exporter's clock read export
// when its uptime read now.
//
// Every field is assigned by itself: one composite literal would be built
// aside and copied, at 1.7 times the cost.
func decodeRecord(b *[RecordLen]byte, export UnixNano, now Uptime, r *Record) {
	r.SourceAddress = netip.AddrFrom4([4]byte(b[offSourceAddress:]))
	r.DestinationAddress = netip.AddrFrom4([4]byte(b[offDestinationAddress:]))
	r.NextHop = netip.AddrFrom4([4]byte(b[offNextHop:]))
	r.InputInterface = uint32(binary.BigEndian.Uint16(b[offInputInterface:]))
	r.OutputInterface = uint32(binary.BigEndian.Uint16(b[offOutputInterface:]))
	r.Packets = uint64(binary.BigEndian.Uint32(b[offPackets:]))
	r.Octets = uint64(binary.BigEndian.Uint32(b[offOctets:]))
	r.FirstUptime = Uptime(binary.BigEndian.Uint32(b[offFirstUptime:]))
	r.LastUptime = Uptime(binary.BigEndian.Uint32(b[offLastUptime:]))
	r.SourcePort = binary.BigEndian.Uint16(b[offSourcePort:])
	r.DestinationPort = binary.BigEndian.Uint16(b[offDestinationPort:])
	r.TCPFlags = b[offTCPFlags]
	r.Protocol = b[offProtocol]
	r.TOS = b[offTOS]
	r.SourceAS = uint32(binary.BigEndian.Uint16(b[offSourceAS:]))
	r.DestinationAS = uint32(binary.BigEndian.Uint16(b[offDestinationAS:]))
	r.SourcePrefixLength = b[offSourcePrefixLength]
	r.DestinationPrefixLength = b[offDestinationPrefixLength]
	r.StartTime = wallTime(export, now, r.FirstUptime)
	r.EndTime = wallTime(export, now, r.LastUptime)
	r.Anomalies = timeAnomalies(r.StartTime, r.EndTime)
}

// timeAnomalies judges a record's two times.
func timeAnomalies(start, end UnixNano) (a Anomalies) {
	if start == 0 {
		a |= AnomalyStartUnset
	}
	if end == 0 {
		return a | AnomalyEndUnset
	}
	if start > end {
		a |= AnomalyStartAfterEnd
	}
	return a
}
