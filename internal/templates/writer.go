package templates

import (
	"context"
	"errors"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/flowpub/flowpub/decoder/template"
	"github.com/flowpub/flowpub/publisher/failure"
)

const (
	// writeInterval is how often the table is asked what has changed.
	writeInterval = time.Second
	// writeRate bounds the records written a second, writeBurst those written at once, so that
	// forged templates cannot fill the topic.
	writeRate  = 100
	writeBurst = 1000
	// writeTimeout bounds a request.
	writeTimeout = 10 * time.Second
	// unreadPatience is how long writing waits until the topic has been read.
	unreadPatience = time.Minute
	// requestBytes bounds what goes in one request.
	requestBytes = 512 << 10
)

// writer writes what the table has learned to the topic, in a goroutine of its own.
type writer struct {
	s       *Store
	allowed int       // how many records may be written now
	pending []record  // taken from the table, in the order in which they go
	resume  time.Time // when to try again after a failed attempt
}

// record is a record to be written. A nil value says that there is no such template any more.
type record struct{ key, value []byte }

func newWriter(s *Store) *writer { return &writer{s: s, allowed: writeBurst} }

// run writes until the store ends, and then once more.
func (w *writer) run() {
	tick := time.NewTicker(writeInterval)
	defer tick.Stop()
	if w.await(tick.C) {
		w.add(markOf(w.s.cfg.Deployment, time.Now()))
		for w.turn(tick.C) {
			w.allowed = min(w.allowed+writeRate, writeBurst)
			if time.Now().After(w.resume) {
				w.write()
			}
		}
		w.write()
	}
}

// turn waits for the next turn, and reports whether there is one.
func (w *writer) turn(tick <-chan time.Time) bool {
	select {
	case <-tick:
		return true
	case <-w.s.stop:
		return false
	}
}

// await waits until the topic has been read, or for unreadPatience, and reports whether the topic is there.
func (w *writer) await(tick <-chan time.Time) bool {
	select {
	case <-w.s.found:
	case <-w.s.stop:
		return false
	}
	for time.Since(w.s.began) < unreadPatience {
		select {
		case <-w.s.loaded:
			return true
		case <-tick:
		case <-w.s.stop:
			return true
		}
	}
	return true
}

// write writes what has changed, as much as is allowed, until an attempt fails.
func (w *writer) write() {
	for {
		w.collect()
		n := w.next()
		if n == 0 {
			return
		}
		err := w.attempt(w.pending[:n])
		if err != nil {
			if w.s.ctx.Err() == nil {
				w.resume = time.Now().Add(w.s.failed(Writing, err))
			}
			return
		}
		w.s.worked(Writing)
		w.pending = w.pending[n:]
		w.s.counts.do(func() { w.s.counts.pending = len(w.pending) })
	}
}

// collect asks the table for what has changed, once nothing else is to be written.
func (w *writer) collect() {
	if len(w.pending) > 0 || w.allowed == 0 {
		return
	}
	w.pending = nil
	now := time.Now()
	w.s.cfg.Table.Changes(w.s.cfg.Now(), w.allowed,
		func(t template.Template) {
			key := keyOf(&t.Key)
			if t.Removed {
				w.add(key, nil)
				return
			}
			w.add(key, templateValue(&t, now))
		},
		func(o template.DomainOptions) { w.add(keyOf(&o.Key), optionsValue(&o, now)) })
	w.allowed -= len(w.pending)
	w.s.counts.do(func() { w.s.counts.pending = len(w.pending) })
}

// add queues a record.
func (w *writer) add(key, value []byte) {
	w.pending = append(w.pending, record{key, value})
}

// next returns how many of the pending records fit into a request.
func (w *writer) next() (n int) {
	const overhead = 32
	for size := 0; n < len(w.pending); n++ {
		if size += overhead + len(w.pending[n].key) + len(w.pending[n].value); n > 0 && size > requestBytes {
			break
		}
	}
	return n
}

// attempt writes records. It gives up a record that brokers will never accept.
func (w *writer) attempt(records []record) error {
	err := w.produce(records)
	switch {
	case err == nil:
		w.s.counts.do(func() {
			w.s.counts.written += uint64(len(records))
			w.s.counts.lastWritten = time.Now()
		})
		return nil
	case !refused(err):
		return err
	case len(records) == 1:
		w.s.counts.do(func() { w.s.counts.refused++ })
		w.s.notices.Warn("template_store refused", "a template was refused and is not stored",
			"topic", w.s.cfg.Topic, "error", failure.Sentence(err), "cure", failure.Of(err).Cure)
		return nil
	default:
		half := len(records) / 2
		return errors.Join(w.attempt(records[:half]), w.attempt(records[half:]))
	}
}

// refused reports whether brokers will never take what they were sent.
func refused(err error) bool {
	var code kafka.Error
	if !errors.As(err, &code) {
		return false
	}
	verdict := failure.Answer(code, "").Verdict
	return verdict == failure.TooLarge || verdict == failure.Invalid
}

// produce sends one request.
func (w *writer) produce(records []record) error {
	all := make([]kafka.Record, len(records))
	for i, r := range records {
		all[i] = kafka.Record{Time: time.Now(), Key: kafka.NewBytes(r.key), Value: kafka.NewBytes(r.value)}
	}
	ctx, cancel := context.WithTimeout(w.s.ctx, writeTimeout)
	defer cancel()
	client := kafka.Client{Addr: w.s.addr(), Transport: w.s.kafka}
	response, err := client.Produce(ctx, &kafka.ProduceRequest{
		Topic: w.s.cfg.Topic, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(all...),
	})
	switch inner := errors.Unwrap(err); {
	case inner != nil:
		err = inner // without the name of the client's function
	case err == nil:
		err = response.Error
	}
	return w.s.kafka.Discreet(err)
}
