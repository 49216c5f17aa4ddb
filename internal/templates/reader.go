package templates

import (
	"errors"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/flowpub/flowpub/decoder/template"
	"github.com/flowpub/flowpub/publisher/answers"
	"github.com/flowpub/flowpub/publisher/cluster"
)

const (
	// fetchWait is how long a broker waits for something new.
	fetchWait = 10 * time.Second
	// loadWait is the same while the topic is read at the start.
	loadWait = 100 * time.Millisecond
	// idlePause is the least time between two answers without anything whole: not every broker
	// waits as it is asked to.
	idlePause = 100 * time.Millisecond
	// stuckAfter is how many useless answers at one offset are taken before the offset is skipped.
	stuckAfter = 3
	// maxOrphans bounds the domains without templates whose options are kept for later,
	// maxOrphanSamplings the samplings of all of them.
	maxOrphans         = 4096
	maxOrphanSamplings = 1 << 16
	// markAge is how long the mark of another deployment counts.
	markAge = 24 * time.Hour
)

// unknown is an offset that has to be asked for.
const unknown = -1

// reader brings the records of the topic into the table, in a goroutine of its own.
type reader struct {
	s       *Store
	offset  int64 // of what is to be read next
	end     int64 // of what there was at the start
	stuck   int   // useless answers in a row
	load    bool  // what there was at the start has been read
	lost    bool  // the offset to be read next is gone
	topic   incarnation
	orphans map[template.Key]*orphan
	held    int // samplings in them
}

// incarnation identifies one of several topics that had the same name one after the other: by its id, or,
// where brokers have no ids, by values that never decrease within one log.
type incarnation struct {
	id    cluster.TopicID
	asked time.Time // for the id
	start int64     // of the log
	epoch int32     // of the leader that took the last batches
}

// orphan holds the options of a domain that has no template yet.
type orphan struct {
	template.DomainOptions
	at time.Duration
}

func newReader(s *Store) *reader {
	return &reader{s: s, offset: unknown, end: unknown, orphans: make(map[template.Key]*orphan)}
}

// run reads until the store ends.
func (r *reader) run() {
	select {
	case <-r.s.found:
	case <-r.s.ctx.Done():
		return
	}
	for r.s.ctx.Err() == nil {
		if err := r.read(); err != nil && r.s.ctx.Err() == nil {
			r.s.rest(r.s.failed(Reading, err))
		}
	}
}

// rest waits for so long, or until the store ends.
func (s *Store) rest(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.ctx.Done():
	}
}

// read makes one attempt to read more.
func (r *reader) read() (err error) {
	ctx, topic := r.s.ctx, r.s.cfg.Topic
	if r.offset != unknown && r.isAnother() {
		r.restart()
	}
	if r.offset == unknown {
		r.topic = incarnation{}
		r.isAnother()
		if r.offset, err = r.s.kafka.Start(ctx, topic, 0); err != nil {
			r.offset = unknown
			return err
		}
	}
	wait := fetchWait
	if !r.load {
		wait = loadWait
	}
	asked := time.Now()
	log, err := r.s.kafka.Fetch(ctx, topic, 0, r.offset, wait)
	switch {
	case cluster.OutOfRange(err): // it was made anew, or read too slowly
		r.restart()
		return err
	case err != nil:
		if errors.Is(err, kafka.UnknownTopicOrPartition) {
			r.topic.asked = time.Time{} // it may be made anew
		}
		r.pass(err)
		return err
	}
	r.s.worked(Reading)
	if r.topic.isBehind(log) {
		r.restart()
		r.s.rest(idlePause)
		return nil
	}
	came := time.Now()
	loading := !r.load && came.Sub(r.s.began) < LoadPatience
	whole := r.take(log)
	switch took := time.Since(came); {
	case !whole:
		r.s.rest(min(idlePause, wait-time.Since(asked)))
	case !loading && took > idlePause:
		r.s.rest(took) // whatever others write, half of a processor is free
	}
	return nil
}

// isAnother asks for the topic's id, unless it did so within fetchWait, and reports whether it has changed. The
// new topic may be longer than what was read of the old one, so that the offset stays valid.
func (r *reader) isAnother() bool {
	t := &r.topic
	if !t.asked.IsZero() && time.Since(t.asked) < fetchWait {
		return false
	}
	t.asked = time.Now()
	id, err := r.s.kafka.TopicID(r.s.ctx, r.s.cfg.Topic)
	if err != nil || id == (cluster.TopicID{}) {
		return false // the next Fetch reports errors
	}
	before := t.id
	t.id = id
	return before != id && before != cluster.TopicID{}
}

// isBehind reports whether a log begins earlier, or has an earlier leader epoch, than what was read before: then it
// is another one. It does not look where ids are known, since a new leader may report an older start of the log.
func (t *incarnation) isBehind(log *cluster.Log) bool {
	if t.id != (cluster.TopicID{}) {
		return false
	}
	start, epoch := max(log.Start, 0), t.epoch
	if len(log.Batches) >= batchRecords {
		epoch = epochOf(log.Batches)
	}
	behind := start < t.start || epoch < t.epoch
	t.start, t.epoch = start, epoch
	return behind
}

// restart starts over at the beginning of the topic, and has everything that exporters have sent here written again.
func (r *reader) restart() {
	r.offset, r.end = unknown, unknown
	if r.lost {
		return
	}
	r.lost = true
	r.s.cfg.Table.Retell()
	r.s.notices.Warn("template_store anew", "the topic for templates was made anew, or has lost records that were not read: "+
		"it is read from its beginning, and what exporters have sent here is written again",
		"topic", r.s.cfg.Topic, "cure", "none is needed; if it happens again, see who deletes the topic or its records")
}

// pass skips offsets at which every answer is malformed.
func (r *reader) pass(err error) {
	if e, ok := errors.AsType[*answers.Error](err); !ok || e.Kind != answers.Malformed {
		r.stuck = 0
		return
	}
	if r.stuck++; r.stuck >= stuckAfter {
		r.offset += 1 << min(r.stuck-stuckAfter, 20)
		r.s.counts.skip(skipGarbage)
	}
}

// take takes the records that were read, and reports whether there was a whole batch.
func (r *reader) take(log *cluster.Log) bool {
	if r.end == unknown {
		r.end = log.End
	}
	r.lost = false
	before := r.offset
	restored := 0
	next, unread := readBatches(log.Batches, r.offset, func(key, value []byte) bool {
		if r.record(key, value) {
			restored++
		}
		return r.s.ctx.Err() == nil
	})
	for range unread {
		r.s.counts.skip(skipGarbage)
	}
	r.offset = next
	switch {
	case next > before:
		r.stuck = 0
	case len(log.Batches) > 0: // not even a batch is whole
		r.offset++
		r.s.counts.skip(skipGarbage)
	}
	if !r.load && r.offset >= r.end {
		r.finish()
	}
	if restored > 0 {
		r.adopt()
		r.s.cfg.Restored()
	}
	return next > before
}

// finish notes that the topic has been read up to its end at the start.
func (r *reader) finish() {
	r.load = true
	took := time.Since(r.s.began)
	var read uint64
	r.s.counts.do(func() { r.s.counts.load, read = took, r.s.counts.read })
	close(r.s.loaded)
	stats := r.s.cfg.Table.Stats()
	r.s.cfg.Log.Info("the topic for templates has been read", "topic", r.s.cfg.Topic,
		"records", read, "templates", stats.Stored, "samplings", stats.Samplers, "seconds", took.Seconds())
}

// record takes a record of the topic, and reports whether the table learned from it.
func (r *reader) record(key, value []byte) bool {
	r.s.counts.do(func() { r.s.counts.read++ })
	it, err := readItem(key, value, time.Now())
	switch {
	case errors.Is(err, errNewer):
		r.skip(skipNewer, "a newer version of flowpub writes to the topic for templates: what only that can read is skipped",
			"bring all replicas to the newer version")
		return false
	case err != nil:
		r.skip(skipGarbage, "the topic for templates has records that flowpub did not write: they are skipped",
			"let only flowpub write to it")
		return false
	case it.mark != "":
		r.mark(&it)
		return false
	}
	now := r.s.cfg.Now()
	result := template.RestoredInvalid
	switch {
	case it.template != nil:
		result = r.s.cfg.Table.Restore(*it.template, now)
	case it.options != nil:
		if result = r.s.cfg.Table.RestoreOptions(*it.options, now); result == template.RestoredOrphan && r.keep(it.options, now) {
			return false
		}
	}
	switch reason := reasonOf(result); reason {
	case "":
	case skipLimit:
		r.skip(reason, "the topic for templates has more than there is room for: the rest is skipped",
			CureCrowded)
	case skipExporterLimit:
		r.skip(reason, "the topic for templates has more of an exporter than there is room for, or larger ones: they are skipped",
			"see why it has so many: several devices behind one address, template ids that change without end, or forged datagrams",
			"exporter", it.template.Address)
	default:
		r.s.counts.skip(reason)
	}
	return result == template.RestoredNew
}

// skip counts and logs a record that cannot be used.
func (r *reader) skip(reason, message, cure string, args ...any) {
	r.s.counts.skip(reason)
	r.s.notices.Warn("template_store "+reason, message, append(args, "topic", r.s.cfg.Topic, "cure", cure)...)
}

// mark warns if another deployment writes to the topic.
func (r *reader) mark(it *item) {
	if it.mark != r.s.cfg.Deployment && it.age < markAge {
		r.s.notices.Warn("template_store shared", "another deployment writes to the same topic for templates: where both have exporters "+
			"of the same address, each decodes by the other's templates until they come",
			"topic", r.s.cfg.Topic, "other", printable(it.mark), "cure", "give each deployment a topic of its own")
	}
}

// printable returns a name with all that no name of a topic has replaced.
func printable(name string) string {
	b := []byte(name[:min(len(name), 249)])
	for i, c := range b {
		if c <= ' ' || c > '~' {
			b[i] = '?'
		}
	}
	return string(b)
}

// keep keeps the options of a domain until it has a template, and reports whether there was room.
func (r *reader) keep(o *template.DomainOptions, now time.Duration) bool {
	held := r.held + len(o.Samplings)
	known := r.orphans[o.Key]
	if known != nil {
		held -= len(known.Samplings)
	}
	if known == nil && len(r.orphans) >= maxOrphans || held > maxOrphanSamplings {
		return false
	}
	r.orphans[o.Key], r.held = &orphan{*o, now}, held
	return true
}

// adopt tries the kept options again, now that there are more templates.
func (r *reader) adopt() {
	now := r.s.cfg.Now()
	for key, o := range r.orphans {
		again := o.DomainOptions
		again.Age += now - o.at
		if result := r.s.cfg.Table.RestoreOptions(again, now); result != template.RestoredOrphan {
			delete(r.orphans, key)
			r.held -= len(o.Samplings)
			if reason := reasonOf(result); reason != "" {
				r.s.counts.skip(reason)
			}
		}
	}
}
