package batch

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"github.com/flowpub/flowpub/internal/flowtest"
)

// frozen are digests of the messages of 100 packets of NetFlow v5 as they were before
// other formats had fields of their own. Consumers and codecs rely on the order
// of fields: it must not change without a reason.
var frozen = map[Value]string{
	ValueProtobuf: "1ac215b39580bbd902b7cadc8c24c7d4a56326659022825b6daaf04fccab50b8",
	ValueJSON:     "f6421f379eb6467aeaf56cb4047fab3fd9f3c296fb771920a56f1e65794ec678",
}

func TestFrozen(t *testing.T) {
	t.Parallel()
	for value, want := range frozen {
		digest := sha256.New()
		for seed := range uint64(100) {
			e := Encoder{Framing: Framing{Value: value}}
			e.Reset(flowtest.Exporter(seed), flowtest.Received(seed), flowtest.Packet(seed, 30))
			digest.Write(e.AppendMessages(nil, 0, 30))
		}
		if got := hex.EncodeToString(digest.Sum(nil)); got != want {
			t.Errorf("%v: digest is %s, want %s", value, got, want)
		}
	}
}
