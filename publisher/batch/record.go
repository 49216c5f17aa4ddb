package batch

import (
	"encoding/binary"
	"math/bits"
	"net/netip"

	"github.com/flowpub/flowpub/decoder"
)

// Bounds of the parts of a record in bytes, each field with its tag.
const (
	maxKeySize       = len("2001:0db8:0000:0000:0000:0000:0000:0001")
	maxConstantsSize = 19 + 2*10 + 4*7 + 4*4 + 2*5
	maxFieldsSize    = 3*18 + 2*9 + 2*11 + 3*4 + 2*3 + 3*6 + 5*7 + 2*4
	maxFramingSize   = 2 + 1 + 10 + 5 + 1 + 2 + 1

	// maxRecordSize is Value.maxRecordSize for all forms but JSON.
	maxRecordSize = maxFramingSize + maxKeySize + maxLeadSize + maxConstantsSize + maxFieldsSize
)

// Encoder encodes the records of one packet. What is equal on all of
// them is encoded once, by Reset. The zero value is of no use before that. It
// may live on the stack and never allocates; it keeps the packet until the next
// Reset.
type Encoder struct {
	// Framing is set before Reset.
	Framing Framing
	packet  *decoder.ExportPacket
	// timestamp is the receive time in Unix milliseconds, what Kafka's record
	// timestamp should be.
	timestamp int64

	// template[:size] is the key with its length, two bytes for the value's
	// length, the value's lead from valueStart on, and the constants of the
	// message from messageStart on.
	template                       [1 + maxKeySize + 2 + maxLeadSize + maxConstantsSize]byte
	size, valueStart, messageStart uint8
	// short: the template leaves the window room enough, and with any record
	// the lengths of record and value have two bytes.
	short bool
	// delimited: the lead is the message's length.
	delimited bool
	// json[:jsonSize] is in place of the template's constants, with ValueJSON.
	json     [maxJSONConstantsSize]byte
	jsonSize int
}

// Reset prepares e for the records of p, received from an exporter at a time.
func (e *Encoder) Reset(from netip.AddrPort, received decoder.UnixNano, p *decoder.ExportPacket) {
	from = netip.AddrPortFrom(from.Addr().Unmap().WithZone(""), from.Port())
	e.packet = p
	e.timestamp = int64(received / 1e6)
	key := from.Addr().AppendTo(e.template[1:1])
	e.template[0] = byte(len(key) << 1)
	e.valueStart = uint8(1 + len(key) + 2)
	e.messageStart = e.valueStart + uint8(e.Framing.leadSize())
	e.delimited = e.Framing.Value == ValueProtobufDelimited
	if e.Framing.Value == ValueJSON {
		e.jsonSize = len(appendJSONConstants(e.json[:0], from, received, p))
		e.size, e.short = e.messageStart, false
		return
	}
	e.Framing.putLead(e.template[e.valueStart:e.messageStart])
	b := appendConstants(e.template[:e.messageStart], from, received, p)
	e.size = uint8(len(b))
	e.short = e.size <= maxTemplateSize && e.size-e.valueStart >= minTwoByteVarint-minCommonSize
}

// Key is the exporter's address as text. It is valid until the next Reset.
func (e *Encoder) Key() []byte { return e.template[1 : e.valueStart-2] }

// Records is the number of the packet's records.
func (e *Encoder) Records() int { return len(e.packet.Records) }

// Timestamp is Kafka's of the records, in Unix milliseconds.
func (e *Encoder) Timestamp() int64 { return e.timestamp }

// MaxSize bounds what the records from..to-1 take in a batch.
func (e *Encoder) MaxSize(from, to int) int {
	return (to - from) * e.Framing.Value.maxRecordSize()
}

// MaxMessagesSize bounds what AppendMessages appends for them.
func (e *Encoder) MaxMessagesSize(from, to int) int {
	return (to-from)*4 + e.MaxSize(from, to)
}

// constants is how many bytes the messages of all records begin with.
func (e *Encoder) constants() int {
	if e.Framing.Value == ValueJSON {
		return e.jsonSize
	}
	return int(e.size - e.messageStart)
}

// appendMessage appends the flow.v1.FlowRecord of the packet's record at index.
func (e *Encoder) appendMessage(b []byte, index int) []byte {
	if e.Framing.Value == ValueJSON {
		return appendJSONFields(append(b, e.json[:e.jsonSize]...), e.packet, index)
	}
	b = append(b, e.template[e.messageStart:e.size]...)
	return appendFields(b, e.packet, index)
}

// appendValue appends the same as the value of a Kafka record.
func (e *Encoder) appendValue(b []byte, index int) []byte {
	start := len(b)
	b = append(b, e.template[e.valueStart:e.messageStart]...)
	return e.Framing.finish(e.appendMessage(b, index), start)
}

// appendRecord appends the Kafka record of the packet's record at index, with
// its timestamp in milliseconds and its offset given as differences to those of
// the batch. There must be room for Value.maxRecordSize bytes behind len(b); bytes
// up to there may be overwritten.
func (e *Encoder) appendRecord(b []byte, index int, timestampDelta int64, offsetDelta int) []byte {
	r := &e.packet.Records[index]
	timestamp := zigzag(timestampDelta)
	if !e.short || timestamp>>35|uint64(offsetDelta)>>20 != 0 || !common(r) {
		return e.appendUncommon(b, index, timestampDelta, offsetDelta)
	}
	n := len(b)
	w := (*[windowSize]byte)(b[n : n+windowSize])
	i := uint8(3)
	w[2] = 0
	i = putVarint(w, i, timestamp)
	i = putVarint(w, i, zigzag(int64(offsetDelta)))
	value := i + e.valueStart
	*(*[maxTemplateSize]byte)(w[i:]) = *(*[maxTemplateSize]byte)(e.template[:])
	i = putFields(w, i+e.size, r, index, e.packet.Anomalies)
	if e.delimited && !putDelimiter(w, value, i-value-delimiterSize) {
		return e.appendUncommon(b, index, timestampDelta, offsetDelta)
	}
	putLength(w, value-2, i-value)
	w[i] = 0
	putLength(w, 0, i-1)
	return b[:n+int(i)+1]
}

// appendUncommon does the same for any record.
func (e *Encoder) appendUncommon(b []byte, index int, timestampDelta int64, offsetDelta int) []byte {
	if e.Framing.Value == ValueJSON {
		var value [maxJSONSize]byte
		return appendFramed(b, e.Key(), e.appendValue(value[:0], index), timestampDelta, offsetDelta)
	}
	var value [maxLeadSize + maxConstantsSize + maxFieldsSize]byte
	return appendFramed(b, e.Key(), e.appendValue(value[:0], index), timestampDelta, offsetDelta)
}

// zigzag maps signed numbers to unsigned ones, small to small.
func zigzag(v int64) uint64 { return uint64(v<<1 ^ v>>63) }

// varintSize is the length of v as binary.AppendVarint writes it.
func varintSize(v int64) int { return (bits.Len64(zigzag(v)|1) + 6) / 7 }

// appendFramed appends the Kafka record of a key and a value.
func appendFramed(b []byte, key, value []byte, timestampDelta int64, offsetDelta int) []byte {
	n := varintSize(int64(len(key))) + len(key) + varintSize(int64(len(value))) + len(value) + 1
	b = appendRecordHead(b, n, timestampDelta, offsetDelta)
	b = append(binary.AppendVarint(b, int64(len(key))), key...)
	b = append(binary.AppendVarint(b, int64(len(value))), value...)
	return append(b, 0)
}
