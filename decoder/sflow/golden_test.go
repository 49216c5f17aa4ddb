package sflow_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/sflow"
)

// Every recording comes with what an independent decoder found in it.

func TestRecordings(t *testing.T) {
	t.Parallel()
	compareAll(t, filepath.Join("testdata", "*", "*.pcap.gz"), 3)
}

// Recordings of real exporters in the field, which are not part of the repository: see
// CONTRIBUTING.md.
func TestRealRecordings(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("NETFLOW_CAPTURES_DIR")
	if dir == "" {
		t.Skip("NETFLOW_CAPTURES_DIR names no directory with recordings")
	}
	compareAll(t, filepath.Join(dir, "..", "sflow", "real", "*.pcap"), 12)
}

// compareAll compares all recordings that match a pattern; there are at least so many.
func compareAll(t *testing.T, pattern string, atLeast int) {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) < atLeast {
		t.Fatalf("%d recordings match %s, want %d or more", len(paths), pattern, atLeast)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			base := strings.TrimSuffix(path, ".gz")
			wanted := make(map[int][]row)
			samples := readLines[expectedSample](t, base+".expected.jsonl")
			for i := range samples {
				wanted[samples[i].Pkt] = append(wanted[samples[i].Pkt], samples[i].want())
			}
			datagrams := readLines[expectedDatagram](t, base+".datagrams.jsonl")
			payloads := readCapture(t, path)
			if len(payloads) != len(datagrams) {
				t.Fatalf("%d datagrams, want %d", len(payloads), len(datagrams))
			}
			var p decoder.ExportPacket
			var s sflow.Samples
			for i, payload := range payloads {
				err := sflow.Decode(payload, &p, &s)
				compareDatagram(t, i, &datagrams[i], err, &p, &s)
				compareSamples(t, i, wanted[i], &p, &s)
			}
		})
	}
}

// compareDatagram compares a datagram's header, and how many samples of each kind it has.
func compareDatagram(t *testing.T, i int, want *expectedDatagram, err error, p *decoder.ExportPacket, s *sflow.Samples) {
	t.Helper()
	if err != nil {
		// An error of the other decoder, or nothing to read.
		if want.Error == "" && want.Announced != 0 {
			t.Errorf("datagram %d: %v", i, err)
		}
		if errors.Is(err, decoder.ErrNoRecords) && want.Flows+want.Counters+want.Discarded != 0 {
			t.Errorf("datagram %d: %v, and there are samples", i, err)
		}
		return
	}
	if p.Format != decoder.FormatSFlowV5 || p.AgentAddress.String() != want.Agent || p.ObservationDomain != want.SubAgent ||
		p.FlowSequence != want.Sequence || uint32(p.SystemUptime) != want.Uptime || !p.HasUptime || p.Count != want.Announced || p.ExportTime() != 0 {
		t.Errorf("datagram %d: header %+v, want %+v", i, p.Header, want)
	}
	if s.Flows != want.Flows || s.Counters != want.Counters || s.Discarded != want.Discarded {
		t.Errorf("datagram %d: %+v, want %d, %d and %d", i, s, want.Flows, want.Counters, want.Discarded)
	}
	if want.Error == "" && (s.Flows+s.Discarded+s.Counters+s.Unknown != want.Announced || len(want.Notes) > 0 != (p.Anomalies&decoder.AnomalyTrailingBytes != 0)) {
		t.Errorf("datagram %d: %+v, %v, want %+v", i, s, p.Anomalies, want)
	}
	if cut := p.Anomalies&(decoder.AnomalyCountAbovePresent|decoder.AnomalyPartialRecord|decoder.AnomalyMalformedSet) != 0; want.Error != "" && !cut {
		t.Errorf("datagram %d: %v, want %s", i, p.Anomalies, want.Error)
	}
}

// compareSamples compares every value of a datagram's flow samples. Where the datagram ends is
// compareDatagram's.
func compareSamples(t *testing.T, i int, want []row, p *decoder.ExportPacket, s *sflow.Samples) {
	t.Helper()
	var rows []row
	for j := range p.Records {
		if s.Sources[j].Discarded {
			continue // the other decoder counts these only
		}
		if r := p.Records[j]; r.Packets != 1 || r.StartTime|r.EndTime != 0 || r.FirstUptime|r.LastUptime != 0 {
			t.Errorf("datagram %d, sample %d: %+v, want one packet without times", i, j, r)
		}
		r := got(p, s, j)
		for _, name := range []string{"fragment", "fragment_flags"} {
			delete(r, name) // the other decoder does not tell
		}
		rows = append(rows, r)
	}
	if len(rows) != len(want) {
		t.Errorf("datagram %d: %d flow samples, want %d", i, len(rows), len(want))
		return
	}
	for j := range rows {
		if !maps.Equal(rows[j], want[j]) {
			t.Errorf("datagram %d, sample %d:\n%v, want\n%v", i, j, rows[j], want[j])
		}
	}
}
