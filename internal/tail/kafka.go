package tail

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/flowpub/flowpub/internal/tail/flow"
)

const (
	// clientID names this program in the brokers' logs and quotas.
	clientID = "flowtail"
	// startTimeout is how long brokers have to answer at the start.
	startTimeout = 10 * time.Second
	// partitionInterval is how often partitions that were added are looked for.
	partitionInterval = 5 * time.Second
	// fetchWait is the longest time a broker may wait for records before it
	// answers.
	fetchWait = 500 * time.Millisecond
	// pollWait is the longest time without a call of sink.idle.
	pollWait = 100 * time.Millisecond
	// quietAfter is for how long nothing may come before all is taken to be read that there
	// is: the last offsets of a partition may hold no record.
	quietAfter = 3 * time.Second
	// commitTimeout is how long the end may wait for a group's offsets to be noted.
	commitTimeout = 5 * time.Second
	// Sizes of answers: of all partitions of a broker, and of each.
	fetchMaxBytes     = 16 << 20
	partitionMaxBytes = 2 << 20
	// maxUnpacked is how large a batch may become that was compressed: many times what
	// producers make. A few bytes could fill the memory otherwise.
	maxUnpacked = 64 << 20
	// wholeTopic stands for all partitions in errors of the client, such as those of metadata.
	wholeTopic = -1
)

// topic reads the messages of the partitions of a topic.
type topic struct {
	cfg      *Config
	security Security
	client   *kafka.Client // for all but records
	reader   *kgo.Client
	interval time.Duration

	// next is the offset of the next record of each partition, as far as it is known.
	next map[int32]int64
	// unread are the offsets behind the last record of each partition that there was in the
	// beginning, and unfinished those behind the last that is wanted, as long as it has not
	// been read.
	unread, unfinished map[int32]int64
	// backlog: not all of unread has been read. untilKnown: unfinished is known.
	backlog, untilKnown bool
	failing             map[int32]bool
}

// newTopic connects to the brokers and finds out where to begin.
func newTopic(ctx context.Context, cfg *Config, interval time.Duration) (*topic, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	dial := dialer{cfg.Security}.dial
	t := &topic{
		cfg: cfg, security: cfg.Security, interval: interval, failing: make(map[int32]bool),
		client: &kafka.Client{Addr: kafka.TCP(cfg.Brokers...), Transport: &kafka.Transport{
			ClientID: clientID, MetadataTTL: interval, Dial: checked(dial, cfg.Security), SASL: cfg.Security.SASL(),
		}},
	}
	options, err := t.begin(ctx)
	if err != nil {
		t.close(ctx)
		return nil, err
	}
	options = append(options, kgo.SeedBrokers(cfg.Brokers...), kgo.ClientID(clientID), kgo.Dialer(t.dialer(dial)),
		kgo.FetchMaxWait(fetchWait), kgo.FetchMaxBytes(fetchMaxBytes), kgo.FetchMaxPartitionBytes(partitionMaxBytes),
		kgo.MaxDecompressBatchBytes(maxUnpacked),
		kgo.KeepControlRecords(), kgo.KeepRetryableFetchErrors(), kgo.DisableClientMetrics())
	if cfg.Security.SASL() != nil {
		options = append(options, kgo.SASL(newLogin(cfg.Security)))
	}
	if t.reader, err = kgo.NewClient(options...); err != nil {
		t.close(ctx)
		return nil, fmt.Errorf("tail: reading topic %q: %w", cfg.Topic, err)
	}
	return t, nil
}

func (t *topic) close(ctx context.Context) {
	if transport, ok := t.client.Transport.(*kafka.Transport); ok {
		transport.CloseIdleConnections()
	}
	if t.reader == nil {
		return
	}
	if t.cfg.Group != "" {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
		defer cancel()
		if err := t.reader.CommitMarkedOffsets(ctx); err != nil {
			t.cfg.Logger.Warn("what was read could not be noted in the consumer group", "group", t.cfg.Group, "error", t.explain(err))
		}
	}
	t.reader.CloseAllowingRebalance()
}

// begin returns which records are read first.
func (t *topic) begin(ctx context.Context) ([]kgo.Opt, error) {
	partitions, err := t.partitions(ctx)
	if err != nil {
		return nil, err
	}
	if t.cfg.Group != "" {
		return []kgo.Opt{
			kgo.ConsumerGroup(t.cfg.Group), kgo.ConsumeTopics(t.cfg.Topic), kgo.ConsumeResetOffset(resetOf(t.cfg.From)),
			kgo.AutoCommitMarks(), kgo.BlockRebalanceOnPoll(),
		}, nil
	}
	spans, err := t.spans(ctx, partitions, t.cfg.From)
	if err != nil {
		return nil, err
	}
	t.next, t.unread = make(map[int32]int64, len(spans)), make(map[int32]int64, len(spans))
	first := make(map[int32]kgo.Offset, len(spans))
	for partition, s := range spans {
		first[partition] = kgo.NewOffset().At(s.begin)
		t.next[partition] = s.begin
		if s.begin < s.end {
			t.unread[partition] = s.end
		}
	}
	t.backlog = len(t.unread) > 0
	return []kgo.Opt{
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{t.cfg.Topic: first}),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	}, nil
}

// resetOf returns where a group begins that has no offsets.
func resetOf(from Position) kgo.Offset {
	switch from.kind {
	case atStart:
		return kgo.NewOffset().AtStart()
	case atTime:
		return kgo.NewOffset().AfterMilli(from.time.UnixMilli())
	default:
		return kgo.NewOffset().AtEnd()
	}
}

// dialer is dial, whose failures are logged when they begin.
func (t *topic) dialer(dial dialing) dialing {
	var mu sync.Mutex
	failing := make(map[string]bool)
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		mu.Lock()
		defer mu.Unlock()
		if err != nil && !failing[address] && ctx.Err() == nil {
			t.cfg.Logger.Warn("a broker cannot be reached; trying again", "error", t.explain(err))
		}
		failing[address] = err != nil
		return conn, err
	}
}

// run is part of source. It looks for partitions that are added, too.
func (t *topic) run(ctx context.Context, s *sink) error {
	defer t.close(ctx)
	ctx, cancel := context.WithCancel(ctx)
	var looking sync.WaitGroup
	defer looking.Wait()
	defer cancel()
	if t.cfg.Group == "" && len(t.cfg.Partitions) == 0 {
		known := slices.Collect(maps.Keys(t.next))
		looking.Go(func() { t.followPartitions(ctx, known) })
	}
	lastCame := time.Now()
	for {
		if err := t.findEnds(ctx); err != nil {
			return err
		}
		if t.untilKnown && len(t.unfinished) == 0 {
			return nil
		}
		came, err := t.poll(ctx, s)
		if err == nil {
			err = s.idle()
		}
		if err != nil || ctx.Err() != nil {
			return err
		}
		if now := time.Now(); came {
			lastCame = now
		} else if now.Sub(lastCame) > quietAfter && len(t.failing) == 0 {
			clear(t.unread)
			clear(t.unfinished)
		}
		if t.backlog && len(t.unread) == 0 {
			t.backlog = false
			if err := s.allRead(); err != nil {
				return err
			}
		}
	}
}

// findEnds looks up where the wanted records end, once that moment is past.
func (t *topic) findEnds(ctx context.Context) error {
	if t.cfg.Until.IsZero() || t.untilKnown || time.Now().Before(t.cfg.Until) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	partitions, err := t.partitions(ctx)
	if err != nil {
		return err
	}
	ends, err := t.spans(ctx, partitions, FromTime(t.cfg.Until))
	if err != nil {
		return err
	}
	t.untilKnown, t.unfinished = true, make(map[int32]int64)
	for partition, s := range ends {
		if t.next[partition] < s.begin {
			t.unfinished[partition] = s.begin
		}
	}
	return nil
}

// poll hands over the records that have come, and reports whether there were any.
func (t *topic) poll(ctx context.Context, s *sink) (came bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, pollWait)
	defer cancel()
	fetches := t.reader.PollFetches(ctx)
	if t.cfg.Group != "" {
		defer t.reader.AllowRebalance()
	}
	fetches.EachError(func(_ string, partition int32, fault error) {
		if err == nil {
			err = t.fault(partition, fault)
		}
	})
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		if err == nil && len(p.Records) > 0 {
			came = true
			err = t.takeAll(s, &p)
		}
	})
	return came, err
}

// toldBy returns the form that a header tells, whatever its name.
func toldBy(headers []kgo.RecordHeader) flow.Form {
	for _, h := range headers {
		if form := flow.FormTold(h.Value); form != flow.Auto {
			return form
		}
	}
	return flow.Auto
}

// takeAll hands over the records of a partition.
func (t *topic) takeAll(s *sink, p *kgo.FetchTopicPartition) error {
	delete(t.failing, p.Partition)
	delete(t.failing, wholeTopic) // its metadata must have come
	m := message{topic: p.Topic, partition: p.Partition}
	var last *kgo.Record
	var err error
	for _, last = range p.Records {
		m.value, m.told, m.offset = last.Value, toldBy(last.Headers), last.Offset
		if last.Attrs.IsControl() || !t.cfg.Until.IsZero() && !last.Timestamp.Before(t.cfg.Until) {
			continue
		}
		if err = s.take(&m); err != nil {
			break
		}
	}
	if t.cfg.Group != "" {
		t.reader.MarkCommitRecords(last)
		return err
	}
	t.read(p.Partition, last.Offset+1)
	return err
}

// fault looks at an error in reading. It is logged when it begins, and returned if it does
// not pass by itself.
func (t *topic) fault(partition int32, err error) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return nil
	}
	if bomb, ok := errors.AsType[*kgo.ErrDecompressTooLarge](err); ok {
		t.skip(bomb)
		return nil
	}
	if session, ok := errors.AsType[*kgo.ErrGroupSession](err); ok {
		if code := codeOf(session); code == kafka.GroupAuthorizationFailed {
			return fmt.Errorf("tail: consumer group %q: %w", t.cfg.Group, t.explain(err))
		}
	}
	if !t.failing[partition] {
		t.failing[partition] = true
		t.cfg.Logger.Warn("reading a partition failed; trying again", "topic", t.cfg.Topic, "partition", partition, "error", t.explain(err))
	}
	return nil
}

// skip passes over a batch that is too large once it is not compressed any more.
func (t *topic) skip(b *kgo.ErrDecompressTooLarge) {
	t.cfg.Logger.Warn("a batch is passed over: it would take more memory than is given to one",
		"topic", b.Topic, "partition", b.Partition, "offset", b.Offset, "next", b.NextOffset, "most_bytes", maxUnpacked)
	next := map[string]map[int32]kgo.EpochOffset{b.Topic: {b.Partition: {Epoch: b.Epoch, Offset: b.NextOffset}}}
	t.reader.MarkCommitOffsets(next) // without a mark a group's partition that nothing was read of cannot be set
	t.reader.SetOffsets(next)
	if t.cfg.Group == "" {
		t.read(b.Partition, b.NextOffset)
	}
}

// read notes that a partition has been read up to an offset.
func (t *topic) read(partition int32, next int64) {
	t.next[partition] = next
	for _, ends := range [...]map[int32]int64{t.unread, t.unfinished} {
		if end, ok := ends[partition]; ok && next >= end {
			delete(ends, partition)
		}
	}
}

// followPartitions reads partitions that are added, from their start: all of their records
// are new.
func (t *topic) followPartitions(ctx context.Context, known []int32) {
	ticker := time.NewTicker(t.interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		// An error here is the brokers' being away, which reading tells of.
		partitions, _ := t.partitions(ctx)
		added := make(map[int32]kgo.Offset)
		for _, partition := range partitions {
			if !slices.Contains(known, int32(partition)) {
				added[int32(partition)] = kgo.NewOffset().AtStart()
				known = append(known, int32(partition))
			}
		}
		if len(added) > 0 {
			t.reader.AddConsumePartitions(map[string]map[int32]kgo.Offset{t.cfg.Topic: added})
		}
	}
}
