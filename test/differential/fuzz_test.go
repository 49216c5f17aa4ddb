package differential

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/flowpub/flowpub/decoder"
)

// packets is how many packets a case has.
const packets = 6

// FuzzTemplatesAndData: valid packets, in which templates come, change and are used, have the same
// records for both decoders, equal in every byte.
func FuzzTemplatesAndData(f *testing.F) {
	random := rand.New(rand.NewPCG(1, 9))
	for range 200 {
		b := make([]byte, 4000)
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		g := newGenerator(b)
		ours, theirs := newOurs(g.selection()), newTheirs()
		for i := range packets {
			compare(t, g, ours, theirs, i)
		}
	})
}

// compare has both decode the next packet.
func compare(t *testing.T, g *generator, ours *ours, theirs *theirs, i int) {
	t.Helper()
	packet := g.packet()
	err := ours.decode(packet, time.Duration(i)*time.Second)
	want, options, theirErr := theirs.decode(packet)
	if theirErr != nil {
		t.Fatalf("goflow2 does not decode packet %d: %v\n%x", i, theirErr, packet)
	}
	if err != nil && !errors.Is(err, decoder.ErrNoRecords) {
		t.Fatalf("packet %d: %v\n%x", i, err, packet)
	}
	if len(ours.packet.Records) != len(want) || int(ours.Options) != options || ours.packet.Anomalies != 0 {
		t.Fatalf("packet %d: %d records and %d of options, want %d and %d; anomalies %v\n%x",
			i, len(ours.packet.Records), ours.Options, len(want), options, ours.packet.Anomalies, packet)
	}
	for j := range want {
		x := &ours.packet.Extensions[j]
		if got := x.Values[decoder.FieldTemplateID]; got != uint64(want[j].template) {
			t.Fatalf("packet %d, record %d: template %d, want %d", i, j, got, want[j].template)
		}
		r := reading{t, want[j]}
		if found := r.differences(&ours.packet.Records[j], x); len(found) > 0 {
			t.Fatalf("packet %d, record %d: %q\n%x", i, j, found, packet)
		}
	}
}
