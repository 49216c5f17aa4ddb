//go:build linux

package e2e

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	"github.com/flowpub/flowpub/internal/testwait"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// control is a well-formed packet of two records from a source of its own.
var (
	control       = wellFormed(rand.New(rand.NewPCG(7, 7)), 2)
	controlSource = netip.AddrFrom4([4]byte{127, 200, 0, 1})
)

// Each datagram that is wrong in one way is counted for what it is, what is
// readable in it is delivered as it was sent, and the next good one too. What is
// not is a dead letter.
func TestMalformedDatagrams(t *testing.T) {
	t.Parallel()
	payloads := readMalformed(t)
	k := startKafka(t, 4)
	p := startFlowpub(t, k.gate.address, "FLOWPUB_FORMATS=netflow_v5", "FLOWPUB_KAFKA_LINGER=5ms", "FLOWPUB_KAFKA_DEAD_LETTER_TOPIC=dead", "FLOWPUB_KAFKA_CREATE_TOPIC=2,1")
	from := openForger(t, p.UDP)
	want := newTally()
	// Each from an exporter of its own, so that its flows can be found again.
	sent := make(map[string][]byte)
	for i, payload := range append(payloads, control) {
		source := netip.AddrFrom4([4]byte{127, 77, byte(i >> 8), byte(i)})
		sent[source.String()] = payload
		from.send(t, source, payload)
		want.add(payload)
	}
	want.checkForeign(t, p.awaitDatagrams(t, want.datagrams))
	testwait.Until(t, 20*time.Second, "the dead letters are delivered", func() bool {
		return p.scrape(t).counts("dead_letters_total")["delivered"] == want.datagrams-want.decoded
	})
	want.check(t, p.terminate(t))

	k.read(t, func(r *kgo.Record) {
		checkSent(t, sent[string(r.Key)], r.Value)
	})
	var letters uint64
	k.readTopic(t, "dead", func(r *kgo.Record) {
		letters++
		if reason := judge(r.Value).reason; !bytes.Equal(r.Value, sent[string(r.Key)]) || string(r.Headers[0].Value) != reason {
			t.Errorf("the dead letter of %s is %x, headers %v; sent was %x, to be rejected as %q", r.Key, r.Value, r.Headers, sent[string(r.Key)], reason)
		}
	})
	if letters != want.datagrams-want.decoded {
		t.Errorf("%d dead letters, want %d", letters, want.datagrams-want.decoded)
	}
	if got := k.flows(); got != want.flows {
		t.Errorf("the topic has %d flows, want %d", got, want.flows)
	}
}

// readMalformed returns the payloads of the decoder's list of wrong datagrams.
func readMalformed(t *testing.T) (payloads [][]byte) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "decoder", "netflow5", "testdata", "malformed.json"))
	if err != nil {
		t.Fatal(err)
	}
	type packet struct {
		Name         string `json:"name"`
		Hex          string `json:"hex"`
		WholeRecords uint64 `json:"whole_records"` // announced or not
		HeaderCount  uint64 `json:"header_count"`
	}
	var list struct{ Packets, Controls []packet }
	if err := json.Unmarshal(content, &list); err != nil {
		t.Fatal(err)
	}
	for _, p := range slices.Concat(list.Packets, list.Controls) {
		payload, err := hex.DecodeString(p.Hex)
		if err != nil {
			t.Fatalf("%s: %v", p.Name, err)
		}
		if v, want := judge(payload), min(p.WholeRecords, p.HeaderCount); v.reason != "version" && v.flows != want {
			t.Errorf("%s: the rule finds %d records, the list says %d", p.Name, v.flows, want)
		}
		payloads = append(payloads, payload)
	}
	if len(payloads) < 80 {
		t.Fatalf("only %d payloads", len(payloads))
	}
	return payloads
}

// checkSent fails the test unless a published flow is the record of its index
// in the payload, by some of its fields.
func checkSent(t *testing.T, payload, value []byte) {
	t.Helper()
	var f flowv1.FlowRecord
	if err := proto.Unmarshal(value, &f); err != nil {
		t.Fatal(err)
	}
	begin := 24 + 48*int(f.GetRecordIndex())
	if begin+48 > len(payload) {
		t.Errorf("record %d is not in the %d bytes that were sent", f.GetRecordIndex(), len(payload))
		return
	}
	r := payload[begin:]
	if !bytes.Equal(f.GetSourceAddress(), r[0:4]) || !bytes.Equal(f.GetDestinationAddress(), r[4:8]) ||
		f.GetOctets() != uint64(binary.BigEndian.Uint32(r[20:])) || f.GetDestinationPort() != uint32(binary.BigEndian.Uint16(r[34:])) {
		t.Errorf("record %d of %x was published as %v", f.GetRecordIndex(), payload[:24], &f)
	}
}

// What strangers send costs a bounded amount of memory, whatever it is, and
// however many they are.
func TestMillionRandomDatagrams(t *testing.T) {
	const (
		datagrams = 1_000_000
		sources   = 50_000   // more than flowpub remembers
		mostGrown = 20 << 20 // streams take 8 MiB, what is known of their exporters 6, compressors the rest
	)
	k := startKafka(t, 4)
	p := startFlowpub(t, k.gate.address, "FLOWPUB_FORMATS=netflow_v5", "FLOWPUB_HTTP_PPROF=true")
	p.awaitReady(t)
	f := &flood{process: p, forger: openForger(t, p.UDP), random: rand.New(rand.NewPCG(1, 2)), sent: newTally(), sources: make(map[netip.Addr]bool)}

	f.send(t, controlSource, control) // so that all connections are there
	f.settle(t)
	before, routines := p.heap(t), p.goroutines(t)
	for range datagrams {
		f.send(t, forgedSource(f.random.Uint32N(sources)), f.datagram())
	}
	f.settle(t)
	after := p.heap(t)
	if after-before > mostGrown {
		t.Errorf("the heap has grown by %d KiB, want at most %d", (after-before)>>10, mostGrown>>10)
	}
	testwait.Until(t, 10*time.Second, fmt.Sprintf("there are %d goroutines or fewer", routines), func() bool {
		return p.goroutines(t) <= routines
	})
	t.Logf("%d datagrams from %d sources: heap %d KiB at first, %d at the end, peak memory %d; rejected %v; %d flows",
		datagrams, len(f.sources), before>>10, after>>10, p.peakMemory(t)>>10, f.sent.rejected, f.sent.flows)
	if len(f.sources) < 20_000 {
		t.Errorf("only %d sources", len(f.sources))
	}

	f.send(t, controlSource, control)
	f.settle(t)
	f.check(t, k)
}

// check ends flowpub and compares its ledger and the topic with what was sent.
func (f *flood) check(t *testing.T, k *kafka) {
	t.Helper()
	last := f.process.terminate(t)
	flows := f.sent.flows
	if last.KernelDropped == 0 {
		f.sent.check(t, last)
	} else {
		flows = last.FlowsDecoded // fewer, as checked against the kernel's count
	}
	if got := k.flows(); got != flows || last.FlowsDelivered != flows {
		t.Errorf("delivered %d flows, the topic has %d, want %d", last.FlowsDelivered, got, flows)
	}
	controls := 0
	k.read(t, func(r *kgo.Record) {
		if string(r.Key) == controlSource.String() {
			checkSent(t, control, r.Value)
			controls++
		}
	})
	if controls != 4 {
		t.Errorf("%d flows of the good packets before and after are there, want 2 of each", controls)
	}
}

// flood sends datagrams of all kinds and knows what is to become of them.
type flood struct {
	process *process
	forger  *forger
	random  *rand.Rand
	sent    *tally
	sources map[netip.Addr]bool
	buffer  [65507]byte
}

// outstanding bounds the datagrams that flowpub has not read, so that the
// default receive buffer has room for them.
const outstanding = 8000

func (f *flood) send(t *testing.T, source netip.Addr, payload []byte) {
	t.Helper()
	f.forger.send(t, source, payload)
	f.sent.add(payload)
	f.sources[source] = true
	if f.sent.datagrams%outstanding == 0 {
		f.process.awaitDatagrams(t, f.sent.datagrams)
	}
}

// settle waits until all that was sent is accounted for and delivered.
func (f *flood) settle(t *testing.T) {
	t.Helper()
	m := f.process.awaitDatagrams(t, f.sent.datagrams)
	checkKernelDrops(t, m)
	f.process.awaitEmpty(t)
}

// datagram makes noise, half of which begins like version 5, a well-formed
// packet with some bits turned, or one that was cut. It is valid until the next.
func (f *flood) datagram() []byte {
	r := f.random
	switch r.IntN(3) {
	case 0:
		n := r.IntN(300)
		if r.IntN(5000) == 0 {
			n = r.IntN(len(f.buffer) + 1)
		}
		b := f.buffer[:n]
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		if n >= 2 && r.IntN(2) == 0 {
			b[0], b[1] = 0, 5
		}
		return b
	case 1:
		b := wellFormed(r, 1+r.IntN(4))
		for range 1 + r.IntN(4) {
			bits := 8 * len(b)
			if r.IntN(2) == 0 {
				bits = 8 * 24 // of the header
			}
			bit := r.IntN(bits)
			b[bit/8] ^= 1 << (bit % 8)
		}
		return b
	default:
		b := wellFormed(r, 1+r.IntN(4))
		return b[:r.IntN(len(b)+1)]
	}
}

// wellFormed makes a version 5 packet of random records.
func wellFormed(r *rand.Rand, records int) []byte {
	b := make([]byte, 24+48*records)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	binary.BigEndian.PutUint16(b, 5)
	binary.BigEndian.PutUint16(b[2:], uint16(records))
	return b
}

// forgedSource is one of 2^24 addresses. Those next to each other in number are
// far apart.
func forgedSource(n uint32) netip.Addr {
	n = n * 0x9e3779b1 % (1<<24 - 2)
	return netip.AddrFrom4([4]byte{127, byte(n >> 16), byte(n >> 8), byte(n)})
}
