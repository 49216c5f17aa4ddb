package sflow_test

import (
	"bytes"
	"net/netip"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/sflow"
	"github.com/flowpub/flowpub/internal/corpus"
	"github.com/flowpub/flowpub/internal/flowtest"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
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
	compareAll(t, filepath.Join(corpus.FieldRecordings(t, "sflow"), "*.pcap"), 12)
}

// compareAll compares all recordings that match a pattern; there are at least so many.
func compareAll(t *testing.T, pattern string, atLeast int) {
	t.Helper()
	for _, path := range corpus.Find(t, atLeast, pattern) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			datagrams, samples := corpus.SFlow(t, path)
			payloads := readCapture(t, path)
			if len(payloads) != len(datagrams) {
				t.Fatalf("%d datagrams, want %d", len(payloads), len(datagrams))
			}
			var p decoder.ExportPacket
			var s sflow.Samples
			for i, payload := range payloads {
				err := sflow.Decode(payload, &p, &s)
				compareDatagram(t, i, &datagrams[i], err, &s)
				compareSamples(t, i, datagrams[i].Messages(t, samples[i]), &p, &s)
			}
		})
	}
}

// readCapture returns the datagrams of a capture that begin as those of sFlow version 5.
func readCapture(tb testing.TB, path string) (payloads [][]byte) {
	tb.Helper()
	for _, d := range corpus.Datagrams(tb, path) {
		if bytes.HasPrefix(d.Payload, []byte{0, 0, 0, 5}) {
			payloads = append(payloads, d.Payload)
		}
	}
	return payloads
}

// compareDatagram compares how many samples of each kind a datagram has.
func compareDatagram(t *testing.T, i int, want *corpus.SFlowDatagram, err error, s *sflow.Samples) {
	t.Helper()
	if err != nil {
		// An error of the other decoder, or nothing to read.
		if want.Error == "" && want.Announced != 0 || want.Flows+want.Counters+want.Discarded != 0 {
			t.Errorf("datagram %d: %v, want %+v", i, err, want)
		}
		return
	}
	if s.Flows != want.Flows || s.Counters != want.Counters || s.Discarded != want.Discarded ||
		want.Error == "" && s.Flows+s.Counters+s.Discarded+s.Unknown != want.Announced {
		t.Errorf("datagram %d: %+v, want %+v", i, s, want)
	}
}

// compareSamples compares all that is published of a datagram's flow samples.
func compareSamples(t *testing.T, i int, want []*flowv1.FlowRecord, p *decoder.ExportPacket, s *sflow.Samples) {
	t.Helper()
	var got []*flowv1.FlowRecord
	for j := range p.Records {
		if s.Sources[j].Discarded {
			continue // the other decoder counts these only
		}
		m := flowtest.Message(netip.AddrPort{}, 0, p, j)
		m.ExporterAddress = nil
		got = append(got, m)
	}
	if len(got) != len(want) {
		t.Errorf("datagram %d: %d flow samples, want %d", i, len(got), len(want))
		return
	}
	for j := range got {
		if !proto.Equal(got[j], want[j]) {
			t.Errorf("datagram %d, sample %d:\n%v, want\n%v", i, j, got[j], want[j])
		}
	}
}
