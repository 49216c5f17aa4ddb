package publisher

import (
	"encoding/binary"
	"time"
)

// batch is a run of flow records of one partition, from the first record
// appended to the last attempt to deliver it. Its owner's lock guards it until
// the partition is busy with it; then the goroutine of the request has it.
type batch struct {
	// buf is the record batch as Kafka wants it: room for its header, then the
	// records. Once sealed the header is complete, and the records are
	// compressed if that made them smaller.
	buf     []byte
	records int
	raw     int // size before compression, once it takes no more records
	// lz4, when not nil, is the compressed form in which buf has the records from
	// the first one on, until the batch is sealed.
	lz4 *lz4Block
	// base and latest are Kafka timestamps: that of the first record, to which
	// the others' deltas refer, and the highest.
	base, latest int64
	opened       time.Time

	sealed  bool
	sealing bool // somebody compresses it now

	// stamped: the header has a producer id and sequence numbers, which stay the
	// same in all attempts, until a broker says that it does not know the id.
	stamped bool
	// unanswered: an attempt was made whose outcome is not known, so that the
	// records may be in Kafka.
	unanswered bool
	// doubted: the records have been counted as possibly duplicated.
	doubted bool
	// refusals counts how often the brokers called the batch invalid.
	refusals int
}

// producer is what InitProducerId handed out. generation counts those of this
// process, from 1 on; 0 means none.
type producer struct {
	id         int64
	epoch      int16
	generation int
}

// noProducer is what a batch carries that brokers need not recognise.
var noProducer = producer{id: -1, epoch: -1}

// size is the size of an open batch before compression.
func (b *batch) size() int {
	if b.lz4 != nil {
		return batchHeaderSize + b.lz4.raw
	}
	return len(b.buf)
}

// capacity is what buf must have for n bytes of records more.
func (b *batch) capacity(n int) int {
	if b.lz4 != nil {
		return lz4Room(len(b.buf) + n)
	}
	return len(b.buf) + n
}

// appendPacket appends the records of the packet in e.
func (b *batch) appendPacket(e *packetEncoder) {
	delta := b.admit(e.timestamp)
	buf := b.buf
	if b.lz4 != nil {
		buf = b.lz4.appendPacket(buf, e, delta, b.records)
	} else {
		for i := range e.packet.Records {
			buf = e.appendRecord(buf, i, delta, b.records+i)
		}
	}
	b.buf = buf
	b.records += len(e.packet.Records)
}

// appendStaged appends the records of a packet that was staged.
func (b *batch) appendStaged(p staged, f framing) {
	delta := b.admit(p.timestamp)
	var scratch [maxLeadSize + maxConstantsSize + maxFieldsSize]byte
	var last []byte
	for messages := p.messages; len(messages) > 0; {
		end := 4 + binary.BigEndian.Uint32(messages)
		message := messages[4:end]
		value := f.frame(scratch[:0], message)
		if b.lz4 != nil {
			lead := len(value) - len(message)
			b.buf = b.lz4.appendFramed(b.buf, p.key, value, lead, commonPrefix(message, last), delta, b.records)
		} else {
			b.buf = appendFramed(b.buf, p.key, value, delta, b.records)
		}
		b.records++
		messages, last = messages[end:], message
	}
}

// admit notes the timestamp of the next records and returns its delta.
func (b *batch) admit(timestamp int64) int64 {
	if b.records == 0 {
		b.base, b.latest = timestamp, timestamp
	}
	b.latest = max(b.latest, timestamp)
	return timestamp - b.base
}

// header is what b's header must say.
func (b *batch) header(c Compression) batchHeader {
	return batchHeader{
		baseTimestamp: b.base,
		maxTimestamp:  b.latest,
		records:       b.records,
		compression:   c,
	}
}

// stamp gives b its identity for all attempts to come.
func (b *batch) stamp(p producer, sequence int32) {
	b.stamped = true
	stampBatch(b.buf, p.id, p.epoch, sequence)
}

// nextSequence is the sequence number after n records from one on: it goes from
// 2^31-1 to 0.
func nextSequence(sequence int32, n int) int32 {
	return int32((int64(sequence) + int64(n)) & (1<<31 - 1))
}
