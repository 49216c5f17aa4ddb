package publisher

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/produce"
	"github.com/segmentio/kafka-go/protocol/rawproduce"
)

// request is a produce request being put together and sent.
type request struct {
	broker *broker
	alone  bool // for one partition, which has failed
	items  []item
	size   int
	copied int64 // charged to the budget for the client's copy
}

// item is one partition's batch in a request.
type item struct {
	partition *partition
	batch     *batch
}

// add puts a batch into r. It returns false when the budget has no room for
// one more copy.
func (r *request) add(b *budget, p *partition, content *batch) bool {
	n := int64(len(content.buf))
	if !b.startCopy(n) {
		return false
	}
	r.items = append(r.items, item{p, content})
	r.size += int(n)
	r.copied += n
	return true
}

// send makes the batches of r ready, sends them, and acts on the answer.
func (p *Publisher) send(ctx context.Context, r *request) {
	ready := r.items[:0]
	for _, i := range r.items {
		if err := p.prepare(ctx, i.partition, i.batch); err != nil {
			p.settle(i.partition, i.batch, localFailure(err))
			continue
		}
		ready = append(ready, i)
	}
	if len(ready) == 0 {
		return
	}
	outcomes := p.produce(ctx, r.broker, ready)
	for n, i := range ready {
		p.settle(i.partition, i.batch, outcomes[n])
	}
}

// produce makes one attempt and returns what became of each batch.
func (p *Publisher) produce(ctx context.Context, b *broker, items []item) []outcome {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.RequestTimeout)
	defer cancel()
	sets := make([]*recordSet, len(items))
	parts := make([]rawproduce.RequestPartition, len(items))
	for i := range items {
		sets[i] = &recordSet{batch: items[i].batch.buf}
		parts[i] = rawproduce.RequestPartition{
			Partition: items[i].partition.number,
			RecordSet: protocol.RawRecordSet{Reader: sets[i]},
		}
	}
	began := time.Now()
	response, err := p.cluster.roundTrip(ctx, &rawproduce.Request{
		Acks:    int16(p.cfg.Acks),
		Timeout: int32(p.cfg.RequestTimeout.Milliseconds() / 2),
		Topics:  []rawproduce.RequestTopic{{Topic: p.cfg.Topic, Partitions: parts}},
	})
	p.produceSeconds.observe(time.Since(began))
	outcomes := make([]outcome, len(items))
	answer, _ := response.(*produce.Response)
	if answer != nil {
		b.throttle(time.Duration(answer.ThrottleTimeMs) * time.Millisecond)
	}
	for i := range items {
		sent := sets[i].revoke()
		switch {
		case err != nil && !sent:
			outcomes[i] = localFailure(err)
		case err != nil:
			outcomes[i] = unansweredFailure(err)
		case p.cfg.Acks == AcksNone:
			outcomes[i] = outcome{verdict: delivered}
		default:
			outcomes[i] = p.answered(answer, items[i].partition.number)
		}
	}
	return outcomes
}

// answered finds a partition's result in the broker's answer.
func (p *Publisher) answered(answer *produce.Response, number int32) outcome {
	for _, topic := range answer.Topics {
		for _, part := range topic.Partitions {
			if topic.Topic == p.cfg.Topic && part.Partition == number {
				return brokerAnswer(kafka.Error(part.ErrorCode), part.ErrorMessage)
			}
		}
	}
	return unansweredFailure(errNoAnswer)
}

// errRevoked is what a client gets that reads a batch after it gave up on it.
var errRevoked = errors.New("publisher: the attempt has ended")

// recordSet gives a batch to the client as the protocol writes it, a size and
// then the bytes. The client may still be at it when the attempt has ended for
// us, after a time-out: revoke makes sure that it never reads memory that has
// another use by then.
type recordSet struct {
	mu      sync.Mutex
	batch   []byte
	taken   bool
	revoked bool
}

// WriteTo copies the record set; it is all that io.Copy calls.
func (r *recordSet) WriteTo(w io.Writer) (int64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.revoked {
		return 0, errRevoked
	}
	r.taken = true
	var size [4]byte
	binary.BigEndian.PutUint32(size[:], uint32(len(r.batch)))
	n, err := w.Write(size[:])
	if err != nil {
		return int64(n), err
	}
	m, err := w.Write(r.batch)
	return int64(n + m), err
}

// Read is not used: a client that calls it gets an error, not half a batch.
func (*recordSet) Read([]byte) (int, error) { return 0, errors.ErrUnsupported }

// revoke ends the client's access and tells whether it had the batch: if not,
// nothing of it can have reached a broker.
func (r *recordSet) revoke() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.revoked = true
	return r.taken
}
