package publisher

import (
	"errors"
	"io"
	"testing"

	"github.com/flowpub/flowpub/publisher/failure"
)

func TestRecordSet(t *testing.T) {
	t.Parallel()
	var out writeRecorder
	set := &recordSet{batch: []byte("batch")}
	if n, err := io.Copy(&out, set); n != 9 || err != nil || string(out) != "\x00\x00\x00\x05batch" {
		t.Errorf("%d bytes %q, error %v", n, out, err)
	}
	if !set.revoke() {
		t.Error("a batch that was read counts as not sent")
	}
	set = &recordSet{batch: []byte("batch")}
	if set.revoke() {
		t.Error("a batch that nobody read counts as sent")
	}
	if _, err := set.WriteTo(&out); !errors.Is(err, errRevoked) {
		t.Errorf("reading after the end: error %v", err)
	}
	if _, err := set.Read(nil); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("error %v", err)
	}
}

type writeRecorder []byte

func (w *writeRecorder) Write(b []byte) (int, error) {
	*w = append(*w, b...)
	return len(b), nil
}

func TestNextSequence(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		sequence int32
		n        int
		want     int32
	}{
		{0, 30, 30}, {1<<31 - 1, 1, 0}, {1<<31 - 10, 30, 20}, {1<<31 - 30, 30, 0},
	} {
		if got := nextSequence(test.sequence, test.n); got != test.want {
			t.Errorf("%d records after %d: %d, want %d", test.n, test.sequence, got, test.want)
		}
	}
}

// Every kind of failure is in the metrics from the start.
func TestFailuresAreCountedFromTheStart(t *testing.T) {
	t.Parallel()
	counted := newFailureCounts().snapshot()
	if names := failure.Names(); len(counted) != len(names) {
		t.Errorf("%d names are counted, want %d", len(counted), len(names))
	}
}
