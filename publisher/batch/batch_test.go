package batch

import "testing"

// The first timestamp is what deltas add to, and the highest what the header
// says, in whatever order they come.
func TestAdmit(t *testing.T) {
	t.Parallel()
	var b Batch
	for _, tt := range []struct{ timestamp, delta, latest int64 }{{500, 0, 500}, {900, 400, 900}, {300, -200, 900}} {
		delta := b.admit(tt.timestamp)
		b.records++
		if delta != tt.delta || b.base != 500 || b.latest != tt.latest {
			t.Errorf("%d: delta %d, base %d, latest %d; want %d, 500, %d", tt.timestamp, delta, b.base, b.latest, tt.delta, tt.latest)
		}
	}
}
