//go:build kafka

package kafka_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/netflow9"
	"github.com/flowpub/flowpub/decoder/template"
	"github.com/flowpub/flowpub/internal/templates"
	"github.com/flowpub/flowpub/internal/testwait"
	"github.com/flowpub/flowpub/publisher/auth"
	kafkacluster "github.com/flowpub/flowpub/publisher/cluster"
)

// A NetFlow v9 packet has a header of an exporter that booted 1,000 s before exportSecond, and these
// FlowSets: two templates with the id 256, of the same length, that tell the octets or the packets; a record.
const (
	exportSecond = 1_717_200_000
	bootSecond   = exportSecond - 1000
)

var (
	octetsTemplate  = []byte{0, 0, 0, 16, 1, 0, 0, 2, 0, 8, 0, 4, 0, 1, 0, 4}
	packetsTemplate = []byte{0, 0, 0, 16, 1, 0, 0, 2, 0, 8, 0, 4, 0, 2, 0, 4}
	aRecord         = []byte{1, 0, 0, 12, 192, 0, 2, 1, 0, 0, 0, 100}
)

// replica is a process as far as templates go.
type replica struct {
	*templates.Store
	table *template.Table
	log   *logbook
	began time.Time
}

// startReplica starts one. It ends with the test at the latest.
func startReplica(t *testing.T, brokers []string, topic string, change func(*templates.Config)) *replica {
	t.Helper()
	r := &replica{table: template.NewTable(template.Config{Track: true}), log: new(logbook), began: time.Now()}
	cfg := &templates.Config{
		Topic: topic, Brokers: brokers, ClientID: "flowpub", Deployment: "flows", Table: r.table,
		Now: func() time.Duration { return time.Since(r.began) }, Restored: func() {},
		Log: slog.New(slog.NewMultiHandler(slog.NewTextHandler(t.Output(), nil), slog.NewJSONHandler(r.log, nil))),
	}
	if change != nil {
		change(cfg)
	}
	store, err := templates.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.Store = store
	t.Cleanup(r.end)
	return r
}

// end ends the replica in order, once.
func (r *replica) end() {
	if r.Store != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		r.Close(ctx)
		r.Store = nil
	}
}

// hear has an exporter send FlowSets, and returns what was decoded.
func (r *replica) hear(t *testing.T, exporter int, sets ...[]byte) *decoder.ExportPacket {
	t.Helper()
	return r.hearLater(t, exporter, 0, sets...)
}

// hearLater is hear for an exporter that booted so many seconds later.
func (r *replica) hearLater(t *testing.T, exporter, seconds int, sets ...[]byte) *decoder.ExportPacket {
	t.Helper()
	b := binary.BigEndian.AppendUint16([]byte{0, 9}, uint16(len(sets)))
	for _, n := range []int{1_000_000, exportSecond + seconds, 1, 7} {
		b = binary.BigEndian.AppendUint32(b, uint32(n))
	}
	var p decoder.ExportPacket
	from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(exporter >> 16), byte(exporter >> 8), byte(exporter)}), 2055)
	if err := netflow9.Decode(template.NewReader(r.table), append(b, bytes.Join(sets, nil)...), from, time.Since(r.began), &p); err != nil {
		t.Fatal(err)
	}
	return &p
}

// learn has an exporter teach a template, and prove it.
func (r *replica) learn(t *testing.T, exporter int, set []byte) {
	t.Helper()
	r.hear(t, exporter, set)
	for range 10 {
		r.hear(t, exporter, aRecord)
	}
}

func (r *replica) awaitLoad(t *testing.T) {
	t.Helper()
	testwait.Until(t, time.Minute, "the topic has been read", func() bool { return r.Stats().Load > 0 })
}

func (r *replica) awaitWritten(t *testing.T, n uint64) {
	t.Helper()
	testwait.Until(t, time.Minute, fmt.Sprintf("%d records are written", n), func() bool { return r.Stats().Written >= n })
}

// check fails the test unless an exporter's record is decoded provisionally, and tells octets, or packets.
func (r *replica) check(t *testing.T, exporter int, octets, packets uint64) {
	t.Helper()
	p := r.hear(t, exporter, aRecord)
	if len(p.Records) != 1 || p.Records[0].Octets != octets || p.Records[0].Packets != packets ||
		p.Records[0].Anomalies&decoder.AnomalyTemplateProvisional == 0 {
		t.Errorf("exporter %d: decoded %+v, want %d octets, %d packets, provisional", exporter, p.Records, octets, packets)
	}
}

// storedTemplate is a record of the topic, as docs/templates.md draws it.
func storedTemplate(exporter int, id uint16, learned time.Time, raw []byte) *kgo.Record {
	key := append([]byte{9}, make([]byte, 10)...)
	key = append(key, 0xff, 0xff, 10, byte(exporter>>16), byte(exporter>>8), byte(exporter))
	key = binary.BigEndian.AppendUint16(key, 2055)
	key = binary.BigEndian.AppendUint32(key, 7)
	key = binary.BigEndian.AppendUint16(key, id)
	value := binary.BigEndian.AppendUint64([]byte{1, 0}, uint64(learned.UnixNano()))
	value = binary.BigEndian.AppendUint64(value, exportSecond*1e9)
	value = binary.BigEndian.AppendUint64(value, bootSecond*1e9)
	return &kgo.Record{Key: key, Value: append(value, raw...)}
}

// write writes records as another program would.
func (c *cluster) write(t *testing.T, topic string, records ...*kgo.Record) {
	t.Helper()
	for _, r := range records {
		r.Topic = topic
	}
	if err := c.admin.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// The topic is missing: flowpub is ready after 5 s, tells the command, and creates it, with what it needs, when
// that is asked for. Whoever waited finds it.
func (c *cluster) templateTopicMissing(t *testing.T) {
	t.Parallel()
	name := newName("templates")
	without := startReplica(t, c.brokers, name, nil)
	line := without.log.await(t, "no metadata of the topic for templates, trying again", "Unknown Topic Or Partition")
	if !strings.Contains(line.Cure, "--topic "+name+" --partitions 1 --replication-factor 1 --config cleanup.policy=compact,delete") {
		t.Errorf("the cure is %q", line.Cure)
	}
	testwait.Until(t, time.Minute, "ready without the topic", func() bool { return without.Missing() == nil })
	with := startReplica(t, c.brokers, name, func(cfg *templates.Config) { cfg.CreateTopic = kafkacluster.TopicShape{Partitions: 12, Replicas: 1} })
	with.awaitLoad(t)
	without.awaitLoad(t)
	with.learn(t, 1, octetsTemplate)
	with.awaitWritten(t, 2)
	testwait.Until(t, time.Minute, "the other follows", func() bool { return without.table.Stats().Stored == 1 })
	without.check(t, 1, 100, 0)
	got := c.settings(t, name)
	for key, want := range map[string]string{
		"cleanup.policy": "compact,delete", "retention.ms": "604800000", "retention.bytes": "268435456", "segment.ms": "3600000",
		"segment.bytes": "8388608", "min.cleanable.dirty.ratio": "0.1", "max.message.bytes": "1048588",
	} {
		if got[key] != want {
			t.Errorf("%s is %q, want %q", key, got[key], want)
		}
	}
	if n := len(c.partitions(t, name)); n != 1 {
		t.Errorf("%d partitions, want 1", n)
	}
}

// settings returns those of a topic.
func (c *cluster) settings(t *testing.T, name string) map[string]string {
	t.Helper()
	request := kmsg.NewPtrDescribeConfigsRequest()
	resource := kmsg.NewDescribeConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeTopic, name
	request.Resources = append(request.Resources, resource)
	response, err := request.RequestWith(t.Context(), c.admin)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for _, e := range response.Resources[0].Configs {
		if e.Value != nil {
			all[e.Name] = *e.Value
		}
	}
	return all
}

// A topic that is not compacted, or forgets too soon, is warned of, with the cure, and used.
func (c *cluster) templateTopicNotCompacted(t *testing.T) {
	t.Parallel()
	name := c.createTopic(t, "grows", 2, "cleanup.policy", "delete", "retention.ms", "3600000")
	first := startReplica(t, c.brokers, name, nil)
	testwait.Until(t, time.Minute, "the warnings stand", func() bool {
		w := first.Stats().Warnings
		return w["template_cleanup"] && w["template_retention"] && w["template_partitions"]
	})
	line := first.log.await(t, "the topic for templates is not as it should be: it is not compacted, so reading it takes ever longer", "")
	if !strings.Contains(line.Cure, "--add-config cleanup.policy=[compact,delete]") {
		t.Errorf("the cure is %q", line.Cure)
	}
	first.awaitLoad(t)
	first.learn(t, 1, octetsTemplate)
	first.awaitWritten(t, 2)
	second := startReplica(t, c.brokers, name, nil)
	second.awaitLoad(t)
	second.check(t, 1, 100, 0)
}

// The topic is deleted and made anew, and is longer at once than it was: it is read from its beginning, and has what
// exporters have sent.
func (c *cluster) templateTopicReplaced(t *testing.T) {
	t.Parallel()
	name := c.createTopic(t, "replaced", 1, "cleanup.policy", "compact,delete")
	first := startReplica(t, c.brokers, name, nil)
	first.awaitLoad(t)
	first.learn(t, 1, octetsTemplate)
	first.awaitWritten(t, 2)
	testwait.Until(t, time.Minute, "it has read what it wrote", func() bool { return first.Stats().Read >= 2 })
	c.deleteTopic(t, name)
	c.createNamed(t, name, 1, "cleanup.policy", "compact,delete")
	var all []*kgo.Record
	for exporter := 2; exporter < 12; exporter++ {
		all = append(all, storedTemplate(exporter, 256, time.Now(), packetsTemplate[6:]))
	}
	c.write(t, name, all...)
	testwait.Until(t, time.Minute, "all of it is known", func() bool { return first.table.Stats().Stored == 10 })
	first.check(t, 2, 0, 100)
	first.log.await(t, "the topic for templates was made anew, or has lost records that were not read: "+
		"it is read from its beginning, and what exporters have sent here is written again", "")
	second := startReplica(t, c.brokers, name, nil)
	testwait.Until(t, time.Minute, "the other knows what was written again", func() bool { return second.table.Stats().Stored == 11 })
	second.check(t, 1, 100, 0)
}

// 200,000 templates, of 20,000 exporters: what there is room for is taken, within bounds of memory and time.
func (c *cluster) templatesWithoutEnd(t *testing.T) {
	t.Parallel()
	const entries = 200_000
	name := c.createTopic(t, "full", 1, "cleanup.policy", "compact,delete")
	now := time.Now()
	raw := binary.BigEndian.AppendUint16(nil, 23) // fields, as routers have
	for n := range 23 {
		raw = binary.BigEndian.AppendUint32(raw, uint32(30_000+n)<<16|4)
	}
	all := make([]*kgo.Record, entries)
	for i := range all {
		definition := append(bytes.Clone(raw), 0, 0)[:len(raw)]
		definition[3] = byte(i % 50) // 50 that differ
		all[i] = storedTemplate(1<<20+i/10, uint16(256+i%10), now, definition)
	}
	c.write(t, name, all...)
	clear(all)
	before := heapBytes()
	r := startReplica(t, c.brokers, name, nil)
	var peak uint64
	testwait.Until(t, 5*time.Minute, "the topic has been read", func() bool {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		peak = max(peak, m.HeapAlloc)
		return r.Stats().Load > 0
	})
	s, table := r.Stats(), r.table.Stats()
	after := heapBytes() // other tests' as well: the table's own bounds are in decoder/template
	kept := max(after, before) - before
	t.Logf("%d records in %v: %d templates of %d kinds, %d skipped; %d MiB are kept", s.Read, s.Load, table.Stored, table.Plans, s.Skipped["limit"], kept>>20)
	if s.Read != entries || table.Stored != 49152 || s.Skipped["limit"] != entries-49152 {
		t.Errorf("%+v; %+v; want three quarters of 65,536, and the rest skipped", s, table)
	}
	r.learn(t, 1, octetsTemplate) // exporters find room
	if p := r.hear(t, 1, aRecord); len(p.Records) != 1 || r.table.Stats().Stored != 49152 {
		t.Error("an exporter found no room")
	}
}

func heapBytes() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Garbage, and what a later version has written, is skipped and told; what is good is used. Each codec with which the
// topic may pack records is read.
func (c *cluster) templatesAmongGarbage(t *testing.T) {
	t.Parallel()
	for i, codec := range []string{"gzip", "snappy", "lz4", "zstd"} {
		t.Run(codec, func(t *testing.T) {
			t.Parallel()
			name := c.createTopic(t, "garbage-"+codec, 1, "cleanup.policy", "compact,delete", "compression.type", codec)
			newer := storedTemplate(2, 256, time.Now(), octetsTemplate[6:])
			newer.Value[0] = 2
			c.write(t, name,
				storedTemplate(1, 256, time.Now(), octetsTemplate[6:]), newer,
				&kgo.Record{Key: []byte("key"), Value: bytes.Repeat([]byte("value"), 1000)},
				&kgo.Record{Key: newer.Key[:24], Value: newer.Value},
				storedTemplate(3, 256, time.Now(), bytes.Repeat([]byte{byte(i)}, 3000)),
				storedTemplate(4, 256, time.Now().Add(-25*time.Hour), octetsTemplate[6:]),
			)
			r := startReplica(t, c.brokers, name, nil)
			r.awaitLoad(t)
			s := r.Stats()
			if s.Read != 6 || s.Skipped["garbage"] != 3 || s.Skipped["newer"] != 1 || s.Skipped["old"] != 1 {
				t.Errorf("%+v", s)
			}
			r.check(t, 1, 100, 0)
			r.log.await(t, "the topic for templates has records that flowpub did not write: they are skipped", "")
			r.log.await(t, "a newer version of flowpub writes to the topic for templates: what only that can read is skipped", "")
		})
	}
}

// Two clusters share the topic by mistake, and have exporters of one address that differ: each goes on decoding by what
// its own exporter sends, and counts the contradictions. A new replica is told, and healed by the next repetition.
func (c *cluster) templatesOfTwoClusters(t *testing.T) {
	t.Parallel()
	name := c.createTopic(t, "shared", 1, "cleanup.policy", "compact,delete")
	north := startReplica(t, c.brokers, name, func(cfg *templates.Config) { cfg.Deployment = "flows-north" })
	south := startReplica(t, c.brokers, name, func(cfg *templates.Config) { cfg.Deployment = "flows-south" })
	north.awaitLoad(t)
	south.awaitLoad(t)
	const message = "another deployment writes to the same topic for templates: where both have exporters " +
		"of the same address, each decodes by the other's templates until they come"
	north.log.await(t, message, "")
	south.log.await(t, message, "")
	north.learn(t, 1, octetsTemplate)
	south.learn(t, 1, packetsTemplate)
	north.awaitWritten(t, 2)
	south.awaitWritten(t, 2)
	testwait.Until(t, time.Minute, "both have read both", func() bool { return north.Stats().Read >= 4 && south.Stats().Read >= 4 })
	north.hear(t, 1, octetsTemplate)
	south.hear(t, 1, packetsTemplate)
	if n, s := north.table.Stats().Contradicted, south.table.Stats().Contradicted; n+s == 0 {
		t.Errorf("%d and %d contradictions, want some", n, s)
	}
	if p := north.hear(t, 1, aRecord); p.Records[0].Octets != 100 || p.Records[0].Anomalies&decoder.AnomalyTemplateProvisional != 0 {
		t.Errorf("north decoded %+v", p.Records)
	}
	if p := south.hear(t, 1, aRecord); p.Records[0].Packets != 100 || p.Records[0].Anomalies&decoder.AnomalyTemplateProvisional != 0 {
		t.Errorf("south decoded %+v", p.Records)
	}
}

// A user who may not read the topic is told so, with the cure. Flowpub is ready after 5 s, and reads once that is mended.
func (s *secured) templatesNotReadable(t *testing.T) {
	t.Parallel()
	name := s.createTopic(t, "secret", 1, "cleanup.policy", "compact,delete")
	s.permit(t, keeper, name, kmsg.ACLOperationWrite)
	s.write(t, name, storedTemplate(1, 256, time.Now(), octetsTemplate[6:]))
	r := startReplica(t, []string{s.addresses["GUEST"]}, name, func(cfg *templates.Config) {
		cfg.Auth = auth.Config{SASL: asGuest(keeper, keeperPassword)}
	})
	line := r.log.await(t, "the topic for templates could not be read, trying again", "[29] Topic Authorization Failed")
	if line.Cure != "give this user READ, WRITE and DESCRIBE on the topic" || line.Topic != name {
		t.Errorf("logged %+v", line)
	}
	testwait.Until(t, time.Minute, "ready without", func() bool { return r.Missing() == nil })
	if s := r.Stats(); !s.ReadFailing || s.Load != 0 {
		t.Errorf("%+v", s)
	}
	s.permit(t, keeper, name, kmsg.ACLOperationRead)
	r.awaitLoad(t)
	r.check(t, 1, 100, 0)
	r.log.await(t, "the topic for templates is read again", "")
}

// A user who may not write is told likewise, and reads all the same.
func (s *secured) templatesNotWritable(t *testing.T) {
	t.Parallel()
	name := s.createTopic(t, "read-only", 1, "cleanup.policy", "compact,delete")
	s.permit(t, keeper, name, kmsg.ACLOperationRead)
	s.write(t, name, storedTemplate(1, 256, time.Now(), octetsTemplate[6:]))
	r := startReplica(t, []string{s.addresses["GUEST"]}, name, func(cfg *templates.Config) {
		cfg.Auth = auth.Config{SASL: asGuest(keeper, keeperPassword)}
	})
	r.awaitLoad(t)
	r.check(t, 1, 100, 0)
	line := r.log.await(t, "the topic for templates could not be written, trying again", "[29] Topic Authorization Failed")
	if line.Cure != "give this user READ, WRITE and DESCRIBE on the topic" {
		t.Errorf("logged %+v", line)
	}
	s.permit(t, keeper, name, kmsg.ACLOperationWrite)
	r.awaitWritten(t, 1) // its mark
}

// Kafka is away: when a process starts, and for a minute while templates change.
func TestTemplatesWithoutKafka(t *testing.T) {
	t.Parallel()
	t.Run("away for a minute", templatesChangeWithoutKafka)
	t.Run("away at the start", templatesStartWithoutKafka)
}

// What has changed while Kafka was away is in the topic afterwards: the last of each.
func templatesChangeWithoutKafka(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 1)
	name := c.createTopic(t, "away", 1, "cleanup.policy", "compact,delete")
	r := startReplica(t, c.brokers, name, nil)
	r.awaitLoad(t)
	r.learn(t, 1, octetsTemplate)
	r.awaitWritten(t, 2)
	c.kill(t, 1)
	const many = 500
	for n := range many {
		r.learn(t, 1000+n, octetsTemplate)
	}
	pass(t, 60*time.Second)
	for n := range many {
		r.learn(t, 1000+n, packetsTemplate)
	}
	r.learn(t, 1, packetsTemplate)
	if s := r.Stats(); !s.ReadFailing || !s.WriteFailing || s.Pending < many {
		t.Errorf("%+v", s)
	}
	if p := r.hear(t, 1, aRecord); len(p.Records) != 1 || p.Records[0].Packets != 100 {
		t.Errorf("decoded %+v meanwhile", p.Records)
	}
	c.restart(t, 1)
	testwait.Until(t, 3*time.Minute, "all is written", func() bool { return r.Stats().Pending == 0 })
	r.log.await(t, "the topic for templates is written again", "")
	r.log.await(t, "the topic for templates is read again", "")
	fresh := startReplica(t, c.brokers, name, nil)
	fresh.awaitLoad(t)
	for n := range many {
		fresh.check(t, 1000+n, 0, 100)
	}
	fresh.check(t, 1, 0, 100)
}

// A process that starts without Kafka is ready after 5 s, and reads once that is there.
func templatesStartWithoutKafka(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 1)
	name := c.createTopic(t, "late", 1, "cleanup.policy", "compact,delete")
	c.write(t, name, storedTemplate(1, 256, time.Now(), octetsTemplate[6:]))
	c.kill(t, 1)
	r := startReplica(t, c.brokers, name, nil)
	if r.Missing() == nil {
		t.Error("it does not wait for the topic")
	}
	testwait.Until(t, time.Minute, "ready without Kafka", func() bool { return r.Missing() == nil })
	if took := time.Since(r.began); took < templates.LoadPatience {
		t.Errorf("ready after %v", took)
	}
	if p := r.hear(t, 1, aRecord); len(p.Records) != 0 {
		t.Errorf("decoded %+v", p.Records)
	}
	c.restart(t, 1)
	r.awaitLoad(t)
	r.check(t, 1, 100, 0)
	r.learn(t, 2, octetsTemplate)
	r.awaitWritten(t, 2)
}
