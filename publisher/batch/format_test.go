package batch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/flowpub/flowpub/internal/flowtest"
)

// goldenBatch is a batch of two records by hand, after the table in Kafka's
// documentation; CRC stands for the checksum of what follows it.
const goldenBatch = `
	0000000000000000  base offset
	00000042          batch length 66: 49 of the header, 17 of the records
	ffffffff          partition leader epoch
	02                magic
	CRC
	0000              attributes
	00000001          last offset delta
	0000019b76daa800  base timestamp: 2026-01-01 00:00 UTC
	0000019b76daa864  maximum timestamp: 100 ms later
	00000000000003e8  producer id 1000
	0007              producer epoch
	0000000a          base sequence
	00000002          records
	10                record of 8 bytes:
	00 00 00          attributes, timestamp delta 0, offset delta 0
	02 6b             key "k"
	02 76             value "v"
	00                no headers
	0e                record of 7 bytes:
	00 c801 02        attributes, timestamp delta 100, offset delta 1
	00                no key
	00                no value
	00                no headers
`

// goldenHeader is what goldenBatch says of itself.
func goldenHeader() batchHeader {
	return batchHeader{
		baseTimestamp: 1_767_225_600_000, maxTimestamp: 1_767_225_600_100, records: 2,
	}
}

// completeBatch is what sealing and stamping do to a batch, with the identity
// of goldenBatch.
func completeBatch(b []byte, h batchHeader) {
	putBatchHeader(b, h)
	stampBatch(b, 1000, 7, 10)
}

// bitwiseCRC32C computes the checksum by its definition (RFC 3720, appendix
// B.4), one bit at a time.
func bitwiseCRC32C(b []byte) uint32 {
	crc := ^uint32(0)
	for _, c := range b {
		crc ^= uint32(c)
		for range 8 {
			crc = crc>>1 ^ 0x82f63b78&-(crc&1)
		}
	}
	return ^crc
}

func goldenBatchBytes(t *testing.T) []byte {
	t.Helper()
	before, after, _ := strings.Cut(goldenBatch, "CRC")
	covered := bytesOf(t, after)
	b := binary.BigEndian.AppendUint32(bytesOf(t, before), bitwiseCRC32C(covered))
	return append(b, covered...)
}

func TestBitwiseCRC32C(t *testing.T) {
	t.Parallel()
	// RFC 3720, appendix B.4: 32 bytes of zeroes, sent as aa 36 91 8a.
	if got := bitwiseCRC32C(make([]byte, 32)); got != 0x8a9136aa {
		t.Errorf("checksum of 32 zeroes is %#x, want 0x8a9136aa", got)
	}
}

func TestPutBatchHeaderGolden(t *testing.T) {
	t.Parallel()
	b := bytes.Repeat([]byte{0xee}, HeaderSize)
	b = appendFramed(b, []byte("k"), []byte("v"), noHeaders, 0, 0)
	b = appendFramed(b, nil, nil, noHeaders, 100, 1)
	completeBatch(b, goldenHeader())
	if want := goldenBatchBytes(t); !bytes.Equal(b, want) {
		t.Errorf("got\n%x, want\n%x", b, want)
	}
}

func TestPutBatchHeaderCodec(t *testing.T) {
	t.Parallel()
	for i, c := range codecs {
		h := goldenHeader()
		h.compression = c
		b := make([]byte, HeaderSize+1)
		putBatchHeader(b, h)
		if got := binary.BigEndian.Uint16(b[21:]); int(got) != i {
			t.Errorf("%v: attributes are %#x, want %#x", c, got, i)
		}
	}
}

func TestStampBatch(t *testing.T) {
	t.Parallel()
	b := goldenBatchBytes(t)
	stampBatch(b, -1, -1, -1)
	want := goldenBatchBytes(t)
	copy(want[43:57], bytes.Repeat([]byte{0xff}, 14))
	binary.BigEndian.PutUint32(want[17:], bitwiseCRC32C(want[21:]))
	if !bytes.Equal(b, want) {
		t.Errorf("got\n%x, want\n%x", b, want)
	}
	stampBatch(b, 1000, 7, 10)
	if !bytes.Equal(b, goldenBatchBytes(t)) {
		t.Error("another stamp does not bring the batch back")
	}
}

// readRecord is a record as a reader of batches found it.
type readRecord struct {
	offset, timestamp int64
	key, value        string
	headers           string // each as "key: value\n"
}

// testBatch seals the records of three test packets, in all ways that matter,
// and returns what a reader should find.
func testBatch(t *testing.T, c Compression) (batch []byte, want []readRecord) {
	t.Helper()
	body := make([]byte, 0, 100*maxRecordSize+windowSize)
	for seed := range uint64(3) {
		var e Encoder
		e.Reset(flowtest.Exporter(seed), flowtest.Received(seed), flowtest.Packet(seed, 30))
		for i := range 30 {
			n := len(want)
			body = e.appendRecord(body, i, int64(seed)*10, n)
			want = append(want, readRecord{int64(n), 1_767_225_600_000 + int64(seed)*10, string(e.Key()), string(e.appendValue(nil, i)), ""})
		}
	}
	h := goldenHeader()
	h.records, h.compression = len(want), c
	batch, err := newCompressor(c).compress(make([]byte, HeaderSize), body)
	if err != nil {
		t.Fatal(err)
	}
	completeBatch(batch, h)
	return batch, want
}

// TestBatchReaders has franz-go and kafka-go read batches of all codecs.
func TestBatchReaders(t *testing.T) {
	t.Parallel()
	for _, c := range codecs {
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			batch, want := testBatch(t, c)
			for name, read := range map[string]func([]byte) ([]readRecord, error){"franz-go": readFranz, "kafka-go": readKafkaGo} {
				got, err := read(batch)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				compareRecords(t, name, got, want)
			}
		})
	}
}

func compareRecords(t *testing.T, name string, got, want []readRecord) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d records, want %d", name, len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%s: record %d is %+v, want %+v", name, i, got[i], want[i])
		}
	}
}

// readFranz reads with franz-go's kmsg, which checks nothing itself, so what a
// broker checks is checked here.
func readFranz(b []byte) ([]readRecord, error) {
	var batch kmsg.RecordBatch
	if err := batch.ReadFrom(b); err != nil {
		return nil, err
	}
	switch {
	case int(batch.Length) != len(b)-12:
		return nil, fmt.Errorf("batch length is %d of %d bytes", batch.Length, len(b))
	case uint32(batch.CRC) != crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)):
		return nil, errors.New("checksum does not match")
	case batch.Magic != 2 || batch.FirstOffset != 0 || batch.LastOffsetDelta != batch.NumRecords-1:
		return nil, fmt.Errorf("header is %+v", batch)
	}
	body, err := kgo.DefaultDecompressor().Decompress(batch.Records, kgo.CompressionCodecType(batch.Attributes&7))
	if err != nil {
		return nil, err
	}
	var records []readRecord
	for range batch.NumRecords {
		length, n := binary.Varint(body)
		var r kmsg.Record
		if err := r.ReadFrom(body[:n+int(length)]); err != nil {
			return nil, err
		}
		if r.Attributes != 0 {
			return nil, fmt.Errorf("record has attributes %d", r.Attributes)
		}
		var headers string
		for _, h := range r.Headers {
			headers += h.Key + ": " + string(h.Value) + "\n"
		}
		records = append(records, readRecord{
			batch.FirstOffset + int64(r.OffsetDelta), batch.FirstTimestamp + r.TimestampDelta64, string(r.Key), string(r.Value), headers,
		})
		body = body[n+int(length):]
	}
	if len(body) != 0 {
		return nil, fmt.Errorf("%d bytes follow the last record", len(body))
	}
	return records, nil
}

// readKafkaGo reads with kafka-go's protocol package.
func readKafkaGo(b []byte) ([]readRecord, error) {
	var set protocol.RecordSet
	sized := append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)
	if _, err := set.ReadFrom(bytes.NewReader(sized)); err != nil {
		return nil, err
	}
	var records []readRecord
	for {
		r, err := set.Records.ReadRecord()
		if errors.Is(err, io.EOF) {
			return records, nil
		}
		if err != nil {
			return nil, err
		}
		key, err := protocol.ReadAll(r.Key)
		if err != nil {
			return nil, err
		}
		value, err := protocol.ReadAll(r.Value)
		if err != nil {
			return nil, err
		}
		var headers string
		for _, h := range r.Headers {
			headers += h.Key + ": " + string(h.Value) + "\n"
		}
		records = append(records, readRecord{r.Offset, r.Time.UnixMilli(), string(key), string(value), headers})
	}
}

// TestAppendRenumbered splits a batch as MESSAGE_TOO_LARGE asks for: both parts
// are batches that hold what they should.
func TestAppendRenumbered(t *testing.T) {
	t.Parallel()
	batch, want := testBatch(t, CompressionNone)
	for _, span := range [][2]int{{0, 45}, {45, 90}, {0, 90}, {89, 90}, {7, 8}} {
		from, to := span[0], span[1]
		part, err := appendRenumbered(make([]byte, HeaderSize), batch[HeaderSize:], from, to)
		if err != nil {
			t.Fatal(err)
		}
		h := goldenHeader()
		h.records = to - from
		completeBatch(part, h)
		got, err := readFranz(part)
		if err != nil {
			t.Fatal(err)
		}
		part90 := append([]readRecord(nil), want[from:to]...)
		for i := range part90 {
			part90[i].offset = int64(i)
		}
		compareRecords(t, fmt.Sprintf("records %d to %d", from, to), got, part90)
	}
}

func TestAppendRenumberedErrors(t *testing.T) {
	t.Parallel()
	two := goldenBatchBytes(t)[HeaderSize:]
	tests := map[string]struct {
		body []byte
		to   int
	}{
		"more records than there are": {two, 3},
		"cut":                         {two[:len(two)-1], 2},
		"empty":                       {nil, 1},
		"negative length":             {[]byte{0x01, 0, 0}, 1},
		"no attributes":               {[]byte{0}, 1},
		"no deltas":                   {[]byte{2, 0}, 1},
		"endless delta":               {[]byte{6, 0, 0xff, 0xff}, 1},
	}
	for name, tt := range tests {
		if _, err := appendRenumbered(nil, tt.body, 0, tt.to); !errors.Is(err, errRecord) {
			t.Errorf("%s: error is %v, want %v", name, err, errRecord)
		}
	}
}

func TestSplitRecord(t *testing.T) {
	t.Parallel()
	first, rest, err := nextRecord(goldenBatchBytes(t)[HeaderSize:])
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		delta int64
		tail  string
	}{{0, "\x02k\x02v\x00"}, {100, "\x00\x00\x00"}} {
		delta, tail, err := splitRecord([][]byte{first, rest}[i])
		if err != nil || delta != want.delta || string(tail) != want.tail {
			t.Errorf("record %d has timestamp delta %d, tail %q, %v; want %d, %q", i, delta, tail, err, want.delta, want.tail)
		}
	}
}
