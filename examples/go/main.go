// Services reads flow records as one of a consumer group, and prints every ten
// seconds which services had most traffic.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/segmentio/kafka-go"
	"google.golang.org/protobuf/proto"

	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// Whom to read from, what, and how much.
var (
	brokers = flag.String("brokers", "127.0.0.1:9092", "brokers of the cluster, separated by commas")
	topic   = flag.String("topic", "flows", "topic that holds the flow records")
	group   = flag.String("group", "services", "consumer group; start several, and they share the partitions")
	header  = flag.String("header", "content-type", "header that tells the form of values, as FLOWPUB_KAFKA_VALUE_HEADER has it")
	limit   = flag.Int("n", 0, "end after so many flows; 0: never")
)

func main() {
	flag.Parse()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	reader := kafka.NewReader(kafka.ReaderConfig{
		Brokers: strings.Split(*brokers, ","), Topic: *topic, GroupID: *group,
		StartOffset: kafka.FirstOffset, // of a group that has committed nothing yet
		MaxBytes:    16 << 20,
	})
	return errors.Join(report(ctx, reader, os.Stdout, *limit), reader.Close())
}

// interval is how long traffic is summed up.
const interval = 10 * time.Second

// report prints sums until ctx ends or limit flows were read. It commits what it has
// printed, so that after a crash some flows are printed again, and none is left out.
func report(ctx context.Context, reader *kafka.Reader, out io.Writer, limit int) error {
	for total := 0; ctx.Err() == nil && (limit == 0 || total < limit); {
		sums, last, n, err := collect(ctx, reader, limit-total)
		if err != nil {
			return err
		}
		total += n
		sums.print(out, n)
		if err := reader.CommitMessages(context.WithoutCancel(ctx), slices.Collect(maps.Values(last))...); err != nil {
			return err
		}
	}
	return nil
}

// collect sums up what comes in an interval, but no more than limit flows above 0.
// last has the newest message of each partition.
func collect(ctx context.Context, reader *kafka.Reader, limit int) (sums, map[int]kafka.Message, int, error) {
	ctx, cancel := context.WithTimeout(ctx, interval)
	defer cancel()
	counted, last := sums{}, map[int]kafka.Message{}
	for n := 0; ; {
		m, err := reader.FetchMessage(ctx)
		if err != nil && ctx.Err() != nil {
			return counted, last, n, nil
		}
		if err != nil {
			return nil, nil, 0, err
		}
		flow, err := decode(&m)
		if err != nil {
			return nil, nil, 0, fmt.Errorf("%s/%d offset %d: %w", m.Topic, m.Partition, m.Offset, err)
		}
		counted.add(flow)
		last[m.Partition] = m
		if n++; n == limit {
			return counted, last, n, nil
		}
	}
}

// form is what the header says of values that decode reads.
const form = "protobuf; flow.v1.FlowRecord"

// decode reads a value. If a header tells its form, that is believed first: another form, or
// another version of the schema, could look like a flow.
func decode(m *kafka.Message) (*flowv1.FlowRecord, error) {
	for _, h := range m.Headers {
		if h.Key == *header && string(h.Value) != form {
			return nil, fmt.Errorf("the header %s says %q, and only %q is read here: set FLOWPUB_KAFKA_VALUE=protobuf, or read another topic", h.Key, h.Value, form)
		}
	}
	flow := new(flowv1.FlowRecord)
	if err := proto.Unmarshal(m.Value, flow); err != nil {
		return nil, fmt.Errorf("no FlowRecord: is FLOWPUB_KAFKA_VALUE protobuf? %w", err)
	}
	return flow, nil
}

// service is an IP protocol and a port; most services have the lower one of the two.
type service struct {
	protocol, port uint32
}

type sums map[service]uint64

// add adds a flow's octets, as many as there probably were.
func (s sums) add(flow *flowv1.FlowRecord) {
	if !isTraffic(flow) {
		return
	}
	interval := max(flow.GetSamplingInterval(), flow.GetSamplingOverride(), 1)
	s[service{flow.GetProtocol(), min(flow.GetSourcePort(), flow.GetDestinationPort())}] +=
		(flow.GetOctets() + flow.GetReverseOctets()) * uint64(interval)
}

// isTraffic reports whether a flow is to be summed. Others repeat traffic that further
// records have, or are none: docs/consumers.md, "What to sum".
func isTraffic(flow *flowv1.FlowRecord) bool {
	event := flow.GetNatEvent() != 0 || flow.GetFirewallEvent() != 0 && flow.GetFirewallEvent() != 5
	total := flow.GetCounterKind() == flowv1.CounterKind_COUNTER_KIND_TOTAL
	dropNotice := flow.GetFormat() == flowv1.ExportFormat_EXPORT_FORMAT_SFLOW_V5 &&
		flow.GetForwardingStatus() == 128 && flow.GetSamplingInterval() == 0
	return !event && !total && !dropNotice
}

// print prints the ten greatest.
func (s sums) print(out io.Writer, flows int) {
	fmt.Fprintf(out, "%s  %d flows\n", time.Now().Format(time.TimeOnly), flows)
	greatest := slices.SortedFunc(maps.Keys(s), func(a, b service) int {
		return cmp.Or(cmp.Compare(s[b], s[a]), cmp.Compare(a.protocol, b.protocol), cmp.Compare(a.port, b.port))
	})
	for _, v := range greatest[:min(10, len(greatest))] {
		fmt.Fprintf(out, "  protocol %3d port %5d %15d octets\n", v.protocol, v.port, s[v])
	}
}
