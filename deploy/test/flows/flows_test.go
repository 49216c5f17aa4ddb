package main

import (
	"encoding/json"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"google.golang.org/protobuf/proto"

	"github.com/flowpub/flowpub/internal/broker"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

var began = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// tenFlows is a report of ten flows, which sequences pass 2^32 in.
func tenFlows() report {
	const first = 1<<32 - 4
	return report{
		exporterID: exporterID{netip.MustParseAddrPort("192.0.2.1:5000"), 1, 7},
		First:      first, Next: 6, Flows: 10, Datagrams: 5, Rate: 2, Began: began,
	}
}

// flow is the nth flow of tenFlows, two a packet.
func flow(n uint32) *flowv1.FlowRecord {
	return &flowv1.FlowRecord{
		ExporterAddress: []byte{192, 0, 2, 1}, ExporterPort: 5000, EngineType: 1, EngineId: 7,
		FlowSequence: 1<<32 - 4 + n/2*2, RecordIndex: n % 2,
		ReceiveTimeNs: uint64(began.Add(time.Duration(n) * time.Second).UnixNano()),
	}
}

func TestCount(t *testing.T) {
	t.Parallel()
	all := func() (flows []*flowv1.FlowRecord) {
		for n := range uint32(10) {
			flows = append(flows, flow(n))
		}
		return flows
	}
	tests := []struct {
		name   string
		flows  func() []*flowv1.FlowRecord
		lost   string
		status int
		stdout []string
		stderr string
	}{
		{"all", all, "0", 0, []string{"192.0.2.1:5000 10 0 0", "all 10 0 0"}, ""},
		{
			"lost", func() []*flowv1.FlowRecord { f := all(); return append(f[:3:3], f[6:9]...) }, "0", 1,
			[]string{
				"192.0.2.1:5000 10 4 0",
				"192.0.2.1:5000: 3 flows in a row are missing, sent over 1.500 s, from 1.500 s on",
				"192.0.2.1:5000: 1 flows in a row are missing, sent over 0.500 s, from 4.500 s on",
			},
			"flows: 4 flows are lost: 0 were to be\n",
		},
		{"lost as expected", func() []*flowv1.FlowRecord { return all()[2:] }, "2", 0, []string{"all 10 2 0"}, ""},
		{"lost within bounds", func() []*flowv1.FlowRecord { return all()[2:] }, "1..2", 0, []string{"all 10 2 0"}, ""},
		{"lost too few", func() []*flowv1.FlowRecord { return all()[2:] }, "3..9", 1, nil, "flows: 2 flows are lost: 3 to 9 were to be\n"},
		{"duplicated", func() []*flowv1.FlowRecord { return append(all(), flow(3), flow(3)) }, "0", 1,
			[]string{"all 10 0 2"}, "flows: 2 flows are there more than once\n"},
		{"address rewritten", func() []*flowv1.FlowRecord {
			f := all()
			f[4].ExporterAddress = []byte{10, 0, 0, 1}
			return f
		}, "1", 1, []string{"10.0.0.1:5000: 1 flows that no report tells of"}, "flows: 1 flows are of exporters that sent none\n"},
		{"port rewritten", func() []*flowv1.FlowRecord { f := all(); f[4].ExporterPort = 1; return f }, "1", 1,
			[]string{"192.0.2.1:1: 1 flows that no report tells of"}, "flows: 1 flows are of exporters that sent none\n"},
		{"number that was not sent", func() []*flowv1.FlowRecord { return append(all(), flow(10)) }, "0", 1,
			[]string{"192.0.2.1:5000: 1 flows that no report tells of"}, "flows: 1 flows are of exporters that sent none\n"},
		{"of an earlier run", func() []*flowv1.FlowRecord {
			old := flow(0)
			old.ReceiveTimeNs = uint64(began.Add(-time.Millisecond).UnixNano())
			return append(all(), old)
		}, "0", 0, []string{"all 10 0 0"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out, errs strings.Builder
			args := []string{"count", "-brokers", topicWith(t, tt.flows()), "-quiet", "1ms", "-lost", tt.lost, fileOf(t, tenFlows())}
			if status := run(t.Context(), args, &out, &errs); status != tt.status || errs.String() != tt.stderr {
				t.Errorf("status %d, want %d; stderr %q, want %q", status, tt.status, errs.String(), tt.stderr)
			}
			printed := strings.Join(strings.Fields(out.String()), " ")
			for _, line := range tt.stdout {
				if !strings.Contains(printed, line) {
					t.Errorf("printed %q, want %q in it", printed, line)
				}
			}
		})
	}
}

// topicWith returns the address of a broker whose topic flows has the flows.
func topicWith(t *testing.T, flows []*flowv1.FlowRecord) string {
	t.Helper()
	address := newBroker(t)
	for n, f := range flows {
		produce(t, address, n%3, f)
	}
	return address
}

// newBroker returns the address of a broker whose topic flows has 3 partitions.
func newBroker(t *testing.T) string {
	t.Helper()
	b, err := broker.Start(broker.Config{Address: "127.0.0.1:0", Topic: "flows", Partitions: 3})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b.Addr()
}

func produce(t *testing.T, address string, partition int, f *flowv1.FlowRecord) {
	t.Helper()
	value, err := proto.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	client := &kafka.Client{Addr: kafka.TCP(address), Transport: &kafka.Transport{}}
	_, err = client.Produce(t.Context(), &kafka.ProduceRequest{
		Topic: "flows", Partition: partition, RequiredAcks: kafka.RequireAll,
		Records: kafka.NewRecordReader(kafka.Record{Value: kafka.NewBytes(value), Time: time.Unix(0, int64(f.GetReceiveTimeNs()))}),
	})
	if err != nil {
		t.Fatal(err)
	}
}

// What comes while the topic is read is read too, also from a partition that had
// nothing of its time before.
func TestReadGrowingTopic(t *testing.T) {
	t.Parallel()
	address := newBroker(t)
	old := flow(9)
	old.ReceiveTimeNs = uint64(began.Add(-time.Hour).UnixNano())
	produce(t, address, 1, old)
	produce(t, address, 0, flow(0))
	in := newTopic([]string{address}, "flows")
	defer in.close()
	var read []uint32
	err := in.read(t.Context(), began, time.Millisecond, func(f *flowv1.FlowRecord) {
		read = append(read, f.GetRecordIndex())
		if len(read) == 1 {
			produce(t, address, 1, flow(1))
		}
	})
	if err != nil || len(read) != 2 || read[0] != 0 || read[1] != 1 {
		t.Errorf("read flows %v, want 0 and 1; error %v", read, err)
	}
}

// fileOf returns a file that holds a report.
func fileOf(t *testing.T, r report) string {
	t.Helper()
	content, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "report")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// What send reports is what a receiver has got.
func TestSend(t *testing.T) {
	t.Parallel()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var out, errs strings.Builder
	args := strings.Fields("send -rate 200 -records 3 -duration 100ms -target " + c.LocalAddr().String())
	if status := run(t.Context(), args, &out, &errs); status != 0 {
		t.Fatal(status, errs.String())
	}
	var r report
	if err := json.Unmarshal([]byte(out.String()), &r); err != nil {
		t.Fatal(err, out.String())
	}
	if r.Datagrams == 0 || r.Flows != 3*r.Datagrams || uint64(r.Next-r.First) != r.Flows {
		t.Errorf("the report does not add up: %+v", r)
	}
	packet := make([]byte, 1<<16)
	for i := range r.Datagrams {
		n, from, err := c.ReadFromUDPAddrPort(packet)
		if err != nil {
			t.Fatal(err)
		}
		// A header of 24 bytes and 3 records of 48.
		if n != 168 || from != r.Address {
			t.Errorf("datagram %d has %d bytes and is from %v, reported %v", i, n, from, r.Address)
		}
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	nothingSent := tenFlows()
	nothingSent.Next, nothingSent.Flows = nothingSent.First, 0
	partly := tenFlows()
	partly.Flows = 9
	tests := []struct {
		name   string
		args   []string
		status int
		stderr string
	}{
		{"no command", nil, 2, "no command: give send or count"},
		{"no report", []string{"count"}, 2, "no REPORT"},
		{"bounds", []string{"count", "-lost", "3..2", "x"}, 2, "give a number, or two"},
		{"nothing sent", []string{"count", fileOf(t, nothingSent)}, 1, "0 flows numbered, and 0 sent"},
		{"not all sent", []string{"count", fileOf(t, partly)}, 1, "10 flows numbered, and 9 sent"},
		{"no broker", []string{"count", "-brokers", closedPort(t), fileOf(t, tenFlows())}, 1, "no broker answers"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out, errs strings.Builder
			if status := run(t.Context(), tt.args, &out, &errs); status != tt.status || !strings.Contains(errs.String(), tt.stderr) {
				t.Errorf("status %d, want %d; stderr %q, want %q in it", status, tt.status, errs.String(), tt.stderr)
			}
		})
	}
}

// closedPort is an address that nobody listens on.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
