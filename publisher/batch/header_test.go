package batch

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/internal/flowtest"
	"github.com/flowpub/flowpub/internal/testwait"
)

// A record with a header, by hand: that of goldenPacket, behind which there is one
// header in place of none.
func TestHeaderGolden(t *testing.T) {
	t.Parallel()
	from, received, p := goldenPacket()
	e := Encoder{Framing: Framing{Headers: Headers("flowpub", ValueProtobuf)}}
	e.Reset(from, received, p)
	want := bytesOf(t, `
		82 03         length 193: what follows
		00 00 00      attributes, no timestamp delta, offset delta 0
		12            key length 9
		3139322e302e322e31
		9802          value length 140`+goldenValue+`
		02            one header
		0e            key length 7
		666c6f77707562
		38            value length 28
		70726f746f6275663b20 666c6f772e76312e466c6f775265636f7264`)
	if got := e.appendRecord(make([]byte, 0, e.MaxSize(0, 1)+windowSize), 0, 0, 0); !bytes.Equal(got, want) {
		t.Errorf("got\n%x, want\n%x", got, want)
	}
}

// Readers that are not ours find the header in every record, in every form, with every
// codec: what came packet by packet, what had to wait, and what was divided.
func TestHeaderIsRead(t *testing.T) {
	t.Parallel()
	names := []string{"h", "flowpub", strings.Repeat("n", MaxHeaderName)}
	var codecs []Compression
	for c := CompressionNone; c <= CompressionZstdFast; c++ {
		codecs = append(codecs, c)
	}
	slices.Reverse(codecs)
	for i, f := range framings {
		for kind, change := range trafficKinds {
			t.Run(fmt.Sprint(f.Value, "/", i, "/", kind), func(t *testing.T) {
				t.Parallel()
				f, want, name := f, "", names[len(kind)%len(names)]
				if f.Headers != "" {
					f.Headers = Headers(name, f.Value)
					want = name + ": " + f.Value.String() + "; flow.v1.FlowRecord\n"
				}
				for _, c := range testwait.Few(2, codecs) {
					checkHeaders(t, c, f, change, want)
				}
			})
		}
	}
}

func checkHeaders(t *testing.T, c Compression, f Framing, change func(*decoder.ExportPacket), want string) {
	t.Helper()
	const packets, staged = 20, 10
	var m testMemory
	open := trafficBatch(&m, c, f, packets, change)
	p := flowtest.Packet(packets, staged)
	change(p)
	e := Encoder{Framing: f}
	e.Reset(flowtest.Exporter(1), flowtest.Received(packets), p)
	waiting := Staged{Timestamp: e.Timestamp(), Key: e.Key(), Records: staged, Messages: e.AppendMessages(nil, 0, staged)}
	if room := open.Room(waiting.MaxSize(f)); !open.Has(room) {
		m.Give(open.Move(m.take(room)))
	}
	room := cap(open.buf)
	open.AppendStaged(waiting, f)
	if cap(open.buf) != room {
		t.Errorf("%v: records that waited need more than their bound", c)
	}
	open.raw = 0
	open.Shut()
	s := NewSealer(c)
	s.Seal(&m, open)
	second, err := s.Split(&m, open)
	if err != nil {
		t.Fatal(err)
	}
	all := append(readBatch(t, open.buf), readBatch(t, second.buf)...)
	if len(all) != packets*benchRecords+staged {
		t.Errorf("%v: %d records", c, len(all))
	}
	for i, r := range all {
		if r.headers != want {
			t.Fatalf("%v: record %d has headers %q, want %q", c, i, r.headers, want)
		}
	}
}
