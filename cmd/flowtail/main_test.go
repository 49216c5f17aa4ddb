package main

import (
	"bytes"
	"context"
	"flag"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"google.golang.org/protobuf/proto"

	"github.com/flowpub/flowpub/internal/broker"
	"github.com/flowpub/flowpub/internal/tail"
	"github.com/flowpub/flowpub/internal/tail/top"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

func TestMistakes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		args []string
		want []string // parts of what is said, one a line but the last
	}{
		{"unknown flag", []string{"-tpoic", "x"}, []string{"-tpoic"}},
		{"argument behind a filter", []string{"tcp", "-n", "1"}, []string{`filter: "-n" does not go on the expression`}},
		{"flag behind the flags", []string{"--", "-x"}, []string{`argument "-x": flags come before the filter`}},
		{"filter", []string{"src", "prot", "6"}, []string{`filter: "prot" does not go behind "src": write an address`, "    src prot 6\n", "        ^\n"}},
		{"broker without port", []string{"-brokers", "a:1, b"}, []string{`-brokers: "b" is no address: give host:port`}},
		{"no topic", []string{"-topic", ""}, []string{`-topic "": give the name`}},
		{"value", []string{"-value", "avro"}, []string{`"avro" for flag -value`, "use auto, protobuf, protobuf-delimited, confluent or json"}},
		{"position", []string{"-from", "yesterday"}, []string{`"yesterday" for flag -from`, "use start, end, or a time such as"}},
		{"two positions", []string{"-from", "start", "-since", "10m"}, []string{"-from, -since and -offset: each says where to begin"}},
		{"end", []string{"-until", "later"}, []string{`"later" for flag -until`, "use now, 2026-01-31T15:04:05Z"}},
		{"end before the beginning", []string{"-until", "now"}, []string{"-until: nothing lies between end and then; begin earlier"}},
		{"end of a time before it", []string{"-from", "2026-01-31T16:00:00Z", "-until", "2026-01-31T15:00:00Z"}, []string{"-until: nothing lies between 2026-01-31T16:00:00Z and then"}},
		{"partition", []string{"-partition", "3-1"}, []string{`"3-1" for flag -partition`, "give numbers and ranges, such as 0,3-5"}},
		{"offset", []string{"-offset", "first"}, []string{`"first" for flag -offset`, "how many before the end as -100"}},
		{"group with an end", []string{"-group", "g", "-until", "now"}, []string{"-group: the group shares out what is read"}},
		{"Kafka and a capture", []string{"-topic", "x", "-read", "x.pcap"}, []string{"-topic: it is about Kafka"}},
		{"packets of a topic", []string{"-packets"}, []string{"-packets: a topic has none"}},
		{"column", []string{"-columns", "start,port"}, []string{`"start,port" for flag -columns: column "port" is not known: use start, date,`}},
		{"key", []string{"-top", "src,city"}, []string{`"src,city" for flag -top: key "city" is not known: use as, domain, dst,`}},
		{"network of a port", []string{"-top", "srcport/8"}, []string{`key "srcport/8" has no networks`}},
		{"order", []string{"-top", "src", "-by", "size"}, []string{`counter "size" is not known: use octets, packets or flows`}},
		{"order of nothing", []string{"-by", "flows"}, []string{"-by: it is about sums; say of what with -top"}},
		{"Parquet on a terminal", []string{"-format", "parquet"}, []string{"-format parquet: it is not for reading as text; name a file with -output"}},
		{"limit", []string{"-n", "ten"}, []string{`"ten" for flag -n: give a whole number`}},
		{"two at once", []string{"-n", "-1", "-pace", "-2"}, []string{"flowtail: -n -1: give", "flowtail: -pace -2: give"}},
		{"format", []string{"-format", "xml"}, []string{`flowtail: invalid value "xml" for flag -format: format "xml" is not known: use table, wide, json, csv, parquet or none`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			status, stdout, stderr := runWith(t, tt.args...)
			if status != 2 || stdout != "" || !strings.HasSuffix(stderr, "\nRun flowtail -h for all flags.\n") {
				t.Errorf("exit status %d, standard output %q, standard error:\n%s", status, stdout, stderr)
			}
			for _, part := range tt.want {
				if !strings.Contains(stderr, part) {
					t.Errorf("%q is missing in:\n%s", part, stderr)
				}
			}
		})
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	status, stdout, stderr := runWith(t, "-h")
	if status != 0 || stderr != "" {
		t.Errorf("exit status %d, standard error %q", status, stderr)
	}
	var o options
	newFlags(&o).VisitAll(func(f *flag.Flag) {
		if !strings.Contains(stdout, "\n  -"+f.Name+" ") {
			t.Errorf("-%s is not explained", f.Name)
		}
	})
	for name := range strings.FieldsSeq(strings.Join(tail.ColumnNames(), " ")) {
		if !strings.Contains(stdout, " "+name+",") {
			t.Errorf("column %s is not named", name)
		}
	}
	for _, name := range top.Names() {
		if !strings.Contains(stdout, " "+name+",") && !strings.Contains(stdout, " "+name+" ") && !strings.Contains(stdout, " "+name+";") {
			t.Errorf("key %s is not named", name)
		}
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	if status, stdout, _ := runWith(t, "-version"); status != 0 || !strings.HasPrefix(stdout, "flowtail ") || !strings.Contains(stdout, "\nrevision ") {
		t.Errorf("exit status %d, %q", status, stdout)
	}
}

func TestNoBroker(t *testing.T) {
	t.Parallel()
	status, stdout, stderr := runWith(t, "-brokers", "127.0.0.1:1")
	if status != 1 || stdout != "" || !strings.HasPrefix(stderr, "flowtail: no broker answers: 127.0.0.1:1 refuses the connection: start the broker, or give one that runs as -brokers host:port") {
		t.Errorf("exit status %d, %q, %q", status, stdout, stderr)
	}
}

func TestFlows(t *testing.T) {
	t.Parallel()
	b, err := broker.Start(broker.Config{Topic: "netflow", Partitions: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	produce(t, b, record(t, 17, 53), []byte("hello"), record(t, 6, 443), record(t, 17, 123))

	tests := []struct {
		name   string
		args   []string
		stdout []string // the beginning of each line
		stderr []string // parts
	}{
		{
			"table", []string{"-n", "3"},
			[]string{"START ", "-        10.0.0.1        UDP ", "-  ", "-  "},
			[]string{"3 flows printed in ", "flowtail: left out, not being flow records in this form: 1\n"},
		},
		{
			"wide table", []string{"-n", "1", "-format", "wide"},
			[]string{"START (UTC)", "-                              - 10.0.0.1        -     UDP "}, []string{"1 flows printed in "},
		},
		{"JSON", []string{"-n", "1", "-format", "json"}, []string{`{"startTime":null,`}, nil},
		{
			"CSV, filtered", []string{"-n", "1", "-format", "csv", "port", "123", "and", "udp", "and exporter 10.0.0.0/8 and host", "192.0.2.1"},
			[]string{"startTime,endTime,", ",,,10.0.0.1,0,17,UDP,192.0.2.1,123,"},
			[]string{"not being flow records in this form: 1"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			status, stdout, stderr := runWith(t, append([]string{"-brokers", b.Addr(), "-topic", "netflow", "-from", "start"}, tt.args...)...)
			lines := strings.Split(strings.TrimSuffix(stdout, "\n"), "\n")
			if status != 0 || len(lines) != len(tt.stdout) {
				t.Fatalf("exit status %d, %q, %q", status, stdout, stderr)
			}
			for i, begin := range tt.stdout {
				if !strings.HasPrefix(lines[i], begin) {
					t.Errorf("line %d is %q, want it to begin %q", i+1, lines[i], begin)
				}
			}
			for _, part := range tt.stderr {
				if !strings.Contains(stderr, part) {
					t.Errorf("%q is missing in:\n%s", part, stderr)
				}
			}
			if tt.stderr == nil && stderr != "" {
				t.Errorf("standard error is %q, want nothing", stderr)
			}
		})
	}
}

func runWith(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	return runIn(t, nil, args...)
}

// runIn runs the program in an environment.
func runIn(t *testing.T, environ []string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var out, err bytes.Buffer
	status = run(ctx, args, environ, &out, &err)
	if ctx.Err() != nil {
		t.Fatalf("%q did not end; it printed %q and %q", args, out.String(), err.String())
	}
	return status, out.String(), err.String()
}

func record(t *testing.T, protocol, port uint32) []byte {
	t.Helper()
	value, err := proto.Marshal(&flowv1.FlowRecord{
		ExporterAddress: []byte{10, 0, 0, 1}, SourceAddress: []byte{192, 0, 2, 1}, DestinationAddress: []byte{192, 0, 2, 2},
		Protocol: protocol, SourcePort: port,
	})
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func produce(t *testing.T, b *broker.Broker, values ...[]byte) {
	t.Helper()
	var records []kafka.Record
	for _, value := range values {
		records = append(records, kafka.Record{Value: kafka.NewBytes(value)})
	}
	client := kafka.Client{Addr: kafka.TCP(b.Addr()), Timeout: 10 * time.Second}
	res, err := client.Produce(t.Context(), &kafka.ProduceRequest{
		Topic: "netflow", RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(records...),
	})
	if err != nil || res.Error != nil {
		t.Fatal(err, res)
	}
}
