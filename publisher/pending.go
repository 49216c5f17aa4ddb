package publisher

import "time"

// batch is a run of flow records of one partition, from the first record
// appended to the last attempt to deliver it. Its owner's lock guards it until
// the partition is busy with it; then the goroutine of the request has it.
type batch struct {
	// buf is the record batch as Kafka wants it: room for its header, then the
	// records. Once sealed the header is complete, and the records are
	// compressed if that made them smaller.
	buf     []byte
	records int
	raw     int // size before compression
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

// header is what b's header must say; the identity is put in when it is sent.
func (b *batch) header(c Compression) batchHeader {
	return batchHeader{
		producerID:    noProducer.id,
		producerEpoch: noProducer.epoch,
		baseSequence:  -1,
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
