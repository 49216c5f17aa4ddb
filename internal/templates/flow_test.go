package templates

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/produce"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/template"
	"github.com/flowpub/flowpub/internal/testlog"
	"github.com/flowpub/flowpub/publisher/answers"
	"github.com/flowpub/flowpub/publisher/cluster"
)

// fakeKafka is a cluster without a network. What is written is read.
type fakeKafka struct {
	mu       sync.Mutex
	refuse   func(records []record) error // nil takes everything
	requests [][]record
	log      []record
	start    int64 // what is before is gone
	id       cluster.TopicID
	epoch    uint32
	fetch    func(offset int64) (*cluster.Log, error)
	offsets  []int64 // that were asked for
}

func (k *fakeKafka) RoundTrip(_ context.Context, _ net.Addr, r kafka.Request) (kafka.Response, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p := &r.(*produce.Request).Topics[0].Partitions[0] //nolint:forcetypeassert // nothing else is sent
	var all []record
	for {
		one, err := p.RecordSet.Records.ReadRecord()
		if errors.Is(err, io.EOF) {
			break
		}
		key, _ := protocol.ReadAll(one.Key)
		value, _ := protocol.ReadAll(one.Value)
		all = append(all, record{key, value})
	}
	k.requests = append(k.requests, all)
	var code kafka.Error
	if k.refuse != nil {
		if err := k.refuse(all); err != nil && !errors.As(err, &code) {
			return nil, err
		}
	}
	if code == 0 {
		k.log = append(k.log, all...)
	}
	return &produce.Response{Topics: []produce.ResponseTopic{{
		Topic: testTopic, Partitions: []produce.ResponsePartition{{ErrorCode: int16(code)}},
	}}}, nil
}

func (k *fakeKafka) Start(context.Context, string, int32) (int64, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.start, nil
}

func (k *fakeKafka) TopicID(context.Context, string) (cluster.TopicID, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.id, nil
}

func (k *fakeKafka) Fetch(ctx context.Context, _ string, _ int32, offset int64, wait time.Duration) (*cluster.Log, error) {
	k.mu.Lock()
	k.offsets = append(k.offsets, offset)
	if k.fetch != nil {
		defer k.mu.Unlock()
		return k.fetch(offset)
	}
	log := &cluster.Log{Start: k.start, End: int64(len(k.log))}
	for i := offset; i < log.End; i++ {
		batch := batchOf(i, k.log[i])
		binary.BigEndian.PutUint32(batch[batchEpoch:], k.epoch)
		log.Batches = append(log.Batches, batch...)
	}
	k.mu.Unlock()
	if log.Batches == nil {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return log, nil
}

func (*fakeKafka) Discreet(err error) error { return err }
func (*fakeKafka) Refresh()                 {}
func (*fakeKafka) Close()                   {}

// count returns how many records were taken.
func (k *fakeKafka) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.log)
}

// batchOf is a record batch of one record at an offset, as Kafka's documentation has it.
func batchOf(offset int64, r record) []byte {
	field := func(b, value []byte) []byte {
		if value == nil {
			return binary.AppendVarint(b, -1)
		}
		return append(binary.AppendVarint(b, int64(len(value))), value...)
	}
	body := append(field(field([]byte{0, 0, 0}, r.key), r.value), 0) // attributes, time, offset; no headers
	body = append(binary.AppendVarint(nil, int64(len(body))), body...)
	b := slices.Concat(make([]byte, batchRecords), body)
	binary.BigEndian.PutUint64(b, uint64(offset))
	binary.BigEndian.PutUint32(b[57:], 1)
	b[batchMagic] = 2
	return sealed(b)
}

// sealed sets a batch's length and checksum.
func sealed(b []byte) []byte {
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-batchFrame))
	binary.BigEndian.PutUint32(b[batchCRC:], crc32.Checksum(b[batchAttributes:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// with runs a store on a fake in a bubble.
func with(t *testing.T, k *fakeKafka, use func(p *side)) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		p := &side{table: template.NewTable(template.Config{Track: true}), began: time.Now(), log: new(testlog.Book)}
		p.Store = newStore(&Config{
			Topic: testTopic, Brokers: []string{"kafka:9092"}, Deployment: "flows", Table: p.table, Now: p.now,
			Restored: func() {
				p.restored.Add(1)
				<-time.After(time.Duration(p.slow.Load()))
			},
			Log: p.log.Logger(),
		})
		p.kafka = k
		p.start()
		p.Learn(&cluster.Topic{Leaders: []int32{1}})
		use(p)
		p.close()
	})
}

// pass lets time pass.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// However many templates come at once, a thousand are written, and then a hundred a second.
func TestWritesAreLimited(t *testing.T) {
	t.Parallel()
	k := new(fakeKafka)
	const fields = 150 // so that a thousand do not fit into a request
	long := []byte{0, 0, 0, 0, 1, 0, 0, fields}
	binary.BigEndian.PutUint16(long[2:], 8+4*fields)
	for n := range fields {
		long = append(long, 0x4e, byte(n), 0, 1)
	}
	record := append([]byte{1, 0, 0, 4 + fields}, make([]byte, fields)...)
	with(t, k, func(p *side) {
		for n := range 3000 {
			p.decode(t, exporter(n), long)
			for range 10 {
				p.decode(t, exporter(n), record)
			}
		}
		for _, c := range []struct {
			after time.Duration
			want  int
		}{{1500 * time.Millisecond, 1001}, {time.Second, 1101}, {10 * time.Second, 2101}, {20 * time.Second, 3001}} {
			if pass(c.after); k.count() != c.want {
				t.Errorf("%d records, want the mark and %d templates", k.count(), c.want-1)
			}
		}
		if s := p.Stats(); s.Pending != 0 || s.Written != 3001 || s.Read != 3001 {
			t.Errorf("%+v", s)
		}
	})
	for _, request := range k.requests {
		size := 0
		for _, r := range request {
			size += 32 + len(r.key) + len(r.value)
		}
		if size > requestBytes {
			t.Errorf("a request of %d bytes", size)
		}
	}
}

// While Kafka takes nothing the last definition is kept, and written afterwards.
func TestWritesWait(t *testing.T) {
	t.Parallel()
	k := &fakeKafka{refuse: func([]record) error { return kafka.NotEnoughReplicas }}
	other := []byte{0, 0, 0, 16, 1, 0, 0, 2, 0, 12, 0, 4, 0, 2, 0, 4}
	with(t, k, func(p *side) {
		p.teach(t, exporter(1), teach)
		pass(30 * time.Second)
		p.teach(t, exporter(1), other)
		pass(time.Minute)
		if s := p.Stats(); !s.WriteFailing || s.Pending == 0 || s.Written != 0 {
			t.Errorf("%+v", s)
		}
		k.mu.Lock()
		k.refuse = nil
		k.mu.Unlock()
		pass(5 * time.Minute)
		if s := p.Stats(); s.WriteFailing || s.Pending != 0 {
			t.Errorf("%+v", s)
		}
	})
	last := k.log[len(k.log)-1]
	if it, err := readItem(last.key, last.value, time.Now()); err != nil || !bytes.Equal(it.template.Raw, other[6:]) {
		t.Errorf("the last record is %+v, error %v", it.template, err)
	}
}

// What brokers refuse alone is given up, and holds nothing up.
func TestRefusedIsGivenUp(t *testing.T) {
	t.Parallel()
	poisonous := exporter(3).Addr().As16()
	k := &fakeKafka{refuse: func(records []record) error {
		for _, r := range records {
			if len(r.key) == keyLength && bytes.Equal(r.key[1:17], poisonous[:]) {
				return kafka.InvalidRecord
			}
		}
		return nil
	}}
	with(t, k, func(p *side) {
		for n := range 10 {
			p.teach(t, exporter(n), teach)
		}
		pass(5 * time.Second)
		if s := p.Stats(); k.count() != 10 || s.Written != 10 || s.Refused != 1 || s.Pending != 0 || !p.log.Has("was refused") {
			t.Errorf("%d records, %+v, want the mark and nine templates; the log:\n%s", k.count(), s, p.log.Text())
		}
	})
}

// What is there already is not written again; what the end of the process finds is.
func TestNothingIsWrittenTwice(t *testing.T) {
	t.Parallel()
	k := new(fakeKafka)
	with(t, k, func(p *side) {
		p.teach(t, exporter(1), teach, sampling)
		pass(2 * time.Second)
		p.teach(t, exporter(2), teach)
	})
	if k.count() != 5 {
		t.Fatalf("%d records, want the mark, three templates and a sampling", k.count())
	}
	with(t, k, func(p *side) {
		pass(time.Second)
		for range 3 {
			p.teach(t, exporter(1), teach, sampling)
			pass(10 * time.Minute)
		}
		if s := p.Stats(); k.count() != 6 || s.Pending != 0 {
			t.Errorf("%d records, %+v, want one mark more", k.count(), s)
		}
	})
}

// A topic that was made anew is read from its beginning, and has all that exporters have sent.
func TestTopicIsMadeAnew(t *testing.T) {
	t.Parallel()
	k := new(fakeKafka)
	with(t, k, func(p *side) {
		p.teach(t, exporter(1), teach, sampling)
		pass(2 * time.Second)
		k.mu.Lock()
		k.log = nil
		k.fetch = func(int64) (*cluster.Log, error) { return nil, kafka.OffsetOutOfRange }
		k.mu.Unlock()
		pass(12 * time.Second)
		k.mu.Lock()
		k.fetch = nil
		k.mu.Unlock()
		pass(12 * time.Second)
		if k.count() != 3 {
			t.Errorf("%d records, want two templates and a sampling", k.count())
		}
	})
}

// A topic that was made anew, and has more than was read of the one before, is read from its beginning within
// seconds, and has what exporters have sent here: whether by its id, by where the log begins or by its leader's epoch.
func TestTopicIsMadeAnewAndLonger(t *testing.T) {
	t.Parallel()
	key := template.Key{Format: decoder.FormatNetFlowV9, Address: exporter(2).Addr(), Port: exporter(2).Port(), Domain: 7, ID: 256}
	for _, test := range []struct {
		name  string
		kafka *fakeKafka
		anew  func(k *fakeKafka)
		noted bool
	}{
		{"by its id", &fakeKafka{id: cluster.TopicID{1}}, func(k *fakeKafka) { k.id[0]++ }, true},
		{"with an id, by nothing else", &fakeKafka{id: cluster.TopicID{1}, epoch: 7}, func(k *fakeKafka) { k.start, k.epoch = 0, 0 }, false},
		{"by where it begins", &fakeKafka{start: 1}, func(k *fakeKafka) { k.start = 0 }, true},
		{"by its leader", &fakeKafka{epoch: 7}, func(k *fakeKafka) { k.epoch = 6 }, true},
		{"another leader follows", &fakeKafka{epoch: 7}, func(k *fakeKafka) { k.epoch = 8 }, false},
		{"records are deleted", &fakeKafka{}, func(k *fakeKafka) { k.start = 1 }, false},
		{"the brokers learn to tell ids", &fakeKafka{}, func(k *fakeKafka) { k.id[0] = 1 }, false},
	} {
		k := test.kafka
		for range k.start {
			k.log = append(k.log, record{})
		}
		with(t, k, func(p *side) {
			p.teach(t, exporter(1), teach)
			pass(12 * time.Second) // what it has written it reads, too
			stored := &template.Template{Key: key, Definition: template.Definition{Format: key.Format, Raw: teach[6:]}}
			value := templateValue(stored, time.Now())
			k.mu.Lock()
			test.anew(k)
			k.log = []record{{keyOf(&key), value}} // behind which is what others have written
			for range 20 {
				k.log = append(k.log, record{[]byte{markKey, 'x'}, binary.BigEndian.AppendUint64([]byte{1}, uint64(time.Now().UnixNano()))})
			}
			k.mu.Unlock()
			before := p.Stats()
			pass(25 * time.Second)
			if got := p.table.Stats().Stored == 1; got != test.noted {
				t.Errorf("%s: its first record is known: %v", test.name, got)
			}
			own, want := p.Stats().Written-before.Written, uint64(one(test.noted))
			if own != want || len(p.log.Lines("was made anew")) != one(test.noted) {
				t.Errorf("%s: %d records were written again, want %d; the log:\n%s", test.name, own, want, p.log.Text())
			}
			pass(time.Hour)
			if own := p.Stats().Written - before.Written; own != want {
				t.Errorf("%s: an hour later %d records were written, want %d", test.name, own, want)
			}
		})
	}
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// A topic that was gone is looked at as soon as it is back.
func TestTopicIsMadeAnewWhileItIsMissed(t *testing.T) {
	t.Parallel()
	k := &fakeKafka{id: cluster.TopicID{1}}
	with(t, k, func(p *side) {
		p.teach(t, exporter(1), teach)
		pass(12 * time.Second)
		k.mu.Lock()
		k.fetch = func(int64) (*cluster.Log, error) { return nil, kafka.UnknownTopicOrPartition }
		k.mu.Unlock()
		pass(12 * time.Second)
		k.mu.Lock()
		k.fetch, k.id = nil, cluster.TopicID{2}
		k.log = make([]record, 20)
		k.mu.Unlock()
		if pass(2500 * time.Millisecond); len(p.log.Lines("was made anew")) != 1 || k.count() != 21 {
			t.Errorf("%d records, want the template written again; the log:\n%s", k.count(), p.log.Text())
		}
	})
}

// What finds no room is counted by which limit keeps it out, and told with what helps against that.
func TestNoRoom(t *testing.T) {
	t.Parallel()
	now := time.Now()
	many := func(n int, change func(key *template.Key, i int)) (all []record) {
		for i := range n {
			stored := template.Template{
				Key:        template.Key{Format: decoder.FormatNetFlowV9, Address: exporter(1).Addr(), Domain: 7, ID: 256},
				Definition: template.Definition{Format: decoder.FormatNetFlowV9, Raw: teach[6:]},
			}
			change(&stored.Key, i)
			all = append(all, record{keyOf(&stored.Key), templateValue(&stored, now)})
		}
		return all
	}
	for _, test := range []struct {
		reason, log string
		records     []record
		want        uint64
		crowded     bool
	}{
		{skipLimit, CureCrowded, many(49_152+7, func(k *template.Key, i int) { k.Address, k.Domain = exporter(i%40_000).Addr(), uint32(i/40_000) }), 7, true},
		{skipExporterLimit, "exporter=10.0.0.1", many(384+3, func(k *template.Key, i int) { k.ID += uint16(i) }), 3, false},
	} {
		with(t, &fakeKafka{log: test.records}, func(p *side) {
			pass(2 * time.Second)
			s := p.Stats()
			for reason, n := range s.Skipped {
				if reason == test.reason && n != test.want || reason != test.reason && n != 0 {
					t.Errorf("%d are skipped as %s, want %d as %s", n, reason, test.want, test.reason)
				}
			}
			if s.Crowded.IsZero() == test.crowded || len(p.log.Lines(test.log)) != 1 {
				t.Errorf("%s: crowded at %v; the log:\n%s", test.reason, s.Crowded, p.log.Text())
			}
		})
	}
}

// An answer that is never of use does not hold up what is behind it.
func TestUnreadableIsPassedOver(t *testing.T) {
	t.Parallel()
	good := record{key: []byte{markKey, 'x'}, value: binary.BigEndian.AppendUint64([]byte{1}, uint64(time.Now().UnixNano()))}
	k := new(fakeKafka)
	k.fetch = func(offset int64) (*cluster.Log, error) {
		switch {
		case offset < 5:
			return nil, &answers.Error{Kind: answers.Malformed}
		case offset < 10: // a batch that is never whole
			return &cluster.Log{End: 12, Batches: batchOf(offset, good)[:70]}, nil
		case offset < 12: // one that is damaged
			b := batchOf(offset, good)
			b[len(b)-1]++
			return &cluster.Log{End: 12, Batches: b}, nil
		}
		return &cluster.Log{End: 12}, nil
	}
	with(t, k, func(p *side) {
		k.mu.Lock()
		done := k.fetch
		k.fetch = func(offset int64) (*cluster.Log, error) {
			if offset >= 12 {
				k.fetch = nil
				k.log = make([]record, 12)
			}
			return done(offset)
		}
		k.mu.Unlock()
		pass(5 * time.Minute)
		if s := p.Stats(); s.Load == 0 || s.Skipped[skipGarbage] == 0 || s.ReadFailing {
			t.Errorf("%+v; asked for %v", s, k.offsets)
		}
	})
}

// Answers without anything whole in them, that come at once and without end, are not asked for as fast as they
// come.
func TestHastyAnswersAreNotAskedForAtOnce(t *testing.T) {
	t.Parallel()
	const most = 10*10 + 2 // in 10 seconds
	for name, batches := range map[string][]byte{"nothing": nil, "a part of a batch": {1, 2, 3}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := new(fakeKafka)
			asked := 0
			k.fetch = func(int64) (*cluster.Log, error) {
				if asked++; asked > 10*most {
					k.fetch = nil // which waits, so that the test ends
				}
				return &cluster.Log{Batches: batches}, nil
			}
			with(t, k, func(*side) {
				pass(10 * time.Second)
				k.mu.Lock()
				defer k.mu.Unlock()
				if asked < 10 || asked > most {
					t.Errorf("asked %d times in 10 seconds, want 10 to %d", asked, most)
				}
			})
		})
	}
}

// The end of the process waits for nothing that is to be read.
func TestEndStopsReading(t *testing.T) {
	t.Parallel()
	s := newStore(&Config{Topic: testTopic, Table: template.NewTable(template.Config{}), Now: func() time.Duration { return 0 }, Log: new(testlog.Book).Logger()})
	s.cancel()
	s.reader.take(&cluster.Log{End: 2, Batches: append(tiny(t, 1000), tiny(t, 1000)...)})
	if got := s.Stats().Read; got > 1 {
		t.Errorf("%d records were read after the end", got)
	}
}

// Whoever writes much to the topic takes half of a processor's time at most.
func TestReadingTakesHalfOfTheTime(t *testing.T) {
	t.Parallel()
	k := new(fakeKafka)
	asked := 0
	k.fetch = func(offset int64) (*cluster.Log, error) {
		asked++
		one := template.Template{
			Key:        template.Key{Format: decoder.FormatNetFlowV9, Address: exporter(1).Addr(), ID: uint16(256 + offset)},
			Definition: template.Definition{Format: decoder.FormatNetFlowV9, Raw: teach[6:]},
		}
		return &cluster.Log{End: 1 << 62, Batches: batchOf(offset, record{keyOf(&one.Key), templateValue(&one, time.Now())})}, nil
	}
	with(t, k, func(p *side) {
		p.slow.Store(int64(time.Second))
		pass(2 * LoadPatience) // until then what there was at the start is read
		k.mu.Lock()
		asked = 0
		k.mu.Unlock()
		pass(20*time.Second + time.Millisecond)
		k.mu.Lock()
		defer k.mu.Unlock()
		if asked < 9 || asked > 11 {
			t.Errorf("asked %d times in 20 seconds for what takes a second, want 10", asked)
		}
	})
}

// What options have told waits for a template of its domain, within bounds.
func TestOptionsWaitForTemplates(t *testing.T) {
	t.Parallel()
	now := time.Now()
	key := template.Key{Format: decoder.FormatNetFlowV9, Address: exporter(1).Addr(), Domain: 7}
	options := &template.DomainOptions{Key: key, Booted: 1_717_199_000e9, Samplings: []template.ScopedSampling{{Sampling: template.Sampling{Interval: 50}}}}
	k := &fakeKafka{log: []record{{keyOf(&key), optionsValue(options, now)}}}
	for n := range maxOrphans + 10 {
		other := key
		other.Domain = uint32(1000 + n)
		k.log = append(k.log, record{keyOf(&other), optionsValue(&template.DomainOptions{Key: other}, now)})
	}
	key.ID, key.Port = 256, exporter(1).Port()
	stored := &template.Template{Key: key, Booted: 1_717_199_000e9, Definition: template.Definition{Format: key.Format, Raw: teach[6:]}}
	k.log = append(k.log, record{keyOf(&key), templateValue(stored, now)})
	with(t, k, func(p *side) {
		pass(time.Second)
		e := p.decode(t, exporter(1), data)
		if len(e.Records) != 1 || e.Extensions[0].Values[decoder.FieldSamplingInterval] != 50 {
			t.Errorf("decoded %+v", e.Records)
		}
		if s := p.Stats(); s.Skipped[skipOrphan] != 11 || len(p.reader.orphans) != maxOrphans-1 {
			t.Errorf("%+v, %d wait", s, len(p.reader.orphans))
		}
	})
}

// Options that wait take bounded memory however much each of them tells, and give it back.
func TestWaitingOptionsAreSmall(t *testing.T) {
	t.Parallel()
	now := time.Now()
	const each = maxOrphanSamplings / 30
	key := template.Key{Format: decoder.FormatNetFlowV9, Address: exporter(1).Addr()}
	k := &fakeKafka{}
	for n := range 40 {
		key.Domain = uint32(n % 35) // the first five come again
		k.log = append(k.log, record{keyOf(&key), optionsValue(&template.DomainOptions{Key: key, Samplings: make([]template.ScopedSampling, each)}, now)})
	}
	key.Domain, key.ID, key.Port = 3, 256, exporter(1).Port()
	stored := &template.Template{Key: key, Definition: template.Definition{Format: key.Format, Raw: teach[6:]}}
	k.log = append(k.log, record{keyOf(&key), templateValue(stored, now)})
	with(t, k, func(p *side) {
		pass(time.Second)
		if s := p.Stats(); s.Skipped[skipOrphan] != 5 || len(p.reader.orphans) != 29 || p.reader.held != 29*each {
			t.Errorf("%+v, %d wait with %d samplings", s, len(p.reader.orphans), p.reader.held)
		}
	})
}
