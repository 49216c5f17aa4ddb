package zstdframe

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// A long match behind many literals, both with codes that are rare in the table, takes as many
// bits as a sequence can: with 7 bits left over from the one before they must not be lost.
func TestLongestSequence(t *testing.T) {
	t.Parallel()
	reader, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	random := rand.New(rand.NewPCG(1, 2))
	noise := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		return b
	}
	const long, many = 33_025, 66_001
	e := NewEncoder()
	for frame := range 4 * keptFrames {
		first := noise(long)
		records := [][]byte{first, noise(maxBlock - long), noise(many), first}
		for i := range 20 {
			small := noise(40 + i)
			records = append(records, small, append(noise(2+random.IntN(4)), small[2:]...))
		}
		if frame == 0 { // whose tables the others have, too
			records = records[4:]
		}
		var src []byte
		var marks []Mark
		for _, r := range records {
			marks = append(marks, Mark{Start: uint32(len(src))})
			src = append(src, r...)
		}
		read, err := reader.DecodeAll(e.Append(nil, src, marks), nil)
		if err != nil || !bytes.Equal(read, src) {
			t.Fatalf("frame %d: %v", frame, err)
		}
	}
}
