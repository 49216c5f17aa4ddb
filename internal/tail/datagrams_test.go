package tail

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/flowpub/flowpub/internal/corpus"
	"github.com/flowpub/flowpub/internal/exporter"
	"github.com/flowpub/flowpub/internal/testlog"
	"github.com/flowpub/flowpub/internal/testwait"
)

// All datagrams of the recordings of the repository are shown, and each template, record and sample in
// them.
func TestPackets(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	files := recordings(t)
	summary, err := Run(t.Context(), Config{Files: files, Packets: true, Out: &out})
	if err != nil || !summary.Datagrams {
		t.Fatal(summary, err)
	}
	text := out.String()
	if n := strings.Count(text, " bytes: NetFlow v5\n") + strings.Count(text, " bytes: NetFlow v9\n") +
		strings.Count(text, " bytes: IPFIX\n") + strings.Count(text, " bytes: sFlow v5\n"); n < 100 || n > summary.Printed {
		t.Errorf("%d of %d datagrams are shown", n, summary.Printed)
	}
	for _, part := range []string{
		"  header: count=", "  record 30: srcaddr=", ": templates, ", "sourceIPv4Address(8)[4]", ": options templates, ", "scope ",
		" sourceIPv4Address=", ": flow sample sequence=", "raw packet header: protocol=1 frame_length=", "counters sample",
	} {
		if !strings.Contains(text, part) {
			t.Errorf("%q is missing", part)
		}
	}
}

// Every line of every datagram is shown, however the run ends: at the limit, or at a file that is no capture.
func TestPacketsToTheEnd(t *testing.T) {
	t.Parallel()
	file := corpus.Find(t, 1, "../../decoder/netflow5/testdata/crafted_edges.pcap")[0]
	var whole bytes.Buffer
	if _, err := Run(t.Context(), Config{Files: []string{file}, Packets: true, Out: &whole}); err != nil {
		t.Fatal(err)
	}
	first := "" // of the datagrams: from its title to the next one
	for line := range strings.Lines(whole.String()) {
		if first != "" && strings.Contains(line, " bytes: ") {
			break
		}
		first += line
	}
	for _, tt := range []struct {
		name  string
		files []string
		limit int
		want  string
		err   string
	}{
		{"limit", []string{file}, 1, first, ""},
		{"no capture", []string{file, "datagrams_test.go"}, 0, whole.String(), "it is neither pcap nor pcapng"},
		{"missing file", []string{file, "no.pcap"}, 0, "", "no such file or directory: check its name"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			_, err := Run(t.Context(), Config{Files: tt.files, Packets: true, Limit: tt.limit, Out: &out})
			if (err != nil) != (tt.err != "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error is %v, want %q", err, tt.err)
			}
			if out.String() != tt.want {
				t.Errorf("%d bytes are shown, want %d", out.Len(), len(tt.want))
			}
		})
	}
}

// A port takes all formats at once.
func TestListen(t *testing.T) {
	t.Parallel()
	book := new(testlog.Book)
	reader, writer := pipe(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan result, 1)
	go func() {
		summary, err := Run(ctx, Config{Listen: "127.0.0.1:0", Out: writer, Format: FormatCSV, Logger: book.Logger()})
		writer.Close()
		ended <- result{summary, err}
	}()
	testwait.Until(t, 20*time.Second, "the port", func() bool { return book.Has("listening") })
	_, address, _ := strings.Cut(strings.TrimSpace(book.Text()), "address=")
	formats, err := exporter.ParseFormats("all")
	if err != nil {
		t.Fatal(err)
	}
	g, err := exporter.New(exporter.Config{Target: address, Exporters: 4, Formats: formats, Flows: 100, Rate: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	noise, err := net.Dial("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := noise.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	testwait.Until(t, 20*time.Second, "what is no export packet", func() bool { return book.Has("not of NetFlow, IPFIX or sFlow") })
	cancel()
	text := new(bytes.Buffer)
	if _, err := text.ReadFrom(reader); err != nil {
		t.Fatal(err)
	}
	if got := <-ended; got.err != nil || got.Printed != 100 || got.Undecodable != 1 {
		t.Errorf("%+v", got)
	}
	for _, format := range []string{"NETFLOW_V5", "NETFLOW_V9", "IPFIX", "SFLOW_V5"} {
		if !strings.Contains(text.String(), ",EXPORT_FORMAT_"+format+",") {
			t.Errorf("no flow of %s came", format)
		}
	}
}

// An address that is not to be had is refused with the cure.
func TestListenRefused(t *testing.T) {
	t.Parallel()
	taken, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	for address, want := range map[string]string{
		taken.LocalAddr().String(): "stop what listens there, perhaps flowpub, or give another port",
		"192.0.2.1:2055":           "give a port above 1023, of an address of this machine",
	} {
		if _, err := Run(t.Context(), Config{Listen: address, Out: new(bytes.Buffer)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("of %s the error is %v, want %q", address, err, want)
		}
	}
}

// What is no capture, or ends in the middle, is told.
func TestCaptures(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	whole := corpus.Find(t, 1, "../../decoder/netflow5/testdata/softflowd_synth6200.pcap")[0]
	content, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cut := file("cut.pcap", content[:len(content)-10])
	for _, tt := range []struct {
		name  string
		files []string
		want  string // part of the error
		log   string
		flows int
	}{
		{"whole", []string{whole}, "", "", 6200},
		{"cut off", []string{cut, whole}, "", "ends in the middle", 12377}, // the last datagram has 23,
		{"missing", []string{filepath.Join(dir, "no.pcap")}, "no such file or directory: check its name", "", 0},
		{"text", []string{file("text", []byte("hello, this is text"))}, "it is neither pcap nor pcapng", "", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			book := new(testlog.Book)
			summary, err := Run(t.Context(), Config{Files: tt.files, Format: FormatNone, Out: new(bytes.Buffer), Logger: slog.New(slog.NewTextHandler(book, nil))})
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error is %v, want %q", err, tt.want)
			}
			if summary.Printed != tt.flows || !book.Has(tt.log) {
				t.Errorf("%d flows, log %q; want %d and %q", summary.Printed, book.Text(), tt.flows, tt.log)
			}
		})
	}
}
