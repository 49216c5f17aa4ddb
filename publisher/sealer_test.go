package publisher

import (
	"math/rand/v2"
	"testing"
)

// testBatchOf returns an open batch of one packet, charged to a.
func testBatchOf(t *testing.T, b *budget, a *account, records int) *batch {
	t.Helper()
	var e packetEncoder
	e.reset(testExporter(1), testTime, testPacket(1, records))
	buf := b.take(a, batchHeaderSize+records*maxRecordSize)
	if buf == nil {
		t.Fatal("no room")
	}
	open := &batch{buf: buf[:batchHeaderSize], base: e.timestamp, latest: e.timestamp}
	for i := range records {
		open.buf = e.appendRecord(open.buf, i, 0, i)
		open.records++
	}
	open.raw = len(open.buf)
	return open
}

// A sealed batch costs what its compressed form needs, and no more.
func TestSealShrinks(t *testing.T) {
	t.Parallel()
	for _, c := range []Compression{CompressionNone, CompressionGzip, CompressionSnappy, CompressionLZ4, CompressionZstd} {
		b := newBudget(16<<20, 1)
		var a account
		s := newSealer(c, b)
		open := testBatchOf(t, b, &a, 1000)
		before := a.held
		s.seal(&a, open)
		if !open.sealed || a.held != int64(cap(open.buf)) {
			t.Errorf("%v: sealed %v, charged %d, holds %d", c, open.sealed, a.held, cap(open.buf))
		}
		if c != CompressionNone && a.held >= before {
			t.Errorf("%v: %d bytes charged before, %d after", c, before, a.held)
		}
		if got := len(readBatch(t, open.buf)); got != 1000 {
			t.Errorf("%v: %d records come out, want 1000", c, got)
		}
	}
}

// What compression would make larger is sent as it is.
func TestSealIncompressible(t *testing.T) {
	t.Parallel()
	b := newBudget(16<<20, 1)
	var a account
	noise := rand.NewChaCha8([32]byte{1})
	buf := b.take(&a, 20000)[:batchHeaderSize]
	value := make([]byte, 15000)
	noise.Read(value)
	buf = appendFramed(buf, []byte("192.0.2.1"), value, 0, 0)
	open := &batch{buf: buf, records: 1, raw: len(buf)}
	newSealer(CompressionLZ4, b).seal(&a, open)
	if codec := open.buf[batchAttributes+1] & 7; codec != 0 || len(open.buf) != open.raw {
		t.Errorf("codec %d, %d bytes of %d", codec, len(open.buf), open.raw)
	}
}

// Both halves of a batch are batches, and together they are the whole.
func TestSplit(t *testing.T) {
	t.Parallel()
	for _, c := range []Compression{CompressionNone, CompressionZstd} {
		b := newBudget(16<<20, 1)
		var a account
		s := newSealer(c, b)
		first := testBatchOf(t, b, &a, 101)
		s.seal(&a, first)
		want := readBatch(t, first.buf)
		first.unanswered, first.doubted, first.stamped = true, true, true
		second, err := s.split(&a, first)
		if err != nil {
			t.Fatal(err)
		}
		if first.records != 50 || second.records != 51 || !first.sealed || !second.sealed {
			t.Errorf("%v: %d and %d records, sealed %v and %v", c, first.records, second.records, first.sealed, second.sealed)
		}
		if !second.unanswered || !second.doubted || second.stamped || !first.unanswered || first.stamped {
			t.Errorf("%v: the halves are %+v and %+v", c, first, second)
		}
		got := append(readBatch(t, first.buf), readBatch(t, second.buf)...)
		if len(got) != len(want) {
			t.Fatalf("%v: %d records of %d", c, len(got), len(want))
		}
		for i := range want {
			if got[i].value != want[i].value || got[i].key != want[i].key {
				t.Fatalf("%v: record %d differs", c, i)
			}
		}
		if a.held != int64(cap(first.buf)+cap(second.buf)) {
			t.Errorf("%v: charged %d, hold %d and %d", c, a.held, cap(first.buf), cap(second.buf))
		}
	}
}

// readBatch stamps a sealed batch, as is done before it is sent, and reads it
// with a reader that is not ours.
func readBatch(t *testing.T, b []byte) []readRecord {
	t.Helper()
	stampBatch(b, -1, -1, -1)
	records, err := readFranz(b)
	if err != nil {
		t.Fatal(err)
	}
	return records
}
