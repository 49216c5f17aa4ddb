package publisher

import (
	"context"
	"time"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/produce"
	"github.com/segmentio/kafka-go/protocol/rawproduce"

	"github.com/flowpub/flowpub/publisher/failure"
)

// request is a produce request being put together and sent.
type request struct {
	core   *core
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
func (r *request) add(p *partition, content *pending) bool {
	n := int64(len(content.Bytes()))
	if !r.core.budget.StartCopy(r.copies(), n) {
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
func (r *request) send(ctx context.Context) {
	ready := r.items[:0]
	for _, i := range r.items {
		if err := i.partition.prepare(ctx, i.batch); err != nil {
			i.partition.settle(i.batch, failure.Unsent(err))
			continue
		}
		ready = append(ready, i)
	}
	if len(ready) == 0 {
		return
	}
	outcomes := r.produce(ctx, ready)
	for n, i := range ready {
		i.partition.settle(i.batch, outcomes[n])
	}
}

// produce makes one attempt and returns what became of each batch.
func (r *request) produce(ctx context.Context, items []item) []failure.Outcome {
	ctx, cancel := context.WithTimeout(ctx, r.core.cfg.RequestTimeout)
	defer cancel()
	sets := make([]*recordSet, len(items))
	for i := range items {
		sets[i] = &recordSet{batch: items[i].batch.Bytes()}
	}
	began, end := time.Now(), r.core.peers.begin(r.broker.id)
	response, err := r.core.cluster.Do(ctx, &rawproduce.Request{
		Acks:    int16(r.core.cfg.Acks),
		Timeout: int32(r.core.cfg.RequestTimeout.Milliseconds() / 2),
		Topics:  byTopic(items, sets),
	})
	took := time.Since(began)
	end(took)
	r.core.produceSeconds.observe(took)
	outcomes := make([]failure.Outcome, len(items))
	answer, _ := response.(*produce.Response)
	for i := range items {
		sent := sets[i].revoke()
		switch {
		case err != nil && !sent:
			outcomes[i] = failure.Unsent(err)
		case err != nil:
			outcomes[i] = failure.Unanswered(err)
		case r.core.cfg.Acks == AcksNone:
			outcomes[i] = failure.Outcome{Verdict: failure.Delivered}
		default:
			outcomes[i] = answerFor(answer, items[i].partition)
			outcomes[i].Err = r.core.cluster.Discreet(outcomes[i].Err)
		}
	}
	return outcomes
}

// byTopic returns the record sets of a request's items as the protocol wants
// them: each topic once.
func byTopic(items []item, sets []*recordSet) []rawproduce.RequestTopic {
	var topics []rawproduce.RequestTopic
	index := make(map[*target]int)
	for i, it := range items {
		at, known := index[it.partition.target]
		if !known {
			at = len(topics)
			index[it.partition.target] = at
			topics = append(topics, rawproduce.RequestTopic{Topic: it.partition.target.name})
		}
		topics[at].Partitions = append(topics[at].Partitions, rawproduce.RequestPartition{
			Partition: it.partition.number,
			RecordSet: protocol.RawRecordSet{Reader: sets[i]},
		})
	}
	return topics
}
