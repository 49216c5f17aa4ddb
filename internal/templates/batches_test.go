package templates

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"github.com/flowpub/flowpub/internal/testwait"
)

// packed is a record batch whose records are so packed.
func packed(codec uint16, records []byte) []byte {
	b := append(make([]byte, batchRecords), records...)
	b[batchMagic] = 2
	binary.BigEndian.PutUint16(b[batchAttributes:], codec)
	return sealed(b)
}

// squeeze packs zeros.
func squeeze(tb testing.TB, w io.WriteCloser, zeros int64) {
	tb.Helper()
	if _, err := io.CopyN(w, zeroes{}, zeros); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
}

type zeroes struct{}

func (zeroes) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// A few bytes that unpack to gigabytes, or say so, cost a bounded amount of memory. Not parallel: it counts what
// is allocated.
func TestBombs(t *testing.T) {
	const gigabyte = 1 << 30
	size := testwait.Fewer[int64](80<<20, gigabyte/4) // more than may be allocated
	var gzipped, lz4ed, zstded bytes.Buffer
	squeeze(t, gzip.NewWriter(&gzipped), size)
	squeeze(t, lz4.NewWriter(&lz4ed), size)
	encoder, err := zstd.NewWriter(&zstded, zstd.WithWindowSize(zstd.MaxWindowSize))
	if err != nil {
		t.Fatal(err)
	}
	squeeze(t, encoder, size)
	snappied := binary.AppendUvarint(nil, 4<<30-1)
	xerialed := append(append(bytes.Clone(xerial), make([]byte, 8)...), 0xff, 0xff, 0xff, 0xff)
	long := binary.AppendVarint(nil, gigabyte) // a record
	for _, c := range []struct {
		name  string
		batch []byte
	}{
		{"gzip", packed(1, gzipped.Bytes())},
		{"snappy", packed(2, append(snappied, 0, 0, 0))},
		{"snappy of the Java client", packed(2, append(xerialed, 0, 0, 0))},
		{"lz4", packed(3, lz4ed.Bytes())},
		{"zstd", packed(4, zstded.Bytes())},
		{"a long record", packed(0, long)},
		{"an unknown codec", packed(7, long)},
	} {
		before := allocated()
		next, _ := readBatches(c.batch, 0, func(_, _ []byte) bool { return true })
		if used := allocated() - before; used > 64<<20 || next != 1 {
			t.Errorf("%s: %d MiB were allocated, and the next is %d", c.name, used>>20, next)
		}
	}
}

// Batches that follow each other share what unpacks them. Not parallel, as above.
func TestBombsInARow(t *testing.T) {
	var bomb bytes.Buffer
	encoder, err := zstd.NewWriter(&bomb, zstd.WithWindowSize(maxWindow))
	if err != nil {
		t.Fatal(err)
	}
	squeeze(t, encoder, maxUnpacked)
	before := allocated()
	readBatches(bytes.Repeat(packed(4, bomb.Bytes()), 100), 0, func(_, _ []byte) bool { return true })
	if used := allocated() - before; used > 100<<20 {
		t.Errorf("%d MiB were allocated for a hundred batches", used>>20)
	}
}

// tiny returns a packed batch of so many records that have nothing.
func tiny(t *testing.T, records int) []byte {
	t.Helper()
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	if _, err := w.Write(bytes.Repeat([]byte{12, 0, 0, 0, 1, 1, 0}, records)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return packed(1, zipped.Bytes())
}

// A few bytes that unpack to millions of records are read as far as a batch may go, and no further than is
// wanted.
func TestRecordsOfABatchAreBounded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ records, wanted, taken, unread int }{
		{maxRecords, maxRecords + 1, maxRecords, 0},
		{2_000_000, 2_000_000, maxRecords, 1},
		{2_000_000, 10, 10, 0},
	} {
		taken := 0
		_, unread := readBatches(tiny(t, c.records), 0, func(_, _ []byte) bool {
			taken++
			return taken < c.wanted
		})
		if taken != c.taken || unread != c.unread {
			t.Errorf("of %d records, %d wanted, %d are taken, and %d batches unread; want %d and %d", c.records, c.wanted, taken, unread, c.taken, c.unread)
		}
	}
}

// Whatever comes: what is taken has its bytes, and offsets go on.
func FuzzReadBatches(f *testing.F) {
	f.Add(batchOf(3, record{[]byte("key"), []byte("value")}), int64(0))
	f.Add(append(batchOf(3, record{nil, nil}), batchOf(4, record{[]byte{}, []byte{}})...), int64(4))
	f.Add(packed(2, []byte{5, 0x10, 'a', 'b', 'c', 'd', 'e'}), int64(0))
	f.Fuzz(func(t *testing.T, b []byte, from int64) {
		for at := 0; at+batchRecords <= len(b); { // as a broker would: else nothing comes past the checksum
			n := batchFrame + int(binary.BigEndian.Uint32(b[at+8:]))
			if n < batchRecords || at+n > len(b) {
				break
			}
			sealed(b[at : at+n])
			at += n
		}
		records := 0
		next, _ := readBatches(b, from, func(key, value []byte) bool {
			records++
			_, _ = readItem(key, value, time.Now())
			return true
		})
		if next < from {
			t.Errorf("from %d to %d", from, next)
		}
	})
}

// What is read is written again byte for byte.
func FuzzReadItem(f *testing.F) {
	now := time.Unix(1_800_000_000, 0)
	key := append([]byte{9}, make([]byte, 24)...)
	f.Add(key, append(make([]byte, valueHead), 0, 1, 0, 8, 0, 4))
	f.Add(key, make([]byte, valueHead+samplingLength))
	f.Add([]byte("\x00flows"), make([]byte, markLength))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		it, err := readItem(key, value, now)
		if err != nil || value == nil {
			return
		}
		var again []byte
		switch {
		case it.template != nil:
			again = templateValue(it.template, now)
			key2 := keyOf(&it.template.Key)
			if !bytes.Equal(key2, key) {
				t.Errorf("key %x, then %x", key, key2)
			}
		case it.options != nil:
			again = optionsValue(it.options, now)
		default:
			return
		}
		if it.template != nil && it.template.Age > 1<<60 || it.options != nil && it.options.Age > 1<<60 || learnedLater(value, now) {
			return // no time, or one to come
		}
		if !bytes.Equal(again, value) {
			t.Errorf("value %x, then %x", value, again)
		}
	})
}

func learnedLater(value []byte, now time.Time) bool {
	return int64(binary.BigEndian.Uint64(value[2:])) > now.UnixNano()
}
