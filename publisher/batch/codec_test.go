package batch

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/segmentio/kafka-go/compress"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/flowpub/flowpub/internal/flowtest"
)

// codecs are those Kafka knows, at the index by which it knows them.
var codecs = []Compression{CompressionNone, CompressionGzip, CompressionSnappy, CompressionLZ4, CompressionZstd}

func TestCompressionText(t *testing.T) {
	t.Parallel()
	// Ids and names are those of Kafka's org.apache.kafka.common.record.CompressionType,
	// but for the last.
	for i, want := range []string{"none", "gzip", "snappy", "lz4", "zstd", "lz4-fast", "zstd-fast"} {
		c := Compression(i)
		text, err := c.MarshalText()
		if err != nil || string(text) != want || c.String() != want {
			t.Errorf("text of %d is %q, %q, %v; want %q", i, text, c.String(), err, want)
		}
		got := Compression(99)
		if err := got.UnmarshalText([]byte(want)); err != nil || got != c {
			t.Errorf("%q is read as %d, %v; want %d", want, got, err, i)
		}
	}
	var c Compression
	wantError(t, c.UnmarshalText([]byte("brotli")),
		`publisher: compression "brotli" is not known: use none, gzip, snappy, lz4, lz4-fast, zstd or zstd-fast`)
	_, err := Compression(7).MarshalText()
	wantError(t, err, "publisher: compression 7 is not known: use none, gzip, snappy, lz4, lz4-fast, zstd or zstd-fast")
	if got := fmt.Sprint(Compression(7)); got != "Compression(7)" {
		t.Errorf("String is %q", got)
	}
}

// testInputs are bodies that are easy, hard and impossible to compress, of sizes
// around those of the codecs' blocks.
func testInputs() map[string][]byte {
	random := rand.New(rand.NewChaCha8([32]byte{1}))
	noise := make([]byte, 1<<20+1)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	var records []byte
	for seed := uint64(0); len(records) < 700<<10; seed++ {
		records = append(records, appendTestRecords(make([]byte, 0, 30*maxRecordSize+windowSize), seed, flowtest.Packet(seed, 30))...)
	}
	inputs := map[string][]byte{"zeroes": make([]byte, 300<<10)}
	for _, n := range []int{1, 15, 17, 1 << 10, 64<<10 - 1, 64 << 10, 64<<10 + 1, 256 << 10, 256<<10 + 1, len(noise)} {
		inputs[fmt.Sprintf("noise/%d", n)] = noise[:n]
	}
	for _, n := range []int{100, 1 << 10, 64 << 10, 256 << 10, 512 << 10, len(records)} {
		inputs[fmt.Sprintf("records/%d", n)] = records[:n]
	}
	return inputs
}

// TestCompress has two other clients and decompress itself undo compress.
func TestCompress(t *testing.T) {
	t.Parallel()
	franz := kgo.DefaultDecompressor()
	for _, c := range codecs {
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			z := newCompressor(c)
			for name, src := range testInputs() {
				before := []byte("before")
				dst := append(make([]byte, 0, len(before)+maxCompressedSize(c, len(src))), before...)
				out, err := z.compress(dst, src)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if &out[0] != &dst[0] || !bytes.HasPrefix(out, before) {
					t.Errorf("%s: %d bytes became %d, above the bound of %d", name, len(src), len(out)-6, cap(dst)-6)
				}
				out = out[len(before):]
				ours, err := decompress(c, before, out)
				if want := append([]byte("before"), src...); err != nil || !bytes.Equal(ours, want) {
					t.Errorf("%s: decompress: %d bytes, %v; want %d", name, len(ours), err, len(want))
				}
				theirs, err := franz.Decompress(out, kgo.CompressionCodecType(c))
				if err != nil || !bytes.Equal(theirs, src) {
					t.Errorf("%s: franz-go: %d bytes, %v; want %d", name, len(theirs), err, len(src))
				}
				if c == CompressionNone {
					continue
				}
				theirs, err = io.ReadAll(compress.Compression(c).Codec().NewReader(bytes.NewReader(out)))
				if err != nil || !bytes.Equal(theirs, src) {
					t.Errorf("%s: kafka-go: %d bytes, %v; want %d", name, len(theirs), err, len(src))
				}
			}
		})
	}
}

// TestCompressShrinks holds the codecs to being of use.
func TestCompressShrinks(t *testing.T) {
	t.Parallel()
	src := testInputs()[fmt.Sprintf("records/%d", 512<<10)]
	for c, percent := range map[Compression]int{
		CompressionNone: 100, CompressionGzip: 42, CompressionSnappy: 50, CompressionLZ4: 46, CompressionZstd: 39,
	} {
		out, err := newCompressor(c).compress(nil, src)
		if err != nil || len(out)*100 > len(src)*percent {
			t.Errorf("%v leaves %d of %d bytes, %v; want %d %% at most", c, len(out), len(src), err, percent)
		}
	}
}

// TestSnappyFraming compares with what snappy-java's SnappyOutputStream writes
// for the three bytes "abc": its header, then each block after its length.
func TestSnappyFraming(t *testing.T) {
	t.Parallel()
	out, err := newCompressor(CompressionSnappy).compress(nil, []byte("abc"))
	want := []byte{
		0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0,
		0, 0, 0, 1, // version
		0, 0, 0, 1, // oldest version that can read it
		0, 0, 0, 5, // length of the block
		3,            // it has 3 bytes,
		(3 - 1) << 2, // which are literal
		'a', 'b', 'c',
	}
	if err != nil || !bytes.Equal(out, want) {
		t.Errorf("got % x, %v; want % x", out, err, want)
	}
}

// TestLZ4Framing checks the frame against the format's description, by block.
func TestLZ4Framing(t *testing.T) {
	t.Parallel()
	src := append(make([]byte, lz4BlockSize), "abc"...)
	out, err := newCompressor(CompressionLZ4).compress(nil, src)
	if err != nil {
		t.Fatal(err)
	}
	// Magic number, version 1 with independent blocks, 64 KiB, header checksum.
	if want := []byte{0x04, 0x22, 0x4d, 0x18, 0b01_1_00000, 0b0_100_0000, 0x82}; !bytes.HasPrefix(out, want) {
		t.Fatalf("frame begins with % x, want % x", out[:7], want)
	}
	first := binary.LittleEndian.Uint32(out[7:])
	if first>>31 != 0 || first > 1000 {
		t.Fatalf("a block of zeroes has length %#x, want a small one, compressed", first)
	}
	// Too short to compress: stored, as the highest bit says. Then the end mark.
	if got, want := out[11+first:], []byte("\x03\x00\x00\x80abc\x00\x00\x00\x00"); !bytes.Equal(got, want) {
		t.Errorf("frame ends with % x, want % x", got, want)
	}
}

// TestZstdFrame checks that readers need no more memory than the window.
func TestZstdFrame(t *testing.T) {
	t.Parallel()
	out, err := newCompressor(CompressionZstd).compress(nil, testInputs()[fmt.Sprintf("records/%d", 512<<10)])
	if err != nil {
		t.Fatal(err)
	}
	var h zstd.Header
	if err := h.Decode(out); err != nil {
		t.Fatal(err)
	}
	if h.WindowSize > zstdWindow || h.HasCheckSum || h.FrameContentSize != 512<<10 {
		t.Errorf("frame has window %d, checksum %v, content size %d; want %d, false, %d",
			h.WindowSize, h.HasCheckSum, h.FrameContentSize, zstdWindow, 512<<10)
	}
}

func TestCompressAllocations(t *testing.T) {
	src := testInputs()[fmt.Sprintf("records/%d", 512<<10)]
	for _, c := range codecs {
		z := newCompressor(c)
		dst := make([]byte, 0, maxCompressedSize(c, len(src)))
		n := testing.AllocsPerRun(5, func() {
			if _, err := z.compress(dst, src); err != nil {
				t.Fatal(err)
			}
		})
		most := 0.0
		if c == CompressionSnappy { // tables from a pool, which may be emptied at any time
			most = float64(len(src) / snappyBlockSize)
		}
		if n > most {
			t.Errorf("%v allocates %v times a batch, want at most %v", c, n, most)
		}
	}
}

func TestDecompressErrors(t *testing.T) {
	t.Parallel()
	src := testInputs()["records/1024"]
	for _, c := range codecs[1:] {
		out, err := newCompressor(c).compress(nil, src)
		if err != nil {
			t.Fatal(err)
		}
		for name, bad := range map[string][]byte{"empty": {}, "cut": out[:len(out)-5], "text": []byte(strings.Repeat("text", 20))} {
			if (c == CompressionZstd || c == CompressionLZ4) && name == "empty" {
				continue // no frame is no data
			}
			got, err := decompress(c, []byte("kept"), bad)
			if err == nil || string(got) != "kept" {
				t.Errorf("%v, %s: %d bytes, %v; want the error and what was there", c, name, len(got), err)
			}
		}
	}
}

// TestDecompressLimit feeds a bomb to every codec.
func TestDecompressLimit(t *testing.T) {
	t.Parallel()
	src := make([]byte, maxDecompressedSize+1)
	for _, c := range codecs[1:] {
		out, err := newCompressor(c).compress(nil, src)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := decompress(c, nil, out); err == nil {
			t.Errorf("%v: %d bytes came out of %d", c, len(got), len(out))
		}
	}
}
