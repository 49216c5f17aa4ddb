package main

import (
	"encoding/binary"
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

// began is within the week that the broker keeps records for.
var began = time.Now().Add(-time.Hour).Truncate(time.Second)

// tenFlows is a report of ten flows, which sequences pass 2^32 in.
func tenFlows() report {
	return report{
		exporterID: exporterID{netip.MustParseAddrPort("192.0.2.1:5000"), 1, 7},
		Format:     "v5", First: 1<<32 - 4, Records: 2, Flows: 10, Datagrams: 5, Rate: 2, Began: began,
	}
}

// tenFlowsIPFIX is the like of IPFIX, which has no engines.
func tenFlowsIPFIX() report {
	r := tenFlows()
	r.exporterID = exporterID{Address: r.Address}
	r.Format, r.Datagrams, r.Templates = "ipfix", 6, 1
	return r
}

// tenFlows9 is the like of version 9, whose sequence counts datagrams: the first of six
// has templates.
func tenFlows9() report {
	r := tenFlows()
	r.exporterID = exporterID{Address: r.Address}
	r.Format, r.Datagrams, r.Templates = "v9", 6, 1
	return r
}

// flowIPFIX is the nth flow of tenFlowsIPFIX.
func flowIPFIX(n uint32) *flowv1.FlowRecord {
	f := flow(n)
	f.EngineType, f.EngineId = 0, 0
	return f
}

// flow9 is the nth flow of tenFlows9.
func flow9(n uint32) *flowv1.FlowRecord {
	f := flowIPFIX(n)
	f.FlowSequence = 1<<32 - 4 + 1 + n/2
	return f
}

// waited is f when it came before its template, in a set that begins where offset says.
func waited(f *flowv1.FlowRecord, offset uint32) *flowv1.FlowRecord {
	f.Anomalies |= uint32(flowv1.Anomaly_ANOMALY_WAITED)
	f.RecordIndex += 4096 + offset
	return f
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

// Flows of version 9 are numbered by the datagrams before theirs, those with templates
// included, which are not missed.
func TestCountVersion9(t *testing.T) {
	t.Parallel()
	all := func() (flows []*flowv1.FlowRecord) {
		for n := range uint32(10) {
			flows = append(flows, flow9(n))
		}
		return flows
	}
	strange := flow9(4)
	strange.RecordIndex = 2
	tests := []struct {
		name   string
		flows  []*flowv1.FlowRecord
		status int
		stdout []string
		stderr string
	}{
		{"all", all(), 0, []string{"all 10 0 0"}, ""},
		// A set's records are behind 20 bytes of the datagram's header and 4 of the set's.
		{"waited", append(all()[2:], waited(flow9(0), 24), waited(flow9(1), 24)), 0, []string{
			"all 10 0 0", "2 flows waited for their template, 0 were decoded with one that was kept",
		}, ""},
		// Datagrams 2 and 3, at 2 flows a second: the numbers 4 to 7.
		{"lost", append(all()[:2], all()[6:]...), 1, []string{
			"192.0.2.1:5000 10 4 0", "192.0.2.1:5000: 4 flows in a row are missing, sent over 2.000 s, from 2.000 s on",
		}, "flows: 4 flows are lost: 0 were to be\n"},
		{"duplicated", append(all(), flow9(3)), 1, []string{"all 10 0 1"}, "flows: 1 flows are there more than once\n"},
		{"more records than it sent", append(all(), strange), 1, []string{"all 10 0 0"}, "flows: 1 flows are of exporters that sent none\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out, errs strings.Builder
			args := []string{"count", "-brokers", topicWith(t, tt.flows), "-quiet", "1ms", fileOf(t, tenFlows9())}
			if status := run(t.Context(), args, &out, &errs); status != tt.status || errs.String() != tt.stderr {
				t.Errorf("status %d, want %d; stderr %q, want %q", status, tt.status, errs.String(), tt.stderr)
			}
			printed := strings.Join(strings.Fields(out.String()), " ")
			for _, line := range tt.stdout {
				if !strings.Contains(printed, line) {
					t.Errorf("printed %q, want %q in it", printed, line)
				}
			}
			if gaps := strings.Count(printed, "in a row"); gaps != strings.Count(strings.Join(tt.stdout, ""), "in a row") {
				t.Errorf("printed %d gaps: %q", gaps, printed)
			}
		})
	}
}

// So are those of IPFIX by the records before theirs, and behind headers of 16 and 4 bytes.
func TestCountIPFIX(t *testing.T) {
	t.Parallel()
	var flows []*flowv1.FlowRecord
	for n := range uint32(10) {
		f := flowIPFIX(n)
		if n < 4 {
			f = waited(f, 20)
		}
		flows = append(flows, f)
	}
	var out, errs strings.Builder
	args := []string{"count", "-brokers", topicWith(t, flows), "-quiet", "1ms", fileOf(t, tenFlowsIPFIX())}
	if status := run(t.Context(), args, &out, &errs); status != 0 || !strings.Contains(out.String(), "4 flows waited") {
		t.Errorf("status %d, printed %q, errors %q: want all, of which 4 waited", status, out.String(), errs.String())
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
	// Where a header has its sequence, by each format's specification.
	for format, offset := range map[string]int{"v5": 16, "v9": 12, "ipfix": 8} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			c, r := sent(t, format)
			templates := uint64(1) // within 10 minutes
			if format == "v5" {
				templates = 0
			}
			if r.Format != format || r.Templates != templates || r.Flows != 3*(r.Datagrams-templates) {
				t.Errorf("the report does not add up: %+v", r)
			}
			packet := make([]byte, 1<<16)
			for i := range r.Datagrams {
				_, from, err := c.ReadFromUDPAddrPort(packet)
				if err != nil {
					t.Fatal(err)
				}
				if from != r.Address {
					t.Errorf("datagram %d is from %v, reported %v", i, from, r.Address)
				}
				if sequence := binary.BigEndian.Uint32(packet[offset:]); i == 0 && sequence != r.First {
					t.Errorf("the first sequence is %d, reported %d", sequence, r.First)
				}
			}
		})
	}
}

// sent sends flows, for longer while the machine is too busy to send any, and returns the
// receiver and the report.
func sent(t *testing.T, format string) (*net.UDPConn, report) {
	t.Helper()
	for duration := 100 * time.Millisecond; ; duration *= 2 {
		c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() }) // nothing was written
		var out, errs strings.Builder
		args := strings.Fields("send -rate 200 -records 3 -format " + format + " -duration " + duration.String() + " -target " + c.LocalAddr().String())
		if status := run(t.Context(), args, &out, &errs); status != 0 {
			t.Fatal(status, errs.String())
		}
		var r report
		if err := json.Unmarshal([]byte(out.String()), &r); err != nil {
			t.Fatal(err, out.String())
		}
		if r.Flows > 0 {
			return c, r
		}
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	nothingSent := tenFlows()
	nothingSent.Datagrams, nothingSent.Flows = 0, 0
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
		{"format", []string{"send", "-format", "sflow"}, 2, "give v5, v9 or ipfix"},
		{"bounds", []string{"count", "-lost", "3..2", "x"}, 2, "give a number, or two"},
		{"nothing sent", []string{"count", fileOf(t, nothingSent)}, 1, "0 flows in its datagrams, and 0 sent"},
		{"not all sent", []string{"count", fileOf(t, partly)}, 1, "10 flows in its datagrams, and 9 sent"},
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
