package batch

import (
	"bytes"
	"testing"

	"github.com/flowpub/flowpub/internal/flowtest"
)

// Staged messages are the records' own, each behind its length, and what a batch
// makes of them fits into their bound, and is what it makes of the packet.
func TestStaged(t *testing.T) {
	t.Parallel()
	for _, f := range framings {
		e := Encoder{Framing: f}
		e.Reset(flowtest.Exporter(1), flowtest.Time, flowtest.Packet(1, 30))
		var want []byte
		for i := 10; i < 20; i++ {
			message := e.appendMessage(nil, i)
			want = append(append(want, 0, 0, byte(len(message)>>8), byte(len(message))), message...)
		}
		got := e.AppendMessages([]byte("before"), 10, 20)
		if !bytes.Equal(got, append([]byte("before"), want...)) || len(want) > e.MaxMessagesSize(10, 20) {
			t.Fatalf("%v: messages are\n%x, want\n%x", f.Value, got, want)
		}
		staged := Staged{Timestamp: e.Timestamp(), Key: e.Key(), Records: 10, Messages: want}
		direct := Open(make([]byte, 0, Room(CompressionNone, e.MaxSize(10, 20))), CompressionNone)
		direct.Append(&e, 10, 20)
		waited := Open(make([]byte, 0, Room(CompressionNone, staged.MaxSize(f))), CompressionNone)
		start := &waited.Bytes()[0]
		waited.AppendStaged(staged, f)
		if &waited.Bytes()[0] != start || !bytes.Equal(waited.Bytes(), direct.Bytes()) || waited.Records() != 10 {
			t.Errorf("%v: %d records of %d bytes, want 10 of %d", f.Value, waited.Records(), waited.Size(), direct.Size())
		}
	}
}
