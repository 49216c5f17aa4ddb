package batch

import (
	"testing"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/internal/flowtest"
)

// appendTestRecords appends the Kafka records of the test packet p made from
// seed.
func appendTestRecords(b []byte, seed uint64, p *decoder.ExportPacket) []byte {
	var e Encoder
	e.Reset(flowtest.Exporter(seed), flowtest.Received(seed), p)
	for i := range p.Records {
		b = e.appendRecord(b, i, int64(seed*10%100), i)
	}
	return b
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
}

// appendRecord is putRecord, whose marks are of no interest.
func (e *Encoder) appendRecord(b []byte, index int, timestampDelta int64, offsetDelta int) []byte {
	b, _ = e.putRecord(b, index, timestampDelta, offsetDelta)
	return b
}
