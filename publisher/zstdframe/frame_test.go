package zstdframe

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// decoded is what two decoders make of a frame, which must agree: the one that Go
// clients use, and if asked for the reference implementation's.
func decoded(tb testing.TB, frame []byte, reference bool) []byte {
	tb.Helper()
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		tb.Fatal(err)
	}
	defer d.Close()
	got, err := d.DecodeAll(frame, nil)
	if err != nil {
		tb.Fatalf("a frame of %d bytes: %v", len(frame), err)
	}
	if !reference {
		return got
	}
	command := exec.Command("zstd", "-dc")
	command.Stdin, command.Stderr = bytes.NewReader(frame), os.Stderr
	other, err := command.Output()
	if err != nil {
		tb.Fatalf("zstd: a frame of %d bytes: %v", len(frame), err)
	}
	if !bytes.Equal(got, other) {
		tb.Fatalf("two decoders differ: %d and %d bytes", len(got), len(other))
	}
	return got
}

// needReference skips a test where the reference implementation's program is missing.
func needReference(tb testing.TB) {
	tb.Helper()
	if _, err := exec.LookPath("zstd"); err != nil {
		tb.Skip("the program zstd is not installed")
	}
}

// Lengths of records that testRecords makes, and where their parts are.
const (
	testKey, testMessage, testFields = 6, 20, 60
	testStart, testEnd               = 65, 80
	testSource, testSourceAddress    = 92, 98
	testNextHop                      = 106
	testDestination, testTail        = 112, 124
	testSize                         = 136
)

// testRecords are n records of packets of per, with what they may share in their places.
func testRecords(n, per int) (src []byte, marks []Mark) {
	random := rand.New(rand.NewPCG(1, uint64(n)))
	constants := make([]byte, testFields)
	for i := range n {
		if i%per == 0 {
			for j := testMessage + 20; j < testFields; j++ {
				constants[j] = byte(random.Uint32())
			}
		}
		r := bytes.Clone(constants)
		for len(r) < testSize {
			r = append(r, byte(random.Uint32()&0x3f)) // else Huffman had no use
		}
		start := 1_700_000_000_000_000_000 + random.Uint64N(1<<35)
		binary.LittleEndian.PutUint64(r[testStart:], start)
		binary.LittleEndian.PutUint64(r[testEnd:], start+uint64(i%2)*random.Uint64N(1<<30))
		host := random.Uint32N(50)
		binary.LittleEndian.PutUint32(r[testSource:], host*7)
		binary.LittleEndian.PutUint32(r[testSourceAddress:], host)
		host = random.Uint32N(50)
		binary.LittleEndian.PutUint32(r[testDestination:], host)
		binary.LittleEndian.PutUint64(r[testDestination+4:], uint64(host)*3)
		marks = append(marks, Mark{
			Start: uint32(len(src)), Key: testKey, Message: testMessage, First: i%per == 0, AddressSize: 4, Fields: testFields,
			StartTime: testStart, EndTime: testEnd, Header: testSource, SourceAddress: testSourceAddress, NextHop: testNextHop,
			Destination: testDestination, Tail: testTail,
		})
		src = append(src, r...)
	}
	return src, marks
}

// Frames of every kind hold what they were given, to two decoders.
func TestAppend(t *testing.T) {
	t.Parallel()
	needReference(t)
	records, marks := testRecords(4000, 30)
	noise := make([]byte, 300_000)
	rand.NewChaCha8([32]byte{2}).Read(noise)
	v6 := append([]Mark(nil), marks[:100]...)
	for i := range v6 {
		v6[i].AddressSize, v6[i].Tail, v6[i].SourceAddress, v6[i].Header = 16, testSize, testSource-4, testSource-4
	}
	noTimes := append([]Mark(nil), marks[:1000]...)
	for i := range noTimes {
		noTimes[i].StartTime, noTimes[i].EndTime = 0, 0
	}
	half := bytes.Clone(records[:100*testSize])
	tests := []struct {
		name  string
		src   []byte
		marks []Mark
	}{
		{"nothing", nil, nil},
		{"one byte", []byte{7}, nil},
		{"one byte, repeated", make([]byte, 500_000), nil},
		{"one record", records[:testSize], marks[:1]},
		{"two records", records[:2*testSize], marks[:2]},
		{"few records", records[:60*testSize], marks[:60]},
		{"many blocks", records, marks},
		{"no marks", records[:200_000], nil},
		{"starts alone are marked", records[:100*testSize], starts(marks[:100])},
		{"noise between, which is stored", append(append(half, noise...), half...), append(append([]Mark(nil), marks[:100]...), moved(marks[:100], uint32(100*testSize+len(noise)))...)},
		{"a record larger than a block", append(bytes.Clone(noise), records[:10*testSize]...), append([]Mark{{}}, moved(marks[:10], uint32(len(noise)))...)},
		{"addresses of 16 bytes", records[:100*testSize], v6},
		{"no times", records[:1000*testSize], noTimes},
		{"as large as can be", bytes.Repeat(noise, 7)[:MaxContent], nil},
	}
	e := NewEncoder()
	for round := range keptFrames + 2 { // with tables that are new, kept, and new again
		for _, test := range tests {
			if len(test.src) > maxBlock && round > 0 && round < keptFrames {
				continue
			}
			frame := e.Append([]byte("before"), test.src, test.marks)
			if len(frame)-6 > MaxSize(len(test.src)) {
				t.Errorf("%s: %d bytes are above %d", test.name, len(frame)-6, MaxSize(len(test.src)))
			}
			if string(frame[:6]) != "before" || !bytes.Equal(decoded(t, frame[6:], round%8 == 0), test.src) {
				t.Errorf("%s, round %d: something else comes out", test.name, round)
			}
		}
	}
}

func starts(marks []Mark) []Mark {
	bare := make([]Mark, len(marks))
	for i := range marks {
		bare[i].Start = marks[i].Start
	}
	return bare
}

func moved(marks []Mark, by uint32) []Mark {
	other := append([]Mark(nil), marks...)
	for i := range other {
		other[i].Start += by
	}
	return other
}

// What the marks point out is found: the frame is much smaller than without.
func TestMarksAreUsed(t *testing.T) {
	t.Parallel()
	src, marks := testRecords(3000, 30)
	e := NewEncoder()
	with, without := len(e.Append(nil, src, marks)), len(e.Append(nil, src, nil))
	// Of 136 bytes 40 and more are constants, 16 of 24 belong to one of 50 hosts, and of
	// the times 3 bytes each are equal: less than 60 are left to be written.
	if per := with / len(marks); per > 60 || without < with*3/2 {
		t.Errorf("%d bytes a record with marks, %d without", per, without/len(marks))
	}
}

// Blocks behind the first have no tables of their own.
func TestTablesAreSentOnce(t *testing.T) {
	t.Parallel()
	src, marks := testRecords(4000, 30)
	e := NewEncoder()
	for range keptFrames + 2 {
		var kinds []string
		frame := e.Append(nil, src, marks)
		for at := headerSize; at < len(frame); {
			head := int(frame[at]) | int(frame[at+1])<<8 | int(frame[at+2])<<16
			body := frame[at+blockHead:][:head>>3]
			kinds = append(kinds, fmt.Sprint(head>>1&3, body[0]&3, modes(body)))
			at += blockHead + head>>3
		}
		if len(kinds) < 4 {
			t.Fatalf("%d blocks, want more", len(kinds))
		}
		for i, kind := range kinds {
			want := fmt.Sprint(blockCompressed, literalsTreeless, tablesRepeat)
			if i == 0 {
				want = fmt.Sprint(blockCompressed, literalsCompressed, tablesNew)
			}
			if kind != want {
				t.Errorf("block %d is of kind %s, want %s", i, kind, want)
			}
		}
	}
}

// modes is how the tables of a block's sequences are given, behind its literals in four
// streams.
func modes(body []byte) byte {
	head := binary.LittleEndian.Uint64(body)
	size, length := int(head>>18&(1<<14-1)), 4 // for literals up to 16 KiB
	if body[0]>>2&3 == 3 {
		size, length = int(head>>22&(1<<18-1)), 5
	}
	sequences := body[length+size:]
	if sequences[0] < 128 {
		return sequences[1]
	}
	return sequences[2]
}

func TestAppendAllocatesNothing(t *testing.T) {
	src, marks := testRecords(2000, 30)
	e := NewEncoder()
	dst := make([]byte, 0, MaxSize(len(src)))
	for range keptFrames + 1 { // until all has its size
		e.Append(dst, src, marks)
	}
	if n := testing.AllocsPerRun(keptFrames+1, func() { e.Append(dst, src, marks) }); n != 0 {
		t.Errorf("%v allocations a frame, want 0", n)
	}
}

// The codes of lengths are those of RFC 8878, tables 16 and 17.
func TestLengthCodes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		of     func(uint32) uint8
		codes  *[codeSlots]lengthCode
		length uint32 // as the RFC counts it, less the shortest match
		code   uint8
		base   uint32
		extra  uint8
	}{
		{"literals", literalCode, &literalCodes, 0, 0, 0, 0},
		{"literals", literalCode, &literalCodes, 15, 15, 15, 0},
		{"literals", literalCode, &literalCodes, 17, 16, 16, 1},
		{"literals", literalCode, &literalCodes, 24, 20, 24, 2},
		{"literals", literalCode, &literalCodes, 47, 23, 40, 3},
		{"literals", literalCode, &literalCodes, 48, 24, 48, 4},
		{"literals", literalCode, &literalCodes, 63, 24, 48, 4},
		{"literals", literalCode, &literalCodes, 64, 25, 64, 6},
		{"literals", literalCode, &literalCodes, 128, 26, 128, 7},
		{"literals", literalCode, &literalCodes, 65536, 35, 65536, 16},
		{"literals", literalCode, &literalCodes, 131071, 35, 65536, 16},
		{"match", matchCode, &matchCodes, 0, 0, 0, 0},
		{"match", matchCode, &matchCodes, 34 - 3, 31, 34 - 3, 0},
		{"match", matchCode, &matchCodes, 36 - 3, 32, 35 - 3, 1},
		{"match", matchCode, &matchCodes, 43 - 3, 36, 43 - 3, 2},
		{"match", matchCode, &matchCodes, 51 - 3, 38, 51 - 3, 3},
		{"match", matchCode, &matchCodes, 67 - 3, 40, 67 - 3, 4},
		{"match", matchCode, &matchCodes, 98 - 3, 41, 83 - 3, 4},
		{"match", matchCode, &matchCodes, 99 - 3, 42, 99 - 3, 5},
		{"match", matchCode, &matchCodes, 131 - 3, 43, 131 - 3, 7},
		{"match", matchCode, &matchCodes, 65539 - 3, 52, 65539 - 3, 16},
	} {
		code := test.of(test.length)
		if code != test.code || test.codes[code] != (lengthCode{test.base, test.extra}) {
			t.Errorf("%s of %d: code %d %+v, want %d, base %d, %d bits", test.name, test.length, code, test.codes[code], test.code, test.base, test.extra)
		}
	}
}

// Whatever bytes and marks there are, the bytes come out.
func FuzzAppend(f *testing.F) {
	src, marks := testRecords(40, 10)
	f.Add(src, flat(marks), uint8(1), uint8(0))
	f.Add(src[:1000], flat(moved(marks, 3)), uint8(200), uint8(7))
	f.Add([]byte{}, []byte{}, uint8(0), uint8(0))
	encoders := map[uint8]*Encoder{}
	_, err := exec.LookPath("zstd")
	f.Fuzz(func(t *testing.T, src, from []byte, repeat, encoder uint8) {
		src = bytes.Repeat(src, 1+int(repeat)) // several blocks
		if len(src) > 400<<10 {
			src = src[:400<<10]
		}
		marks := unflat(from)
		e := encoders[encoder%4] // with what frames before have left
		if e == nil {
			e = NewEncoder()
			encoders[encoder%4] = e
		}
		frame := e.Append(nil, src, marks)
		if got := decoded(t, frame, err == nil && encoder%16 == 0); !bytes.Equal(got, src) {
			t.Fatalf("%d bytes come out of %d", len(got), len(src))
		}
		if len(frame) > MaxSize(len(src)) {
			t.Errorf("%d bytes are above %d", len(frame), MaxSize(len(src)))
		}
	})
}

const flatSize = 24

func flat(marks []Mark) (b []byte) {
	for _, m := range marks {
		b = binary.LittleEndian.AppendUint32(b, m.Start)
		first := byte(0)
		if m.First {
			first = 1
		}
		b = append(b, m.Key, m.Message, first, m.AddressSize)
		for _, v := range []uint16{m.Fields, m.StartTime, m.EndTime, m.Header, m.SourceAddress, m.NextHop, m.Destination, m.Tail} {
			b = binary.LittleEndian.AppendUint16(b, v)
		}
	}
	return b
}

func unflat(b []byte) (marks []Mark) {
	for ; len(b) >= flatSize; b = b[flatSize:] {
		v := func(i int) uint16 { return binary.LittleEndian.Uint16(b[8+2*i:]) }
		marks = append(marks, Mark{
			Start: binary.LittleEndian.Uint32(b), Key: b[4], Message: b[5], First: b[6]&1 != 0, AddressSize: b[7],
			Fields: v(0), StartTime: v(1), EndTime: v(2), Header: v(3), SourceAddress: v(4), NextHop: v(5), Destination: v(6), Tail: v(7),
		})
	}
	return marks
}
