package batch

import (
	"math/rand/v2"
	"testing"

	"github.com/flowpub/flowpub/internal/flowtest"
)

// testMemory counts what a batch holds.
type testMemory struct{ held int }

func (m *testMemory) take(n int) []byte {
	m.held += m.Capacity(n)
	return make([]byte, 0, m.Capacity(n))
}

func (m *testMemory) Exchange(buf []byte, n int) []byte {
	if m.Capacity(n) >= cap(buf) {
		return buf[:0]
	}
	m.Give(buf)
	return m.take(n)
}

func (*testMemory) Capacity(n int) int   { return (n + 64<<10 - 1) &^ (64<<10 - 1) }
func (*testMemory) Release([]byte)       {}
func (m *testMemory) Force(n int) []byte { return m.take(n) }
func (m *testMemory) Give(buf []byte)    { m.held -= cap(buf) }

// testBatchOf returns a shut batch of one packet in memory of m.
func testBatchOf(m *testMemory, c Compression, records int) *Batch {
	var e Encoder
	e.Reset(flowtest.Exporter(1), flowtest.Time, flowtest.Packet(1, records))
	b := Open(m.take(Room(c, e.MaxSize(0, records))), c)
	b.Append(&e, 0, records)
	b.Shut()
	return &b
}

// A sealed batch costs what its compressed form needs, and no more.
func TestSealShrinks(t *testing.T) {
	t.Parallel()
	for _, c := range []Compression{CompressionNone, CompressionGzip, CompressionSnappy, CompressionLZ4, CompressionZstd, CompressionZstdFast} {
		var m testMemory
		s := NewSealer(c)
		open := testBatchOf(&m, c, 1000)
		before := m.held
		s.Seal(&m, open)
		if !open.sealed || m.held != cap(open.buf) {
			t.Errorf("%v: sealed %v, charged %d, holds %d", c, open.sealed, m.held, cap(open.buf))
		}
		if c != CompressionNone && m.held >= before {
			t.Errorf("%v: %d bytes charged before, %d after", c, before, m.held)
		}
		if got := len(readBatch(t, open.buf)); got != 1000 {
			t.Errorf("%v: %d records come out, want 1000", c, got)
		}
	}
}

// What compression would make larger is sent as it is.
func TestSealIncompressible(t *testing.T) {
	t.Parallel()
	var m testMemory
	noise := rand.NewChaCha8([32]byte{1})
	buf := m.take(20000)[:HeaderSize]
	value := make([]byte, 15000)
	noise.Read(value)
	buf = appendFramed(buf, []byte("192.0.2.1"), value, noHeaders, 0, 0)
	open := &Batch{buf: buf, records: 1, raw: len(buf)}
	NewSealer(CompressionLZ4).Seal(&m, open)
	if codec := open.buf[batchAttributes+1] & 7; codec != 0 || len(open.buf) != open.raw {
		t.Errorf("codec %d, %d bytes of %d", codec, len(open.buf), open.raw)
	}
}

// Both halves of a batch are batches, and together they are the whole.
func TestSplit(t *testing.T) {
	t.Parallel()
	for _, c := range []Compression{CompressionNone, CompressionZstd, CompressionZstdFast} {
		var m testMemory
		s := NewSealer(c)
		first := testBatchOf(&m, c, 101)
		s.Seal(&m, first)
		want := readBatch(t, first.buf)
		second, err := s.Split(&m, first)
		if err != nil {
			t.Fatal(err)
		}
		if first.records != 50 || second.records != 51 || !first.sealed || !second.sealed {
			t.Errorf("%v: %d and %d records, sealed %v and %v", c, first.records, second.records, first.sealed, second.sealed)
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
		if m.held != cap(first.buf)+cap(second.buf) {
			t.Errorf("%v: charged %d, hold %d and %d", c, m.held, cap(first.buf), cap(second.buf))
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
