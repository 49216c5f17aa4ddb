package netflow5

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"github.com/flowpub/flowpub/decoder"
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
// keeps its capacity; the error is decoder.ErrShort, decoder.ErrVersion or
// decoder.ErrNoRecords. The version is judged first, so a short datagram of
// another protocol is decoder.ErrVersion.
func Decode(b []byte, p *decoder.ExportPacket) error {
	p.Reset()
	n, err := countRecords(b)
	if err != nil {
		return err
	}
	p.Header = decodeHeader((*[HeaderLen]byte)(b))
	p.Anomalies = lengthAnomalies(p.Count, len(b))
	if p.ExportNanoseconds >= uint32(time.Second) {
		p.Anomalies |= decoder.AnomalyNanosecondsOutOfRange
	}

	p.DataRecords = uint32(n)
	p.Records = slices.Grow(p.Records, max(n, MaxRecords))[:n]
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
		return 0, decoder.ErrVersion
	}
	if len(b) < HeaderLen {
		return 0, decoder.ErrShort
	}
	announced := int(binary.BigEndian.Uint16(b[offCount:]))
	n := min(announced, (len(b)-HeaderLen)/RecordLen)
	if n == 0 {
		return 0, decoder.ErrNoRecords
	}
	return n, nil
}

// lengthAnomalies compares the records a header announces with the length of
// its datagram, in bytes.
func lengthAnomalies(announced uint32, length int) (a decoder.Anomalies) {
	expected := HeaderLen + int(announced)*RecordLen
	switch {
	case length > expected:
		a |= decoder.AnomalyTrailingBytes
	case length < expected:
		a |= decoder.AnomalyCountAbovePresent
		if (length-HeaderLen)%RecordLen != 0 {
			a |= decoder.AnomalyPartialRecord
		}
	}
	if announced > MaxRecords {
		a |= decoder.AnomalyCountAbove30
	}
	return a
}

func decodeHeader(b *[HeaderLen]byte) decoder.Header {
	sampling := binary.BigEndian.Uint16(b[offSampling:])
	return decoder.Header{
		Format:            decoder.FormatNetFlowV5,
		Count:             uint32(binary.BigEndian.Uint16(b[offCount:])),
		HasUptime:         true,
		SystemUptime:      decoder.Uptime(binary.BigEndian.Uint32(b[offSystemUptime:])),
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
func decodeRecord(b *[RecordLen]byte, export decoder.UnixNano, now decoder.Uptime, r *decoder.Record) {
	r.SourceAddress = netip.AddrFrom4([4]byte(b[offSourceAddress:]))
	r.DestinationAddress = netip.AddrFrom4([4]byte(b[offDestinationAddress:]))
	r.NextHop = netip.AddrFrom4([4]byte(b[offNextHop:]))
	r.InputInterface = uint32(binary.BigEndian.Uint16(b[offInputInterface:]))
	r.OutputInterface = uint32(binary.BigEndian.Uint16(b[offOutputInterface:]))
	r.Packets = uint64(binary.BigEndian.Uint32(b[offPackets:]))
	r.Octets = uint64(binary.BigEndian.Uint32(b[offOctets:]))
	r.FirstUptime = decoder.Uptime(binary.BigEndian.Uint32(b[offFirstUptime:]))
	r.LastUptime = decoder.Uptime(binary.BigEndian.Uint32(b[offLastUptime:]))
	r.SourcePort = binary.BigEndian.Uint16(b[offSourcePort:])
	r.DestinationPort = binary.BigEndian.Uint16(b[offDestinationPort:])
	r.TCPFlags = uint16(b[offTCPFlags])
	r.Protocol = b[offProtocol]
	r.TOS = b[offTOS]
	r.SourceAS = uint32(binary.BigEndian.Uint16(b[offSourceAS:]))
	r.DestinationAS = uint32(binary.BigEndian.Uint16(b[offDestinationAS:]))
	r.SourcePrefixLength = b[offSourcePrefixLength]
	r.DestinationPrefixLength = b[offDestinationPrefixLength]
	r.StartTime = decoder.WallTime(export, now, r.FirstUptime)
	r.EndTime = decoder.WallTime(export, now, r.LastUptime)
	r.Anomalies = decoder.TimeAnomalies(r.StartTime, r.EndTime, export)
}
