package template_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/template"
	"github.com/flowpub/flowpub/internal/corpus"
)

// FuzzDecode: two packets of either format, whatever is in them, of which the first may
// bring templates for the second. They are decoded within bounds, and the records do not
// depend on what the packet held before, or on the datagram's memory later.
func FuzzDecode(f *testing.F) {
	paths, err := filepath.Glob(filepath.Join("testdata", "*", "crafted", "*_[ms]*.pcap.gz"))
	if err != nil || len(paths) != 4 {
		f.Fatal(paths, err)
	}
	for _, path := range paths {
		datagrams := corpus.Datagrams(f, path)
		for i := range datagrams[1:] {
			f.Add(datagrams[i].Payload, datagrams[i+1].Payload)
		}
	}
	all, err := template.ParseSelection("all-unknown,8,95")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		used, fresh := newDecoder(template.Config{Elements: all}), newDecoder(template.Config{Elements: all})
		for i, payload := range [][]byte{first, second} {
			if len(payload) < 2 || payload[0] != 0 || payload[1] != 9 && payload[1] != 10 || len(payload) > 65507 {
				return
			}
			if len(payload) < 20 {
				continue
			}
			at := time.Duration(i) * time.Second
			datagram := bytes.Clone(payload)
			used.decode(t, datagram, exporterPort(1, 1), at)
			checkSets(t, used, datagram)
			if !bytes.Equal(datagram, payload) {
				t.Fatal("the datagram was changed")
			}
			clear(datagram)
			fresh.p = decoder.ExportPacket{}
			fresh.decode(t, payload, exporterPort(1, 1), at)
			if a, b := render(&used.p), render(&fresh.p); a != b {
				t.Fatalf("a reused packet holds\n%s, a fresh one\n%s", a, b)
			}
		}
	})
}

// checkSets checks that the sets' sum holds, and that there are no more records than
// bytes for them.
func checkSets(t *testing.T, d *decoderOf, datagram []byte) {
	t.Helper()
	sum := d.Decoded + uint32(len(d.Missing))
	for _, n := range d.Dropped {
		sum += n
	}
	if sum != d.Received {
		t.Fatalf("data sets do not add up: %+v", d.Sets)
	}
	if n := len(d.p.Records); n > 4096 || n > len(datagram)-int(d.Received)*4 || n != len(d.p.Extensions) {
		t.Fatalf("%d records and %d extensions of %d bytes", n, len(d.p.Extensions), len(datagram))
	}
	if dataSets := countDataSets(datagram); int(d.Received) > dataSets {
		t.Fatalf("%d data sets received of %d", d.Received, dataSets)
	}
}

// countDataSets returns how many sets of a datagram have an id of data, the broken one included.
func countDataSets(b []byte) (n int) {
	at := 20
	if b[1] == 10 {
		at = 16
	}
	for at+4 <= len(b) {
		if binary.BigEndian.Uint16(b[at:]) >= 256 {
			n++
		}
		length := int(binary.BigEndian.Uint16(b[at+2:]))
		if length < 4 {
			break
		}
		at += length
	}
	return n
}

// render writes out what a packet's records carry, and nothing else.
func render(p *decoder.ExportPacket) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%+v\n", p.Header)
	for i := range p.Records {
		x := &p.Extensions[i]
		fmt.Fprintf(&b, "%+v %x", p.Records[i], uint64(x.Present))
		for f := decoder.Field(0); int(f) < len(x.Values); f++ {
			if x.Present.Has(f) {
				fmt.Fprintf(&b, " %d=%d", f, x.Values[f])
			}
		}
		for f := decoder.FieldBGPNextHop; int(f) < int(decoder.FieldBGPNextHop)+len(x.Addresses); f++ {
			if x.Present.Has(f) {
				fmt.Fprintf(&b, " %d=%v", f, x.Address(f))
			}
		}
		if x.Present.Has(decoder.FieldMPLSLabels) {
			fmt.Fprintf(&b, " labels %v", x.MPLSLabels)
		}
		if x.Present.Has(decoder.FieldApplicationID) {
			fmt.Fprintf(&b, " application %x", x.ApplicationID)
		}
		if x.Present.Has(decoder.FieldElements) {
			fmt.Fprintf(&b, " elements %v", x.Elements)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
