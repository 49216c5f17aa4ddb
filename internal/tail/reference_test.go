package tail

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/flowpub/flowpub/internal/corpus"
	"github.com/flowpub/flowpub/internal/exporter"
	"github.com/flowpub/flowpub/internal/tail/filter"
	"github.com/flowpub/flowpub/internal/tail/top"
	"github.com/flowpub/flowpub/internal/testwait"
)

// likeNfdump are recordings that nfdump reads as flowpub does. Of others it leaves out data before
// their templates, or fills in what is not there.
var likeNfdump = map[string][]string{
	"netflow5": {"akvorado-nfv5", "graylog-netgraph-netflow5", "graylog-pmacctd-netflow5", "graylog-softflowd-netflow5"},
	"netflow9": {
		"akvorado-sampling_opts", "graylog-nprobe-3", "graylog-nprobe-mixed-v5-v9", "logstash-cisco_1941", "logstash-cisco_asr9k",
		"logstash-iptnetflow_reduced", "pmacct-101-cisco",
	},
	"ipfix": {"logstash-barracuda", "logstash-openbsd_pflow", "pmacct-100-cisco", "pmacct-104-cisco-v6"},
}

// statistics are what nfdump -s is asked for, and -top for the same.
var statistics = []struct {
	nfdump, keys string
	by           top.Counter
}{
	{"srcip/bytes", "src", top.Octets}, {"dstip/packets", "dst", top.Packets}, {"dstport/flows", "dstport", top.Flows},
	{"srcport/bytes", "srcport", top.Octets}, {"inif/packets", "in", top.Packets}, {"ip/bytes", "ip", top.Octets},
}

// What -top says of recordings is what nfdump says of them.
func TestTopIsLikeNfdump(t *testing.T) {
	testwait.Long(t)
	t.Parallel()
	for _, program := range []string{"nfcapd", "nfdump"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed: it is in Debian's package nfdump", program)
		}
	}
	if runtime.GOOS != "linux" {
		t.Skip("what nfcapd has read is known on Linux only")
	}
	checked := map[string]string{"softflowd_synth6200": "../../decoder/netflow5/testdata/softflowd_synth6200.pcap"}
	for format, names := range likeNfdump {
		dir := corpus.FieldRecordings(t, format)
		for _, name := range names {
			checked[name] = filepath.Join(dir, name+".pcap")
		}
	}
	for name, recording := range checked {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stored := storedByNfcapd(t, recording)
			for _, s := range statistics {
				theirs := nfdumpRows(t, stored, s.nfdump)
				ours := csvOf(t, Config{Files: []string{recording}, Top: top.Config{Keys: keysOf(t, s.keys), By: s.by, Scaled: true}})
				if len(theirs) == 0 || !slices.Equal(theirs, ours) {
					t.Errorf("%s: nfdump has\n%s\nflowtail\n%s", s.nfdump, strings.Join(theirs, "\n"), strings.Join(ours, "\n"))
				}
			}
		})
	}
}

// storedByNfcapd replays a recording to nfcapd and returns the file that it writes.
func storedByNfcapd(t *testing.T, recording string) string {
	t.Helper()
	dir := t.TempDir()
	probe, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	port := probe.LocalAddr().(*net.UDPAddr).Port //nolint:forcetypeassert // it is one of UDP
	probe.Close()
	var log bytes.Buffer
	nfcapd := exec.CommandContext(t.Context(), "nfcapd", "-b", "127.0.0.1", "-p", fmt.Sprint(port), "-w", dir, "-t", "3600")
	nfcapd.Stdout, nfcapd.Stderr = &log, &log
	if err := nfcapd.Start(); err != nil {
		t.Fatal(err)
	}
	testwait.Until(t, 20*time.Second, "nfcapd to listen", func() bool { _, listens := unread(port); return listens })
	replay, err := exporter.NewReplay(exporter.ReplayConfig{
		Target: fmt.Sprintf("127.0.0.1:%d", port), Files: []string{recording}, Pace: exporter.PaceFixed, Rate: 2000,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := replay.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	testwait.Until(t, 20*time.Second, "nfcapd to read all", func() bool { waiting, _ := unread(port); return waiting == 0 })
	if err := nfcapd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := nfcapd.Wait(); err != nil {
		t.Fatalf("nfcapd: %v: %s", err, log.String())
	}
	return corpus.Find(t, 1, filepath.Join(dir, "nfcapd.2*"))[0]
}

// unread returns how many bytes wait in the socket of a UDP port, and whether there is one.
func unread(port int) (waiting uint64, listens bool) {
	table, err := os.ReadFile("/proc/net/udp")
	if err != nil {
		return 0, false
	}
	for line := range strings.SplitSeq(string(table), "\n") {
		columns := strings.Fields(line)
		if len(columns) < 5 || !strings.HasSuffix(columns[1], fmt.Sprintf(":%04X", port)) {
			continue
		}
		_, received, _ := strings.Cut(columns[4], ":")
		b, err := hex.DecodeString(received)
		if err != nil {
			return 0, false
		}
		for _, v := range b {
			waiting = waiting<<8 | uint64(v)
		}
		return waiting, true
	}
	return 0, false
}

// nfdumpRows returns the rows of a statistic as value,flows,packets,octets, in some order: where
// sums are equal, that of nfdump is its own.
func nfdumpRows(t *testing.T, file, statistic string) (rows []string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "nfdump", "-r", file, "-s", statistic, "-n", "0", "-o", "csv").Output()
	if err != nil {
		t.Fatalf("nfdump: %v", err)
	}
	const columns = 14 // ts,te,td,pr,val,fl,flP,pkt,pktP,byt,bytP,pps,bps,bpp
	for line := range strings.SplitSeq(string(out), "\n") {
		if c := strings.Split(line, ","); len(c) == columns && c[0] != "ts" {
			rows = append(rows, strings.Join([]string{c[4], c[5], c[7], c[9]}, ","))
		}
	}
	slices.Sort(rows)
	return rows
}

// csvOf returns what a run shows as CSV, without the header, sorted as text.
func csvOf(t *testing.T, cfg Config) []string {
	t.Helper()
	var out bytes.Buffer
	cfg.Format, cfg.Out = FormatCSV, &out
	if _, err := Run(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	slices.Sort(lines[1:])
	return lines[1:]
}

func keysOf(t *testing.T, text string) (k top.Keys) {
	t.Helper()
	if err := k.UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return k
}

// recordings are those of the repository, of all formats.
func recordings(t *testing.T) []string {
	t.Helper()
	return corpus.Find(t, 8, "../../decoder/netflow5/testdata/*.pcap", "../../decoder/template/testdata/*/exporters/*.pcap.gz",
		"../../decoder/sflow/testdata/*/*.pcap.gz")
}

// query sums up a CSV file of flows with SQLite, by Python's standard library.
const query = `
import csv, sqlite3, sys
rows = list(csv.reader(open(sys.argv[1], newline="")))
db = sqlite3.connect(":memory:")
db.execute("CREATE TABLE flows (%s)" % ",".join('"%s"' % name for name in rows[0]))
db.executemany("INSERT INTO flows VALUES (%s)" % ",".join("?" * len(rows[0])), rows[1:])
for row in db.execute("""
  SELECT sourceAddress, destinationPort, count(*), sum(CAST(packets AS INTEGER)), sum(CAST(octets AS INTEGER)) AS total
  FROM flows WHERE protocol = '17' OR CAST(octets AS INTEGER) > 1000 GROUP BY 1, 2 ORDER BY total DESC, 1, 2"""):
    print(",".join(str(value) for value in row))
`

// What -top says is what SQL says of the same flows, written as CSV.
func TestTopIsLikeSQL(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	files := recordings(t)
	path := filepath.Join(t.TempDir(), "flows.csv")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), Config{Files: files, Format: FormatCSV, Out: f}); err != nil {
		t.Fatal(err)
	}
	f.Close()
	out, err := exec.CommandContext(t.Context(), python, "-c", query, path).Output()
	if err != nil {
		t.Fatal(err)
	}
	sql := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	slices.Sort(sql)
	wanted, err := filter.Parse("udp or octets > 1000")
	if err != nil {
		t.Fatal(err)
	}
	ours := csvOf(t, Config{Files: files, Filter: wanted, Top: top.Config{Keys: keysOf(t, "src,dstport")}})
	if len(ours) < 10 || !slices.Equal(sql, ours) {
		t.Errorf("SQL has %d rows\n%s\nflowtail %d\n%s", len(sql), strings.Join(sql, "\n"), len(ours), strings.Join(ours, "\n"))
	}
}

// Parquet holds what CSV holds, in columns of the same names and order.
func TestParquetIsLikeCSV(t *testing.T) {
	t.Parallel()
	files := recordings(t)
	var text, binary bytes.Buffer
	if _, err := Run(t.Context(), Config{Files: files, Format: FormatCSV, Out: &text}); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), Config{Files: files, Format: FormatParquet, Out: &binary}); err != nil {
		t.Fatal(err)
	}
	table, err := csv.NewReader(&text).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	read := parquet.NewGenericReader[any](bytes.NewReader(binary.Bytes()))
	defer read.Close()
	if int(read.NumRows()) != len(table)-1 || len(table) < 10 {
		t.Fatalf("%d rows are in Parquet, %d in CSV", read.NumRows(), len(table)-1)
	}
	for i, column := range read.Schema().Columns() {
		if column[0] != table[0][i] {
			t.Errorf("column %d is %s, not %s", i, column[0], table[0][i])
		}
	}
	buffer := make([]parquet.Row, 1)
	for index := 1; index < len(table); index++ {
		if n, err := read.ReadRows(buffer); n != 1 || err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(n, err)
		}
		for i, v := range buffer[0] {
			if got := textOf(&fields[i], v); got != cmp.Or(table[index][i], "0") && got != table[index][i] {
				t.Errorf("row %d: %s is %s in Parquet, %s in CSV", index, fields[i].name, got, table[index][i])
			}
		}
	}
}

// textOf writes a value of Parquet as CSV has it.
func textOf(f *field, v parquet.Value) string {
	switch {
	case v.IsNull():
		return ""
	case f.kind == moment:
		return time.Unix(0, v.Int64()).UTC().Format(timeFormat)
	case f.kind == wholeNumber:
		return fmt.Sprint(v.Uint64())
	case f.kind == decimal && f.name == "bitsPerSecond":
		return fmt.Sprintf("%.0f", v.Double())
	case f.kind == decimal:
		return strconv.FormatFloat(v.Double(), 'f', -1, 64)
	default:
		return string(v.ByteArray())
	}
}
