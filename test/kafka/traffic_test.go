//go:build kafka

package kafka_test

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/internal/testwait"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
	"github.com/flowpub/flowpub/publisher"
)

// traffic is what some exporters have sent.
type traffic []*exporter

// exporter numbers its flows: the nth has flow_sequence + record_index = n, and
// everything else in it follows from n, from the format and the domain.
type exporter struct {
	from   netip.AddrPort
	format decoder.Format
	domain uint32 // none in NetFlow v5
	sent   uint32
	began  decoder.UnixNano
	// refused are those of its flows that the publisher had no room for.
	refused []span
}

// span is flows of an exporter from the first to before the end.
type span struct{ first, end uint32 }

// newTraffic returns 16 exporters, four of each format, of which one has an IPv6
// address; the network's number keeps them apart from others.
func newTraffic(network byte) traffic {
	tr := make(traffic, 16)
	for i := range tr {
		tr[i] = newExporter(network, i, i%4 == 3)
	}
	return tr
}

func newExporter(network byte, i int, six bool) *exporter {
	addr := netip.AddrFrom4([4]byte{10, network, byte(i >> 8), byte(i)})
	if six {
		addr = netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 4: network, 14: byte(i >> 8), 15: byte(i)})
	}
	e := &exporter{
		from:   netip.AddrPortFrom(addr, uint16(50_000+i)),
		format: formats[i/4%len(formats)],
		began:  decoder.UnixNano(time.Now().UnixNano()),
	}
	if e.format != decoder.FormatNetFlowV5 {
		e.domain = uint32(1 + i)
	}
	return e
}

var formats = [...]decoder.Format{decoder.FormatNetFlowV5, decoder.FormatNetFlowV9, decoder.FormatIPFIX, decoder.FormatSFlowV5}

// agent is the address by which exporters of sFlow name themselves.
var agent = netip.MustParseAddr("2001:db8::a")

// received is when the datagram that starts with the nth flow was received:
// never in the future, or brokers would not have it.
func (e *exporter) received(n uint32) decoder.UnixNano {
	return e.began - decoder.UnixNano(time.Hour) + decoder.UnixNano(n)*decoder.UnixNano(50*time.Microsecond)
}

// next returns the exporter's next export packet.
func (e *exporter) next(records int) *decoder.ExportPacket {
	p := &decoder.ExportPacket{
		Header: decoder.Header{
			Format: e.format, Count: uint32(records), ObservationDomain: e.domain, FlowSequence: e.sent,
			SystemUptime: decoder.Uptime(1_000_000 + e.sent), ExportSeconds: uint32(e.received(e.sent) / 1e9),
		},
		Records: make([]decoder.Record, records),
	}
	if e.format == decoder.FormatSFlowV5 {
		p.AgentAddress = agent
	}
	if e.format != decoder.FormatNetFlowV5 {
		p.Extensions = make([]decoder.Extension, records)
	}
	for i := range p.Records {
		n := e.sent + uint32(i)
		p.Records[i] = e.flow(n)
		if p.Extensions != nil {
			e.extend(&p.Extensions[i], n)
		}
		p.Records[i].StartTime = p.WallTime(p.Records[i].FirstUptime)
		p.Records[i].EndTime = p.WallTime(p.Records[i].LastUptime)
	}
	e.sent += uint32(records)
	return p
}

// extend fills in what the nth flow has that NetFlow v5 cannot tell.
func (e *exporter) extend(x *decoder.Extension, n uint32) {
	x.Set(decoder.FieldSamplingInterval, samplingInterval)
	switch e.format {
	case decoder.FormatUnspecified, decoder.FormatNetFlowV5: // nothing
	case decoder.FormatNetFlowV9:
		x.Set(decoder.FieldTemplateID, templateID)
		x.Set(decoder.FieldSamplingSource, uint64(flowv1.SamplingSource_SAMPLING_SOURCE_RECORD))
		x.Set(decoder.FieldVLANID, vlan(n))
	case decoder.FormatIPFIX:
		x.Set(decoder.FieldTemplateID, templateID)
		x.Set(decoder.FieldSamplingSource, uint64(flowv1.SamplingSource_SAMPLING_SOURCE_DOMAIN))
		x.Set(decoder.FieldReversePackets, reversePackets(n))
		x.ApplicationID = applicationID(n)
		x.Present |= 1 << decoder.FieldApplicationID
	case decoder.FormatSFlowV5:
		x.Set(decoder.FieldSamplingSource, uint64(flowv1.SamplingSource_SAMPLING_SOURCE_SFLOW_SAMPLE))
		x.Set(decoder.FieldSampleSequence, uint64(n))
		x.BGPASPath = asPath(n)
		x.Present |= 1 << decoder.FieldBGPASPath
	}
}

const (
	samplingInterval = 512
	templateID       = 300
)

func vlan(n uint32) uint64           { return uint64(1 + n%4094) }
func reversePackets(n uint32) uint64 { return uint64(n%1000) * uint64(n) }
func applicationID(n uint32) []byte  { return []byte{3, 0, byte(n >> 8), byte(n)} }
func asPath(n uint32) []uint32       { return []uint32{64_496, 4_200_000_000 + n%4096} }

// flow returns an exporter's nth flow. Those of IPFIX are of IPv6.
func (e *exporter) flow(n uint32) decoder.Record {
	r := flow(n)
	if e.format == decoder.FormatIPFIX {
		r.SourceAddress, r.DestinationAddress, r.NextHop = six(r.SourceAddress), six(r.DestinationAddress), six(r.NextHop)
	}
	return r
}

// six returns an address of IPv6 that ends as a does.
func six(a netip.Addr) netip.Addr {
	b := [16]byte{0x20, 0x01, 0x0d, 0xb8}
	four := a.As4()
	copy(b[12:], four[:])
	return netip.AddrFrom16(b)
}

// flow returns the nth flow, about as compressible as real ones.
func flow(n uint32) decoder.Record {
	random := rand.New(rand.NewPCG(uint64(n), 5))
	packets := 1 + uint64(random.ExpFloat64()*20)
	return decoder.Record{
		SourceAddress:      netip.AddrFrom4([4]byte{10, 0, byte(random.IntN(8)), byte(random.IntN(256))}),
		DestinationAddress: netip.AddrFrom4([4]byte{203, 0, 113, byte(random.ExpFloat64() * 20)}),
		NextHop:            netip.AddrFrom4([4]byte{172, 16, 0, 1}),
		SourcePort:         uint16(32_768 + random.IntN(28_000)),
		DestinationPort:    [...]uint16{443, 443, 443, 53, 80}[random.IntN(5)],
		Protocol:           6,
		Packets:            packets,
		Octets:             packets * uint64(40+random.IntN(1420)),
		InputInterface:     uint32(1 + random.IntN(4)),
		OutputInterface:    uint32(1 + random.IntN(4)),
		FirstUptime:        decoder.Uptime(900_000 + n),
		LastUptime:         decoder.Uptime(900_000 + n + uint32(random.IntN(60_000))),
	}
}

// flows counts what was sent.
func (tr traffic) flows() uint64 {
	var n uint64
	for _, e := range tr {
		n += uint64(e.sent)
	}
	return n
}

// refused counts the flows that the publisher had no room for.
func (tr traffic) refused() uint64 {
	var n uint64
	for _, e := range tr {
		for _, s := range e.refused {
			n += uint64(s.end - s.first)
		}
	}
	return n
}

// publish has every exporter send a number of packets, one in turn.
func (tr traffic) publish(t *testing.T, p *publisher.Publisher, packets, records int) {
	t.Helper()
	for range packets {
		for _, e := range tr {
			if err := e.publish(p, records); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func (e *exporter) publish(p *publisher.Publisher, records int) error {
	first := e.sent
	err := p.Publish(e.from, e.received(first), e.next(records))
	if errors.Is(err, publisher.ErrBufferFull) {
		e.refused = append(e.refused, span{first, e.sent})
	}
	return err
}

// load has the exporters send a steady stream until stop is called, or the test
// ends. A full buffer does not end it.
func (tr traffic) load(t *testing.T, p *publisher.Publisher, flowsPerSecond int) (stop func()) {
	t.Helper()
	const records = 30
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		began := time.Now()
		for sent := 0; ; {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			for due := int(time.Since(began).Seconds() * float64(flowsPerSecond)); sent < due; sent += records {
				err := tr[sent/records%len(tr)].publish(p, records)
				if err != nil && !errors.Is(err, publisher.ErrBufferFull) {
					t.Error(err)
					return
				}
			}
		}
	}()
	stop = func() {
		cancel()
		<-ended
	}
	t.Cleanup(stop)
	return stop
}

// startPublisher runs a publisher to the cluster, which ends with the test.
func startPublisher(t *testing.T, brokers []string, topic string, change func(*publisher.Config)) *publisher.Publisher {
	t.Helper()
	cfg := publisher.DefaultConfig()
	cfg.Brokers = brokers
	cfg.Topic = topic
	cfg.Linger = 20 * time.Millisecond
	cfg.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	if change != nil {
		change(&cfg)
	}
	p, err := publisher.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		p.Close(ended)
	})
	return p
}

// awaitReady waits until the publisher misses nothing.
func awaitReady(t *testing.T, p *publisher.Publisher) {
	t.Helper()
	testwait.Until(t, 30*time.Second, "the publisher is ready", func() bool { return len(p.Missing()) == 0 })
}

// closeExactly closes p and fails the test unless all of n flows were delivered,
// and none of them perhaps twice.
func closeExactly(t *testing.T, p *publisher.Publisher, n uint64) publisher.Stats {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	if err := p.Close(ctx); err != nil {
		t.Error(err)
	}
	s := p.Stats()
	checkLedger(t, s)
	if s.Decoded != n || s.Delivered != n {
		t.Errorf("decoded %d, delivered %d, want %d of both; buffered %d, dropped %v",
			s.Decoded, s.Delivered, n, s.Buffered, s.Dropped)
	}
	if s.PossiblyDuplicated != 0 {
		t.Errorf("%d flows are called possibly duplicated", s.PossiblyDuplicated)
	}
	if s.BufferBytes != 0 {
		t.Errorf("%d bytes of the budget are still charged", s.BufferBytes)
	}
	return s
}

// checkLedger fails the test unless the counts add up.
func checkLedger(t *testing.T, s publisher.Stats) {
	t.Helper()
	right := s.Delivered + s.Buffered
	for _, n := range s.Dropped {
		right += n
	}
	if s.Decoded != right {
		t.Errorf("decoded %d, but delivered %d + buffered %d + dropped %v = %d",
			s.Decoded, s.Delivered, s.Buffered, s.Dropped, right)
	}
}
