package batch

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"slices"

	"github.com/flowpub/flowpub/decoder"
)

// Bounds of the parts of a record in bytes, each field with its tag.
const (
	maxKeySize       = len("2001:0db8:0000:0000:0000:0000:0000:0001")
	maxConstantsSize = 2*19 + 2*10 + 5*7 + 4*4 + 2*5
	maxAnnotation    = 7 + 3 + decoder.MaxExporterName
	maxFieldsSize    = 3*18 + 2*9 + 2*11 + 3*4 + 2*3 + 3*6 + 5*7 + 2*4
	maxFramingSize   = 3 + 1 + 10 + 5 + 1 + 3 + 1

	// maxRecordSize is Value.maxRecordSize for all forms but JSON: that of a record
	// without an extension, of a packet without an annotation.
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
	template                       [maxTemplateSize]byte
	size, valueStart, messageStart uint8
	// extended: the records have extensions, of which the fields are published that
	// are in published, too.
	extended  bool
	published decoder.FieldSet
	// delimited: the lead is the message's length.
	delimited bool
	// json[:jsonSize] is in place of the template's constants, with ValueJSON.
	json     [maxJSONConstantsSize + maxJSONAnnotation]byte
	jsonSize int
	// annotation is how many bytes of the constants the packet's annotation takes.
	annotation int
	// fitted are the records that Fit was last asked for, and their mostBytes: it is
	// asked for those next.
	fitted struct{ from, to, bytes int }
}

// Reset prepares e for the records of p, received from an exporter at a time.
func (e *Encoder) Reset(from netip.AddrPort, received decoder.UnixNano, p *decoder.ExportPacket) {
	from = netip.AddrPortFrom(from.Addr().Unmap().WithZone(""), from.Port())
	e.packet, e.fitted.to, e.fitted.bytes = p, 0, 0
	e.extended = len(p.Records) > 0 && len(p.Extensions) == len(p.Records)
	e.published = 1<<len(extensionFields) - 1
	if p.AgentAddress.IsValid() {
		e.published &^= 1 << decoder.FieldAgentAddress // the constants have it
	}
	e.timestamp = int64(received / 1e6)
	key := from.Addr().AppendTo(e.template[1:1])
	e.template[0] = byte(len(key) << 1)
	e.valueStart = uint8(1 + len(key) + 2)
	e.messageStart = e.valueStart + uint8(e.Framing.leadSize())
	e.delimited = e.Framing.Value == ValueProtobufDelimited
	if e.Framing.Value == ValueJSON {
		b := appendJSONConstants(e.json[:0], from, received, p)
		e.jsonSize, e.annotation = len(b), 0
		if p.Annotation != nil {
			e.jsonSize = len(appendJSONAnnotation(b, p.Annotation))
			e.annotation = e.jsonSize - len(b)
		}
		e.size = e.messageStart
		return
	}
	e.Framing.putLead(e.template[e.valueStart:e.messageStart])
	b := appendConstants(e.template[:e.messageStart], from, received, p)
	e.size, e.annotation = uint8(len(b)), 0
	if p.Annotation != nil {
		e.size = uint8(len(appendAnnotation(b, p.Annotation)))
		e.annotation = int(e.size) - len(b)
	}
}

// Key is the exporter's address as text. It is valid until the next Reset.
func (e *Encoder) Key() []byte { return e.template[1 : e.valueStart-2] }

// Records is the number of the packet's records.
func (e *Encoder) Records() int { return len(e.packet.Records) }

// Timestamp is Kafka's of the records, in Unix milliseconds.
func (e *Encoder) Timestamp() int64 { return e.timestamp }

// MaxSize bounds what the records from..to-1 take in a batch, their marks included.
func (e *Encoder) MaxSize(from, to int) int { return e.mostBytes(from, to) + (to-from)*markSize }

// mostBytes is the same without marks.
func (e *Encoder) mostBytes(from, to int) int {
	if from == e.fitted.from && to == e.fitted.to {
		return e.fitted.bytes
	}
	n := (to - from) * e.maxRecordSize()
	if e.extended {
		for i := from; i < to; i++ {
			n += e.maxExtensionSize(i)
		}
	}
	return n
}

// maxRecordSize bounds what each record takes, but for its extension.
func (e *Encoder) maxRecordSize() int {
	return e.Framing.Value.maxRecordSize() + e.annotation + len(e.Framing.Headers)
}

// MaxMessagesSize bounds what AppendMessages appends for them.
func (e *Encoder) MaxMessagesSize(from, to int) int {
	return (to-from)*messageHead + e.mostBytes(from, to)
}

// Fit returns how far the records from one on go together: MaxMessagesSize of
// from..to-1 is not above most, unless that is one record.
func (e *Encoder) Fit(from, most int) (to int) {
	each := e.maxRecordSize()
	if !e.extended {
		return min(from+max(1, most/(messageHead+each)), e.Records())
	}
	bytes := 0
	for to = from; to < e.Records(); to++ {
		n := each + e.maxExtensionSize(to)
		if most -= messageHead + n; most < 0 && to > from {
			break
		}
		bytes += n
	}
	e.fitted.from, e.fitted.to, e.fitted.bytes = from, to, bytes
	return to
}

// maxExtensionSize bounds what the extension of the record at index takes.
func (e *Encoder) maxExtensionSize(index int) int {
	x := &e.packet.Extensions[index]
	if e.Framing.Value == ValueJSON {
		return maxJSONExtensionSize(x, x.Present&e.published)
	}
	return maxExtensionSize(x, x.Present&e.published)
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
		b = appendJSONFields(append(b, e.json[:e.jsonSize]...), e.packet, index)
		if e.extended {
			x := &e.packet.Extensions[index]
			b = appendJSONExtension(b, x, x.Present&e.published)
		}
		return append(b, '}')
	}
	b = append(b, e.template[e.messageStart:e.size]...)
	b = appendFields(b, e.packet, index)
	if e.extended {
		x := &e.packet.Extensions[index]
		set := x.Present & e.published
		b = putExtension(slices.Grow(b, maxExtensionSize(x, set)), x, set)
	}
	return b
}

// appendValue appends the same as the value of a Kafka record.
func (e *Encoder) appendValue(b []byte, index int) []byte {
	start := len(b)
	b = append(b, e.template[e.valueStart:e.messageStart]...)
	return e.Framing.finish(e.appendMessage(b, index), start)
}

// putRecord appends the Kafka record of the packet's record at index, with
// its timestamp in milliseconds and its offset given as differences to those of
// the batch. There must be room for mostBytes and windowSize bytes behind len(b); bytes
// up to there may be overwritten. It returns where the parts of the record are, too; 0
// if that is not known.
func (e *Encoder) putRecord(b []byte, index int, timestampDelta int64, offsetDelta int) ([]byte, places) {
	r := &e.packet.Records[index]
	timestamp := zigzag(timestampDelta)
	if e.Framing.Value == ValueJSON || timestamp>>35|uint64(offsetDelta)>>20 != 0 || !common(r) {
		return e.appendUncommon(b, index, timestampDelta, offsetDelta), 0
	}
	n := len(b)
	w := (*window)(b[n : n+windowSize])
	i := uint(3)
	w[2] = 0
	i = putVarint(w, i, timestamp)
	i = putVarint(w, i, zigzag(int64(offsetDelta)))
	value := int(i) + int(e.valueStart)
	e.putTemplate(w, i)
	key := i
	i, at := putFields(w, i+uint(e.size), r, e.place(index), e.packet.Anomalies)
	end := n + int(i)
	if e.extended {
		x := &e.packet.Extensions[index]
		b = putExtension(b[:end], x, x.Present&e.published)
		end = len(b)
	}
	size := end - n - value
	if !e.twoBytes(end-n+len(e.Framing.Headers), size) {
		return e.appendUncommon(b[:n], index, timestampDelta, offsetDelta), 0
	}
	if e.Framing.Headers == "" {
		b = b[:end+1]
		b[end] = 0
	} else {
		b = append(b[:end], e.Framing.Headers...)
	}
	if e.delimited {
		putDelimiter(b[n+value:], size-delimiterSize)
	}
	putLength(b[n+value-2:], size)
	putLength(b[n:], len(b)-n-2)
	return b, at | places(key)<<placeKey
}

// place is that of the record at index in its packet.
func (e *Encoder) place(index int) uint64 { return uint64(e.packet.FirstRecord) + uint64(index) }

// putTemplate writes the template, which most often is of the usual size.
func (e *Encoder) putTemplate(w *window, i uint) {
	i &= windowMask >> 1
	*(*[usualSize]byte)(w[i:]) = *(*[usualSize]byte)(e.template[:])
	if e.size > usualSize {
		*(*[plainTemplateSize - usualSize]byte)(w[i+usualSize:]) = *(*[plainTemplateSize - usualSize]byte)(e.template[usualSize:])
	}
	if int(e.size) > plainTemplateSize {
		*(*[maxAnnotation]byte)(w[i+uint(plainTemplateSize):]) = *(*[maxAnnotation]byte)(e.template[plainTemplateSize:])
	}
}

// twoBytes reports whether the lengths of a record and its value, and of the
// message where that has one, take two bytes.
func (e *Encoder) twoBytes(size, value int) bool {
	return value >= minTwoByteVarint && size <= maxTwoByteVarint && (!e.delimited || value >= delimiterSize+minTwoByteDelim)
}

// appendUncommon is appendRecord for what the fast path cannot hold. It encodes the value a
// little behind its place, which depends on its length.
func (e *Encoder) appendUncommon(b []byte, index int, timestampDelta int64, offsetDelta int) []byte {
	gap := len(b) + maxFramingSize + len(e.Key())
	b = slices.Grow(b, gap-len(b))
	value := e.appendValue(b[gap:gap], index)
	return appendFramed(b, e.Key(), value, e.Framing.headers(), timestampDelta, offsetDelta)
}

// zigzag maps signed numbers to unsigned ones, small to small.
func zigzag(v int64) uint64 { return uint64(v<<1 ^ v>>63) }

// varintSize is the length of v as binary.AppendVarint writes it.
func varintSize(v int64) int { return (bits.Len64(zigzag(v)|1) + 6) / 7 }

// appendFramed appends the Kafka record of a key and a value, with headers.
func appendFramed(b []byte, key, value []byte, headers string, timestampDelta int64, offsetDelta int) []byte {
	n := varintSize(int64(len(key))) + len(key) + varintSize(int64(len(value))) + len(value) + len(headers)
	b = appendRecordHead(b, n, timestampDelta, offsetDelta)
	b = append(binary.AppendVarint(b, int64(len(key))), key...)
	b = append(binary.AppendVarint(b, int64(len(value))), value...)
	return append(b, headers...)
}
