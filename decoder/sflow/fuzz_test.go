package sflow_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/sflow"
	"github.com/flowpub/flowpub/internal/testwait"
)

// seeds returns the datagrams of all recordings and cases here, and of all frames.
func seeds(tb testing.TB) (payloads [][]byte) {
	tb.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", "*", "*.pcap.gz"))
	if err != nil || len(paths) < 3 {
		tb.Fatal(paths, err)
	}
	for _, path := range paths {
		payloads = append(payloads, readCapture(tb, path)...)
	}
	for _, c := range frames {
		payloads = append(payloads, datagram(1, sample(header(c.protocol, c.length, unhex(tb, c.frame)))))
	}
	return payloads
}

// FuzzDecode: whatever the bytes, Decode refuses them for the right reason, or gives no more
// records than there are bytes for; they do not depend on what the packet held before, or on
// the datagram's memory later.
func FuzzDecode(f *testing.F) {
	for _, payload := range seeds(f) {
		f.Add(payload)
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		if len(payload) > 65507 {
			return
		}
		p, s := used(t)
		check(t, payload, p, s)
	})
}

// Datagrams of real exporters, of which bytes were changed, cut out or doubled, a million
// times.
func TestMutatedDatagrams(t *testing.T) {
	t.Parallel()
	n := testwait.Fewer(50_000, 1_000_000)
	payloads, random := seeds(t), rand.New(rand.NewPCG(1, 2))
	var p decoder.ExportPacket
	var s sflow.Samples
	var b []byte
	records, refused := 0, 0
	for i := range n {
		b = append(b[:0], payloads[random.IntN(len(payloads))]...)
		for range 1 + random.IntN(4) {
			b = mutate(random, b)
		}
		if i%1000 == 0 {
			check(t, b, &p, &s)
			continue
		}
		if err := sflow.Decode(b, &p, &s); err != nil {
			refused++
			checkEmpty(t, &p, &s)
			continue
		}
		checkCounts(t, b, &p, &s)
		records += len(p.Records)
	}
	if records < n/10 || refused < n/100 || refused > n*9/10 {
		t.Errorf("%d records, %d of %d refused: nothing much was tried", records, refused, n)
	}
}

// mutate changes a word or a byte, cuts off the end, or takes words out or in.
func mutate(random *rand.Rand, b []byte) []byte {
	if len(b) < 8 {
		return append(b, make([]byte, 8)...)
	}
	at := random.IntN(len(b)/4-1) * 4
	switch random.IntN(6) {
	case 0:
		copy(b[at:], words(random.Uint32()))
	case 1:
		copy(b[at:], words(random.Uint32N(40)))
	case 2:
		b[random.IntN(len(b))] ^= 1 << random.IntN(8)
	case 3:
		b = b[:len(b)-random.IntN(len(b)/2)]
	case 4:
		b = append(b[:at], b[at+4:]...)
	default:
		b = append(b[:at+4], b[at:]...)
	}
	return b
}

// check decodes a payload into a packet that held something.
func check(t *testing.T, payload []byte, p *decoder.ExportPacket, s *sflow.Samples) {
	t.Helper()
	given := bytes.Clone(payload)
	err := sflow.Decode(given, p, s)
	if !bytes.Equal(given, payload) {
		t.Fatal("the datagram was changed")
	}
	checkReason(t, payload, err)
	if err != nil {
		checkEmpty(t, p, s)
		return
	}
	clear(given)
	checkCounts(t, payload, p, s)
	var fresh decoder.ExportPacket
	var freshSamples sflow.Samples
	if err := sflow.Decode(payload, &fresh, &freshSamples); err != nil {
		t.Fatal(err)
	}
	if a, b := render(p, s), render(&fresh, &freshSamples); a != b {
		t.Fatalf("a reused packet holds\n%s, a fresh one\n%s", a, b)
	}
}

// checkReason checks the error by the first rule that the payload breaks.
func checkReason(t *testing.T, payload []byte, err error) {
	t.Helper()
	headerLen := 24
	if len(payload) >= 24 {
		headerLen += []int{0, 4, 16}[min(payload[7], 2)]
	}
	var want error
	switch {
	case len(payload) < 4:
		want = decoder.ErrShort
	case !bytes.HasPrefix(payload, []byte{0, 0, 0, 5}):
		want = decoder.ErrVersion
	case len(payload) < 24:
		want = decoder.ErrShort
	case payload[4]|payload[5]|payload[6] != 0 || payload[7] > 2:
		want = decoder.ErrVersion
	case len(payload) < headerLen:
		want = decoder.ErrShort
	case errors.Is(err, decoder.ErrNoRecords):
		return
	}
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}

// checkCounts checks that a packet's parts belong together, and that there are bytes for
// all.
func checkCounts(t *testing.T, payload []byte, p *decoder.ExportPacket, s *sflow.Samples) {
	t.Helper()
	n := len(p.Records)
	if n > sflow.MaxRecords || n*40 > len(payload) || n != int(s.Flows+s.Discarded) || n != len(p.Extensions) || n != len(s.Sources) {
		t.Fatalf("%d records, %d extensions, %d sources of %d bytes: %+v", n, len(p.Extensions), len(s.Sources), len(payload), s)
	}
	if all := s.Flows + s.Discarded + s.Counters + s.Unknown + s.Dropped[0] + s.Dropped[1]; all == 0 || all > p.Count || int(all)*8 > len(payload) {
		t.Fatalf("%+v of %d announced in %d bytes", s, p.Count, len(payload))
	}
	if len(p.Numbers)*4 > len(payload) {
		t.Fatalf("%d numbers of %d bytes", len(p.Numbers), len(payload))
	}
	for i := range p.Extensions {
		if x := &p.Extensions[i]; x.Present.Has(decoder.FieldMPLSLabels) && len(x.MPLSLabels) > 10 ||
			x.Present.Has(decoder.FieldBGPASPath) && len(x.BGPASPath) > 255 ||
			x.Present.Has(decoder.FieldBGPCommunities) && len(x.BGPCommunities) > 255 {
			t.Fatalf("%+v has more than fields hold", x)
		}
	}
}

// render writes all that a packet holds.
func render(p *decoder.ExportPacket, s *sflow.Samples) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%+v %d %d %d %d %v\n", p.Header, s.Flows, s.Discarded, s.Counters, s.Unknown, s.Dropped)
	for i := range p.Records {
		fmt.Fprintf(&b, "%v %+v %x %v\n", p.Records[i], s.Sources[i], p.Extensions[i].Present, got(p, s, i))
	}
	return b.String()
}
