package publisher

import (
	"testing"
	"time"

	"github.com/flowpub/flowpub/internal/fakeregistry"
	"github.com/flowpub/flowpub/internal/flowtest"
	"github.com/flowpub/flowpub/publisher/batch"
	"github.com/flowpub/flowpub/publisher/registry"
)

// patience is how long flows may take to be delivered where others have the processors.
const patience = time.Minute

// testTime is the receive time of the first test packet.
const testTime = flowtest.Time

// What packets are made of in tests.
var (
	testReceived = flowtest.Received
	testExporter = flowtest.Exporter
	testPacket   = flowtest.Packet
)

// framing is what values are made of in a test.
type framing struct{ batch.Framing }

// framings are of every form of values.
var framings = []framing{
	{batch.Framing{Value: ValueProtobuf}}, {batch.Framing{Value: ValueProtobufDelimited}}, {batch.Framing{Value: ValueJSON}},
	withSchema(0x01020304),
}

// testHeader names the header of values, where they have one.
const testHeader = "content-type"

// withHeader is f with a header in each record.
func (f framing) withHeader() framing {
	f.Headers = batch.Headers(testHeader, f.Value)
	return f
}

// withSchema is the framing with a schema's id.
func withSchema(schema uint32) framing {
	return framing{batch.Framing{Value: ValueConfluent, Schema: schema}}
}

// configure sets what a publisher needs for values of that form.
func (f framing) configure(t *testing.T, cfg *Config) {
	t.Helper()
	cfg.Value = f.Value
	if f.Headers != "" {
		cfg.ValueHeader = testHeader
	}
	if f.Value == ValueConfluent {
		r := fakeregistry.Start(t)
		r.Next = f.Schema
		cfg.Registry = &registry.Config{URL: r.Server.URL}
	}
}
