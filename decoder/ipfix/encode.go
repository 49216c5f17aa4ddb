package ipfix

import (
	"encoding/binary"

	"github.com/flowpub/flowpub/decoder"
)

// AppendMessage appends a message with the header h to b: one data set, whose template has
// that id, with those records. It is how a part of a message is kept apart.
func AppendMessage(b []byte, h *decoder.Header, id uint16, records []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, version10)
	b = binary.BigEndian.AppendUint16(b, uint16(HeaderLen+setHeaderLen+len(records)))
	b = binary.BigEndian.AppendUint32(b, h.ExportSeconds)
	b = binary.BigEndian.AppendUint32(b, h.FlowSequence)
	b = binary.BigEndian.AppendUint32(b, h.ObservationDomain)
	b = binary.BigEndian.AppendUint16(b, id)
	b = binary.BigEndian.AppendUint16(b, uint16(setHeaderLen+len(records)))
	return append(b, records...)
}
