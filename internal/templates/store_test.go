package templates

import (
	"bytes"
	"context"
	"encoding/binary"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/netflow9"
	"github.com/flowpub/flowpub/decoder/template"
	"github.com/flowpub/flowpub/internal/testlog"
	"github.com/flowpub/flowpub/internal/testwait"
	"github.com/flowpub/flowpub/publisher/cluster"
)

const (
	testTopic = "templates"
	patience  = time.Minute
)

// exporter is who sends, from addresses that differ by n.
func exporter(n int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), 2055)
}

// packet returns a NetFlow v9 packet of an exporter that booted 1,000 s before 1,717,200,000.
func packet(sets ...[]byte) []byte {
	b := binary.BigEndian.AppendUint16([]byte{0, 9}, uint16(len(sets)))
	for _, n := range []uint32{1_000_000, 1_717_200_000, 1, 7} {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return append(b, bytes.Join(sets, nil)...)
}

var (
	// teach has template 256: IPV4_SRC_ADDR, IN_BYTES.
	teach = []byte{0, 0, 0, 16, 1, 0, 0, 2, 0, 8, 0, 4, 0, 1, 0, 4}
	// data has a record of it: 192.0.2.1, 100.
	data = []byte{1, 0, 0, 12, 192, 0, 2, 1, 0, 0, 0, 100}
	// sampling has options template 512 (scope system, element 34) and its record: 1 in 50.
	sampling = []byte{0, 1, 0, 18, 2, 0, 0, 4, 0, 4, 0, 1, 0, 4, 0, 34, 0, 4, 2, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 50}
)

// side is a process as far as templates go.
type side struct {
	*Store
	table    *template.Table
	began    time.Time
	log      *testlog.Book
	restored atomic.Int64
	slow     atomic.Int64 // how long each takes
}

// open starts a process whose store is at the brokers.
func open(t *testing.T, brokers []string, change func(*Config)) *side {
	t.Helper()
	p := &side{table: template.NewTable(template.Config{Track: true}), began: time.Now(), log: new(testlog.Book)}
	cfg := &Config{
		Topic: testTopic, Brokers: brokers, ClientID: "test", Deployment: "flows", Table: p.table,
		Now: p.now, Log: p.log.Logger(),
		Restored: func() { p.restored.Add(1) },
	}
	if change != nil {
		change(cfg)
	}
	store, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	p.Store = store
	t.Cleanup(p.close)
	return p
}

func (p *side) now() time.Duration { return time.Since(p.began) }

// close ends the process in order, once.
func (p *side) close() {
	if p.Store != nil {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		p.Close(ctx)
		p.Store = nil
	}
}

// decode decodes a packet and returns it.
func (p *side) decode(t *testing.T, from netip.AddrPort, sets ...[]byte) *decoder.ExportPacket {
	t.Helper()
	var e decoder.ExportPacket
	if err := netflow9.Decode(template.NewReader(p.table), packet(sets...), from, p.now(), &e); err != nil {
		t.Fatal(err)
	}
	return &e
}

// teach has an exporter teach the process templates, and prove them.
func (p *side) teach(t *testing.T, from netip.AddrPort, sets ...[]byte) {
	t.Helper()
	p.decode(t, from, sets...)
	for range 10 {
		p.decode(t, from, data)
	}
}

func (p *side) awaitLoad(t *testing.T) {
	t.Helper()
	testwait.Until(t, patience, "the topic has been read", func() bool { return p.Stats().Load > 0 })
}

func (p *side) awaitWritten(t *testing.T, n uint64) {
	t.Helper()
	testwait.Until(t, patience, "written", func() bool { return p.Stats().Written >= n })
}

// startBroker runs a broker with the topic.
func startBroker(t *testing.T, settings map[string]string) (c *kfake.Cluster, brokers []string) {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if settings != nil {
		if err := c.CreateTopic(testTopic, 1, settings); err != nil {
			t.Fatal(err)
		}
	}
	brokers = c.ListenAddrs()
	return c, brokers
}

var compacted = map[string]string{"cleanup.policy": "compact,delete"}

// put writes records as another program would.
func put(t *testing.T, brokers []string, records ...*kgo.Record) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DefaultProduceTopic(testTopic))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// A process decodes from its first datagram on by what another has learned, marked until the exporter
// has said it again; without the topic it cannot.
func TestSecondProcessDecodesTheFirstDatagrams(t *testing.T) {
	t.Parallel()
	_, brokers := startBroker(t, compacted)
	first := open(t, brokers, nil)
	first.awaitLoad(t)
	first.teach(t, exporter(1), teach, sampling)
	first.awaitWritten(t, 4) // the mark, two templates, the sampling
	if last := first.Stats().LastWritten; last.Before(first.began) || last.After(time.Now()) {
		t.Errorf("last written at %v", last)
	}
	first.close()

	second := open(t, brokers, nil)
	second.awaitLoad(t)
	if got := second.Missing(); got != nil {
		t.Errorf("missing %q", got)
	}
	e := second.decode(t, exporter(1), data)
	if len(e.Records) != 1 || e.Records[0].Octets != 100 || e.Records[0].Anomalies&decoder.AnomalyTemplateProvisional == 0 ||
		e.Extensions[0].Values[decoder.FieldSamplingInterval] != 50 {
		t.Errorf("decoded %+v", e.Records)
	}
	if e = second.decode(t, exporter(1), teach, sampling, data); e.Records[0].Anomalies&decoder.AnomalyTemplateProvisional != 0 {
		t.Error("the exporter has confirmed it, and it is marked still")
	}
	without := &side{table: template.NewTable(template.Config{})}
	if e := without.decode(t, exporter(1), data); len(e.Records) != 0 {
		t.Errorf("without the topic %d records", len(e.Records))
	}
	if s := second.Stats(); s.Read != 4 || second.restored.Load() == 0 || s.ReadFailing || s.WriteFailing {
		t.Errorf("%+v, restored %d times", s, second.restored.Load())
	}
}

// What one process learns while others run reaches them, and what is no longer valid goes.
func TestProcessesFollow(t *testing.T) {
	t.Parallel()
	_, brokers := startBroker(t, compacted)
	a, b := open(t, brokers, nil), open(t, brokers, nil)
	a.awaitLoad(t)
	b.awaitLoad(t)
	a.teach(t, exporter(1), teach)
	testwait.Until(t, patience, "the other process knows it", func() bool { return b.table.Stats().Stored == 1 })
	a.decode(t, exporter(1), []byte{0, 0, 0, 12, 1, 0, 0, 1, 0, 8, 0, 0}) // a template without length
	testwait.Until(t, patience, "it is gone", func() bool { return b.table.Stats().Stored == 0 })
}

// A process writes what has changed when it ends.
func TestCloseWrites(t *testing.T) {
	t.Parallel()
	_, brokers := startBroker(t, compacted)
	first := open(t, brokers, nil)
	first.awaitLoad(t)
	first.awaitWritten(t, 1)
	for n := range 3000 {
		first.teach(t, exporter(n), teach)
	}
	s := first.Stats()
	most := int64(s.Pending) + int64(s.Written) // some are already, if that took long
	first.close()
	second := open(t, brokers, nil)
	second.awaitLoad(t)
	if got := second.table.Stats().Stored; got == 0 || got > most {
		t.Errorf("%d templates were written of %d", got, most)
	}
}

// What is not flowpub's, or of a later version, costs nothing but its count.
func TestGarbageIsSkipped(t *testing.T) {
	t.Parallel()
	_, brokers := startBroker(t, compacted)
	good := open(t, brokers, nil)
	good.awaitLoad(t)
	good.teach(t, exporter(1), teach)
	good.awaitWritten(t, 2)
	key := keyOf(&template.Key{Format: decoder.FormatNetFlowV9, Address: exporter(2).Addr(), Domain: 7, ID: 256})
	put(t, brokers,
		&kgo.Record{Value: []byte("no key")},
		&kgo.Record{Key: []byte("key"), Value: bytes.Repeat([]byte("value"), 100)},
		&kgo.Record{Key: key, Value: []byte{1, 0}},
		&kgo.Record{Key: key, Value: bytes.Repeat([]byte{0xff}, 70_000)},
		&kgo.Record{Key: key, Value: append(bytes.Repeat([]byte{1}, valueHead), 0, 9, 9)},
		&kgo.Record{Key: key, Value: append([]byte{2}, "of a later version"...)},
		&kgo.Record{Key: append([]byte{0}, "other\nflows"...), Value: binary.BigEndian.AppendUint64([]byte{1}, uint64(time.Now().UnixNano()))},
	)
	p := open(t, brokers, nil)
	p.awaitLoad(t)
	s := p.Stats()
	if s.Skipped[skipGarbage] != 5 || s.Skipped[skipOld] != 0 || s.Skipped[skipNewer] != 1 || p.table.Stats().Stored != 1 {
		t.Errorf("%+v; %+v", s, p.table.Stats())
	}
	for _, want := range []string{"newer version", "did not write", "another deployment", `other=other?flows`} {
		if !p.log.Has(want) {
			t.Errorf("the log lacks %q:\n%s", want, p.log.Text())
		}
	}
}

// Each codec with which a broker may have packed records is read.
func TestCodecs(t *testing.T) {
	t.Parallel()
	_, brokers := startBroker(t, compacted)
	for i, codec := range []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()} {
		client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DefaultProduceTopic(testTopic), kgo.ProducerBatchCompression(codec))
		if err != nil {
			t.Fatal(err)
		}
		var all []*kgo.Record
		for n := range 50 {
			stored := template.Template{
				Key:        template.Key{Format: decoder.FormatNetFlowV9, Address: exporter(n).Addr(), Port: uint16(i), Domain: 7, ID: 256},
				Definition: template.Definition{Raw: teach[6:]},
			}
			all = append(all, &kgo.Record{Key: keyOf(&stored.Key), Value: templateValue(&stored, time.Now())})
		}
		if err := client.ProduceSync(t.Context(), all...).FirstErr(); err != nil {
			t.Fatal(err)
		}
		client.Close()
	}
	p := open(t, brokers, nil)
	p.awaitLoad(t)
	if got := p.table.Stats().Stored; got != 250 {
		t.Errorf("%d templates, want 50 of each of 5 codecs; %+v", got, p.Stats())
	}
}

// A topic that is not there holds up the start for 5 s only; it is created when that is asked for, as it should be.
func TestMissingTopic(t *testing.T) {
	t.Parallel()
	_, brokers := startBroker(t, nil)
	without := open(t, brokers, nil)
	if got := without.Missing(); len(got) != 1 || !strings.Contains(got[0], testTopic) {
		t.Errorf("missing %q, want the topic", got)
	}
	testwait.Until(t, patience, "the missing topic is told", func() bool {
		return without.log.Has("--partitions 1 --replication-factor 1 --config cleanup.policy=compact,delete")
	})
	if s := without.Stats(); !s.ReadFailing || s.Fault == nil || s.Fault.Operation != Finding || !strings.Contains(s.Fault.Cure, "--config cleanup.policy=compact,delete") {
		t.Errorf("without the topic: %+v", s.Fault)
	}
	testwait.Until(t, patience, "ready without it", func() bool { return without.Missing() == nil })
	if took := time.Since(without.Store.began); took < LoadPatience {
		t.Errorf("ready after %v", took)
	}
	with := open(t, brokers, func(c *Config) { c.CreateTopic = cluster.TopicShape{Partitions: 12, Replicas: 1} })
	with.awaitLoad(t)
	with.awaitWritten(t, 1)
	testwait.Until(t, patience, "the first finds it", func() bool { return without.Stats().Load > 0 })
	if s := without.Stats(); s.Fault != nil || s.ReadFailing {
		t.Errorf("it has found it, and the fault is %+v", s.Fault)
	}
	if risks := with.Stats().Risks; len(risks) != 1 || risks[0] != (Risk{"it has one replica, and is lost with that broker's disk", "reassign its partition to three brokers"}) {
		t.Errorf("the risks are %q", risks)
	}
	for kind, stands := range with.Stats().Warnings {
		if stands != (kind == warnReplicas) {
			t.Errorf("%s stands: %v", kind, stands)
		}
	}
}

// A topic that was deleted and made anew while nobody could read it, and is as long by now, is read from its
// beginning, and has what the process knows.
func TestTopicIsReplaced(t *testing.T) {
	t.Parallel()
	broker, brokers := startBroker(t, compacted)
	p := open(t, brokers, nil)
	p.awaitLoad(t)
	p.teach(t, exporter(1), teach)
	p.awaitWritten(t, 2) // the mark, the template
	testwait.Until(t, patience, "it has read what it wrote", func() bool { return p.Stats().Read >= 2 })

	fault := broker.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: testTopic, Err: kerr.NotLeaderForPartition, Count: -1})
	testwait.Until(t, patience, "it cannot read", func() bool { return p.Stats().ReadFailing })
	if err := broker.DeleteTopic(testTopic); err != nil {
		t.Fatal(err)
	}
	if err := broker.CreateTopic(testTopic, 1, compacted); err != nil {
		t.Fatal(err)
	}
	stored := template.Template{
		Key:        template.Key{Format: decoder.FormatNetFlowV9, Address: exporter(2).Addr(), Port: exporter(2).Port(), Domain: 7, ID: 256},
		Definition: template.Definition{Format: decoder.FormatNetFlowV9, Raw: teach[6:]},
	}
	all := []*kgo.Record{{Key: keyOf(&stored.Key), Value: templateValue(&stored, time.Now())}}
	mark, value := markOf("flows", time.Now())
	for range 9 {
		all = append(all, &kgo.Record{Key: mark, Value: value})
	}
	put(t, brokers, all...)
	fault.Remove()
	testwait.Until(t, patience, "its first record is known", func() bool { return p.table.Stats().Stored == 1 })
	p.awaitWritten(t, 3)
	other := open(t, brokers, nil)
	testwait.Until(t, patience, "others know what it knew", func() bool { return other.table.Stats().Stored == 2 })
}

// Whatever fails is told with its cure, and is over when it is mended.
func TestFailuresAreTold(t *testing.T) {
	t.Parallel()
	broker, brokers := startBroker(t, compacted)
	for _, c := range []struct {
		name  string
		key   kmsg.Key
		of    Operation
		fails func(Stats) bool
		log   string
	}{
		{"reading", 1, Reading, func(s Stats) bool { return s.ReadFailing }, "could not be read"},
		{"writing", 0, Writing, func(s Stats) bool { return s.WriteFailing }, "could not be written"},
	} {
		began := time.Now()
		fault := broker.Fault(kfake.Fault{Keys: []kmsg.Key{c.key}, Topic: testTopic, Err: kerr.TopicAuthorizationFailed, Count: -1})
		p := open(t, brokers, nil)
		testwait.Until(t, patience, c.name+" fails", func() bool { return c.fails(p.Stats()) })
		const cure = "give this user READ, WRITE and DESCRIBE on the topic"
		if f := p.Stats().Fault; f == nil || f.Operation != c.of || f.Cure != cure || !strings.Contains(f.Text, "Topic Authorization Failed") ||
			f.Since.Before(began) || f.Since.After(time.Now()) {
			t.Errorf("%s: the fault is %+v", c.name, f)
		}
		for _, want := range []string{c.log, cure} {
			testwait.Until(t, patience, "the log has "+want, func() bool { return p.log.Has(want) })
		}
		fault.Remove()
		testwait.Until(t, patience, c.name+" is over", func() bool { return !c.fails(p.Stats()) && p.Stats().Load > 0 })
		if f := p.Stats().Fault; f != nil {
			t.Errorf("%s is over, and the fault is %+v", c.name, f)
		}
		p.close()
	}
}
