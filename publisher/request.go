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
	batch     *pending
}

// add puts a batch into r. It returns false when the budget has no room for
// one more copy.
func (r *request) add(b *budget, p *partition, content *pending) bool {
	n := int64(len(content.Bytes()))
	if !b.startCopy(r.copies(), n) {
		return false
	}
	r.items = append(r.items, item{p, content})
	r.size += int(n)
	r.copied += n
	return true
}

// copies is what the budget counts r's copies in.
func (r *request) copies() *int64 {
	if r.alone {
		return nil
	}
	return &r.broker.copies
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
	outcomes := p.produce(ctx, ready)
	for n, i := range ready {
		p.settle(i.partition, i.batch, outcomes[n])
	}
}

// produce makes one attempt and returns what became of each batch.
func (p *Publisher) produce(ctx context.Context, items []item) []outcome {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.RequestTimeout)
	defer cancel()
	sets := make([]*recordSet, len(items))
	for i := range items {
		sets[i] = &recordSet{batch: items[i].batch.Bytes()}
	}
	began := time.Now()
	response, err := p.cluster.Do(ctx, &rawproduce.Request{
		Acks:    int16(p.cfg.Acks),
		Timeout: int32(p.cfg.RequestTimeout.Milliseconds() / 2),
		Topics:  byTopic(items, sets),
	})
	p.produceSeconds.observe(time.Since(began))
	outcomes := make([]outcome, len(items))
	answer, _ := response.(*produce.Response)
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
			outcomes[i] = answerFor(answer, items[i].partition)
			outcomes[i].err = p.cluster.Discreet(outcomes[i].err)
		}
	}
	return outcomes
}

// byTopic returns the record sets of a request's items as the protocol wants
// them: each topic once.
func byTopic(items []item, sets []*recordSet) []rawproduce.RequestTopic {
	var topics []rawproduce.RequestTopic
	index := make(map[*topic]int)
	for i, it := range items {
		at, known := index[it.partition.topic]
		if !known {
			at = len(topics)
			index[it.partition.topic] = at
			topics = append(topics, rawproduce.RequestTopic{Topic: it.partition.topic.name})
		}
		topics[at].Partitions = append(topics[at].Partitions, rawproduce.RequestPartition{
			Partition: it.partition.number,
			RecordSet: protocol.RawRecordSet{Reader: sets[i]},
		})
	}
	return topics
}

// answerFor finds a partition's result in the broker's answer.
func answerFor(answer *produce.Response, p *partition) outcome {
	for _, t := range answer.Topics {
		if t.Topic != p.topic.name {
			continue
		}
		for _, part := range t.Partitions {
			if part.Partition == p.number {
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
