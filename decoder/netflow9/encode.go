package netflow9

import (
	"encoding/binary"

	"github.com/flowpub/flowpub/decoder"
)

// AppendPacket appends a packet with the header h to b: one data FlowSet, whose template has
// that id, with those records. It is how a part of a packet is kept apart.
func AppendPacket(b []byte, h *decoder.Header, id uint16, records []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, version9)
	b = binary.BigEndian.AppendUint16(b, uint16(h.Count))
	b = binary.BigEndian.AppendUint32(b, uint32(h.SystemUptime))
	b = binary.BigEndian.AppendUint32(b, h.ExportSeconds)
	b = binary.BigEndian.AppendUint32(b, h.FlowSequence)
	b = binary.BigEndian.AppendUint32(b, h.ObservationDomain)
	b = binary.BigEndian.AppendUint16(b, id)
	b = binary.BigEndian.AppendUint16(b, uint16(setHeaderLen+len(records)))
	return append(b, records...)
}
