package netflow5_test

import (
	"errors"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/netflow5"
	"github.com/flowpub/flowpub/internal/corpus"
)

// notCompared are the columns that are no output of the decoder: the padding,
// and a remark on the row.
var notCompared = map[string]bool{"pad1": true, "pad2": true, "rules_agree": true}

// Every recording comes with the rows that an independent decoder found in it.

func TestRecordings(t *testing.T) {
	t.Parallel()
	compareDirectory(t, "testdata", 4)
}

func TestRealRecordings(t *testing.T) {
	t.Parallel()
	compareDirectory(t, corpus.FieldRecordings(t, "netflow5"), 15)
}

// compareDirectory compares every recording in dir that has expected rows; it
// wants at least so many.
func compareDirectory(t *testing.T, dir string, atLeast int) {
	t.Helper()
	for _, path := range corpus.Find(t, atLeast, filepath.Join(dir, "*.expected.csv*")) {
		recording, _, _ := strings.Cut(path, ".expected.csv")
		t.Run(filepath.Base(recording), func(t *testing.T) {
			t.Parallel()
			compareRecording(t, recording, readRows(t, path))
		})
	}
}

func compareRecording(t *testing.T, recording string, want []map[string]string) {
	t.Helper()
	got := decodeRecording(t, recording)
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
	for i, row := range want {
		wantTimes(t, row)
		for column, value := range row {
			if !notCompared[column] && got[i][column] != value {
				t.Errorf("row %d: %s is %q, want %q", i, column, got[i][column], value)
			}
		}
	}
}

// decodeRecording returns a row for every record in the recording. Datagrams of
// other protocols are among those recorded; nothing else may be refused.
func decodeRecording(t *testing.T, recording string) (rows []map[string]string) {
	t.Helper()
	var p decoder.ExportPacket
	packets := 0
	for i, d := range readCapture(t, recording) {
		err := netflow5.Decode(d.payload, &p)
		if errors.Is(err, decoder.ErrVersion) {
			continue
		}
		if err != nil {
			t.Fatalf("datagram %d: %v", i, err)
		}
		for j := range p.Records {
			rows = append(rows, recordRow(packets, j, d.from, &p))
		}
		packets++
	}
	return rows
}

// recordRow writes record j of p as a row.
func recordRow(packet, j int, from netip.AddrPort, p *decoder.ExportPacket) map[string]string {
	r := &p.Records[j]
	row := map[string]string{
		"exporter_ip": from.Addr().String(),
		"version":     strconv.Itoa(int(p.Format)),
		"srcaddr":     r.SourceAddress.String(),
		"dstaddr":     r.DestinationAddress.String(),
		"nexthop":     r.NextHop.String(),
		"anomalies":   (p.Anomalies | r.Anomalies).String(),
	}
	for column, value := range map[string]uint64{
		"pkt": uint64(packet), "rec": uint64(j), "exporter_port": uint64(from.Port()),
		"count": uint64(p.Count), "sysuptime": uint64(p.SystemUptime),
		"unix_secs": uint64(p.ExportSeconds), "unix_nsecs": uint64(p.ExportNanoseconds),
		"sequence": uint64(p.FlowSequence), "engine_type": uint64(p.EngineType), "engine_id": uint64(p.EngineID),
		"sampling_mode": uint64(p.SamplingMode), "sampling_interval": uint64(p.SamplingInterval),
		"input": uint64(r.InputInterface), "output": uint64(r.OutputInterface),
		"packets": r.Packets, "octets": r.Octets,
		"first": uint64(r.FirstUptime), "last": uint64(r.LastUptime),
		"srcport": uint64(r.SourcePort), "dstport": uint64(r.DestinationPort),
		"tcpflags": uint64(r.TCPFlags), "proto": uint64(r.Protocol), "tos": uint64(r.TOS),
		"srcas": uint64(r.SourceAS), "dstas": uint64(r.DestinationAS),
		"srcmask": uint64(r.SourcePrefixLength), "dstmask": uint64(r.DestinationPrefixLength),
		"start_ns": uint64(r.StartTime), "end_ns": uint64(r.EndTime),
	} {
		row[column] = strconv.FormatUint(value, 10)
	}
	return row
}

// wantTimes adds the anomalies that follow from an expected row, and sets its
// times at or before 1970-01-01 to 0; the independent decoder leaves them
// negative.
func wantTimes(t *testing.T, row map[string]string) {
	t.Helper()
	start, end := signed(t, row["start_ns"]), signed(t, row["end_ns"])
	var names []string
	if signed(t, row["unix_nsecs"]) >= 1_000_000_000 {
		names = append(names, "nanoseconds_out_of_range")
	}
	if start <= 0 {
		row["start_ns"] = "0"
		names = append(names, "start_unset")
	}
	if end <= 0 {
		row["end_ns"] = "0"
		names = append(names, "end_unset")
	}
	if start > 0 && end > 0 && start > end {
		names = append(names, "start_after_end")
	}
	export := signed(t, row["unix_secs"])*1_000_000_000 + signed(t, row["unix_nsecs"])
	if start > 0 && distance(start, export) > 86_400_000_000_000 || end > 0 && distance(end, export) > 86_400_000_000_000 {
		names = append(names, "time_far_from_export")
	}
	row["anomalies"] = strings.Join(names, "|")
	if len(names) == 0 {
		row["anomalies"] = "none"
	}
}

func distance(a, b int64) int64 { return max(a-b, b-a) }

func signed(t *testing.T, text string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
