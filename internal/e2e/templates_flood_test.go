//go:build linux

package e2e

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	"github.com/flowpub/flowpub/internal/exporter"
	"github.com/flowpub/flowpub/internal/testwait"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// A million random datagrams that begin as NetFlow v9 and IPFIX, many of them with templates and with
// data, from 50,000 sources: they cost a bounded amount of memory, and an exporter that was there before
// needs not send its templates again.
func TestMillionRandomTemplates(t *testing.T) {
	const (
		datagrams = 1_000_000
		sources   = 50_000
		// 64 MiB for templates, 16 MiB for sets that wait, and what a flood of
		// version 5 may cost.
		mostGrown = (64 + 16 + 8) << 20
	)
	k := startKafka(t, 4)
	p := startFlowpub(t, k.gate.address, "FLOWPUB_HTTP_PPROF=true")
	p.awaitReady(t)
	// Templates are sent at first and never again.
	l := startLoad(t, exporter.Config{
		Target: p.UDP, Exporters: 16, Rate: 2000, Formats: []exporter.Format{exporter.NetFlow9, exporter.IPFIX},
		TemplatePackets: 1 << 30, TemplateInterval: time.Hour, FirstSource: controlSource,
	})
	testwait.Until(t, time.Minute, "each exporter has sent 20 packets", l.furtherBy(16*20*25))
	from, random := openForger(t, p.UDP), rand.New(rand.NewPCG(3, 4))
	before := p.heap(t)
	buffer := make([]byte, 0, 1024)
	for i := range uint64(datagrams) {
		source := forgedSource(random.Uint32N(sources))
		for source.As4()[1] == controlSource.As4()[1] { // where the exporters are
			source = forgedSource(random.Uint32N(sources))
		}
		from.send(t, source, randomTemplated(random, buffer))
		if i%outstanding == 0 {
			testwait.Until(t, time.Minute, "what was sent is read", func() bool {
				last := p.scrape(t).ledger()
				return last.DatagramsReceived+last.KernelDropped >= i
			})
		}
	}
	sent := l.stop(t)
	p.awaitDatagrams(t, sent.Datagrams+datagrams)
	m := p.awaitEmpty(t)
	checkKernelDrops(t, m)
	if after := p.heap(t); after-before > mostGrown {
		t.Errorf("the heap has grown by %d KiB, want at most %d", (after-before)>>10, mostGrown>>10)
	} else {
		t.Logf("heap %d KiB at first, %d at the end, peak memory %d MiB; %v templates; sets: %d received, %d decoded, %d wait, dropped %v",
			before>>10, after>>10, p.peakMemory(t)>>20, m.counts("templates"),
			m.count("data_sets_received_total"), m.count("data_sets_decoded_total"), m.count("data_sets_waiting"), m.counts("data_sets_dropped_total"))
	}
	last := p.terminate(t)

	flows := make(map[string]uint64)
	var flow flowv1.FlowRecord
	k.read(t, func(r *kgo.Record) {
		if err := proto.Unmarshal(r.Value, &flow); err != nil {
			t.Fatal(err)
		}
		flows[string(r.Key)]++
	})
	for _, e := range sent.Exporters {
		if got := flows[e.Address.Addr().String()]; last.KernelDropped == 0 && got != e.Flows {
			t.Errorf("%v sent %d flows, %d are in the topic", e.Address, e.Flows, got)
		}
	}
}

// randomTemplated makes a datagram of NetFlow v9 or IPFIX in b: a template of random fields, data for one, or noise
// in sets, and some of their bits turned.
func randomTemplated(r *rand.Rand, b []byte) []byte {
	ipfix := r.IntN(2) == 0
	if ipfix {
		b = append(b[:0], 0, 10, 0, 0)
	} else {
		b = append(b[:0], 0, 9, 0, 1)
		b = binary.BigEndian.AppendUint32(b, r.Uint32())
	}
	b = binary.BigEndian.AppendUint32(b, 1_767_225_600)
	b = binary.BigEndian.AppendUint32(b, r.Uint32())
	b = binary.BigEndian.AppendUint32(b, r.Uint32N(4)) // domain
	for range 1 + r.IntN(3) {
		b = appendRandomSet(r, b, ipfix)
	}
	if ipfix {
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	}
	if r.IntN(4) == 0 {
		bit := r.IntN(8 * len(b))
		b[bit/8] ^= 1 << (bit % 8)
		b[0] = 0 // of its format still, but for the last bits of that
	}
	return b
}

func appendRandomSet(r *rand.Rand, b []byte, ipfix bool) []byte {
	begin, id := len(b), 256+uint16(r.Uint32N(8))
	templates := uint16(0)
	if ipfix {
		templates = 2
	}
	if r.IntN(2) == 0 {
		b = binary.BigEndian.AppendUint16(b, id)
		b = append(b, 0, 0)
		for range r.IntN(100) {
			b = append(b, byte(r.Uint32()))
		}
	} else {
		fields := r.IntN(40)
		b = binary.BigEndian.AppendUint16(b, templates+uint16(r.IntN(2)))
		b = append(b, 0, 0)
		b = binary.BigEndian.AppendUint16(b, id)
		b = binary.BigEndian.AppendUint16(b, uint16(fields))
		for range fields {
			b = binary.BigEndian.AppendUint16(b, uint16(r.Uint32N(400)))
			b = binary.BigEndian.AppendUint16(b, uint16(r.Uint32N(17)))
		}
	}
	binary.BigEndian.PutUint16(b[begin+2:], uint16(len(b)-begin))
	return b
}
