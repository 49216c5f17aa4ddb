package exporter

import (
	"compress/gzip"
	"encoding/binary"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/netflow5"
	"github.com/flowpub/flowpub/internal/corpus"
	"github.com/flowpub/flowpub/internal/pcap"
)

// expectedSuffix names the table of a capture's flows, which another program
// made; see ../../decoder/netflow5/testdata/README.md.
const expectedSuffix = ".expected.csv"

func TestReadCaptureOfExporters(t *testing.T) {
	t.Parallel()
	checkCaptures(t, "../../decoder/netflow5/testdata")
}

func TestReadCaptureOfRealExporters(t *testing.T) {
	t.Parallel()
	checkCaptures(t, corpus.FieldRecordings(t, "netflow5"))
}

// checkCaptures compares all captures of a directory with their tables.
func checkCaptures(t *testing.T, dir string) {
	t.Helper()
	for _, table := range corpus.Find(t, 1, filepath.Join(dir, "*"+expectedSuffix+"*")) {
		capture, _, _ := strings.Cut(table, expectedSuffix)
		t.Run(filepath.Base(capture), func(t *testing.T) {
			t.Parallel()
			got, want := flowsOf(t, capture), expectedFlows(t, table)
			if len(got) != len(want) {
				t.Errorf("%d flows, want %d", len(got), len(want))
			}
			for i := range min(len(got), len(want)) {
				if got[i] != want[i] {
					t.Fatalf("flow %d is\n%s, want\n%s", i, got[i], want[i])
				}
			}
		})
	}
}

// flowsOf reads the well-formed NetFlow version 5 packets of a capture.
func flowsOf(t *testing.T, name string) (flows []string) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	packets := 0
	err = pcap.Read(f, pcap.IsFlowExport, func(c pcap.Packet) error {
		if !isWellFormed(c.Payload) {
			return nil
		}
		var p decoder.ExportPacket
		if err := netflow5.Decode(c.Payload, &p); err != nil {
			return err
		}
		source := c.Source.String()
		if !c.Source.IsValid() {
			source = "0.0.0.0:0"
		}
		for i := range p.Records {
			r := &p.Records[i]
			flows = append(flows, fmt.Sprintln(packets, i, source, p.FlowSequence, r.SourceAddress, r.DestinationAddress, r.Packets, r.Octets))
		}
		packets++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return flows
}

// isWellFormed reports whether a payload is a packet that the tables hold.
func isWellFormed(payload []byte) bool {
	if !isVersion5(payload) || len(payload) < netflow5.HeaderLen {
		return false
	}
	records := int(binary.BigEndian.Uint16(payload[offCount:]))
	return records >= 1 && records <= netflow5.MaxRecords && len(payload) == netflow5.HeaderLen+records*netflow5.RecordLen
}

// expectedFlows reads a table in the same form.
func expectedFlows(t *testing.T, name string) (flows []string) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var table io.Reader = f
	if strings.HasSuffix(name, ".gz") {
		if table, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := csv.NewReader(table).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := map[string]int{}
	for i, name := range rows[0] {
		column[name] = i
	}
	for _, row := range rows[1:] {
		cell := func(name string) string { return row[column[name]] }
		flows = append(flows, strings.Join([]string{cell("pkt"), cell("rec"), cell("exporter_ip") + ":" + cell("exporter_port"),
			cell("sequence"), cell("srcaddr"), cell("dstaddr"), cell("packets"), cell("octets")}, " ")+"\n")
	}
	return flows
}
