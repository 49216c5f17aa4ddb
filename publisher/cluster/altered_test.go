package cluster

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"maps"
	"math/big"
	mathrand "math/rand/v2"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/createtopics"
	"github.com/segmentio/kafka-go/protocol/describeconfigs"
	"github.com/segmentio/kafka-go/protocol/rawproduce"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/flowpub/flowpub/internal/fakebroker"
	"github.com/flowpub/flowpub/internal/testwait"
	"github.com/flowpub/flowpub/publisher/answers"
	"github.com/flowpub/flowpub/publisher/auth"
	"github.com/flowpub/flowpub/publisher/failure"
)

// mutation is how a broker changes its answer to one kind of request.
type mutation struct {
	key   int16
	cut   uint16 // how many bytes are kept, from 1; 0 keeps all
	edits []byte // in turn a place, in two bytes, and the byte that comes there
}

// apply changes an answer.
func (m *mutation) apply(frame []byte) []byte {
	for edits := m.edits; len(edits) >= 3; edits = edits[3:] {
		frame[(int(edits[0])<<8|int(edits[1]))%len(frame)] = edits[2]
	}
	if m.cut > 0 {
		frame = frame[:int(m.cut-1)%len(frame)]
	}
	return frame
}

// mostForAPeer bounds the memory that may be used up for one, whatever it answers.
const mostForAPeer = 32 << 20

// allocated is how much memory was ever allocated.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// testCertificate is one that is trusted by nobody.
func testCertificate(tb testing.TB) tls.Certificate {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		tb.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// alteringBroker is a broker with and without TLS whose answers are altered.
type alteringBroker struct {
	current          atomic.Pointer[mutation]
	clear, encrypted string // addresses
}

func startAltering(tb testing.TB) *alteringBroker {
	tb.Helper()
	b := new(alteringBroker)
	answer := func(broker *fakebroker.Broker, r *fakebroker.Request) ([]byte, bool) {
		frame := broker.Answer(r)
		if m := b.current.Load(); m != nil && m.key == r.Key {
			return m.apply(frame), false // else the client would wait for what is not there
		}
		return frame, true
	}
	b.clear = fakebroker.Start(tb, nil, answer).Address
	b.encrypted = fakebroker.Start(tb, &tls.Config{Certificates: []tls.Certificate{testCertificate(tb)}}, answer).Address
	return b
}

// Bits of how connections are made.
const (
	alteredTLS = 1 << iota
	alteredSASL
	alteredModes
)

// try makes every request of a broker that alters one kind of answer.
func (b *alteringBroker) try(tb testing.TB, mode uint8, m *mutation) {
	tb.Helper()
	cfg := Config{Topics: []string{fakebroker.Topic}}
	address := b.clear
	if mode&alteredTLS != 0 {
		cfg.Auth.TLS, address = &auth.TLS{Insecure: true}, b.encrypted
	}
	if mode&alteredSASL != 0 {
		cfg.Auth.SASL = &auth.SASL{Mechanism: auth.Plain, Username: "router", Password: "hunter2-hunter2"}
	}
	b.current.Store(m)
	goroutines, before := runtime.NumGoroutine(), allocated()
	converse(tb, &cfg, address)
	if used := allocated() - before; used > mostForAPeer {
		tb.Errorf("%d MiB were allocated for %+v", used>>20, m)
	}
	testwait.Faultless(tb, 20*time.Second, func() string {
		if left := runtime.NumGoroutine(); left > goroutines+100 {
			return fmt.Sprintf("%d goroutines are left of %+v, and there were %d", left, m, goroutines)
		}
		return ""
	})
}

// Whatever a broker makes of its valid answers to each request that is made of it,
// without encryption, with TLS and with a login: the process goes on, little memory is
// used, and nothing stays behind that runs.
func FuzzBroker(f *testing.F) {
	b := startAltering(f)
	for mode := range uint8(alteredModes) {
		for key := range fakebroker.Requests() {
			f.Add(mode, int16(key), uint16(0), []byte{0, 9, 0x7f})
			f.Add(mode, int16(key), uint16(9), []byte{})
		}
	}
	f.Fuzz(func(t *testing.T, mode uint8, key int16, cut uint16, edits []byte) {
		if _, known := fakebroker.Requests()[kmsg.Key(key)]; known && len(edits) <= 60 {
			b.try(t, mode, &mutation{key, cut, edits})
		}
	})
}

var alteredAnswers = flag.Int("altered", 1000, "how many answers TestAlteredAnswers alters")

// The same without a fuzzer's choice, for as many as are asked for.
func TestAlteredAnswers(t *testing.T) {
	testwait.Long(t)
	b := startAltering(t)
	keys := slices.Sorted(maps.Keys(fakebroker.Requests()))
	random := mathrand.New(mathrand.NewPCG(1, 2))
	before, count := allocated(), testwait.Fewer(200, *alteredAnswers)
	for range count {
		m := &mutation{key: int16(keys[random.IntN(len(keys))]), edits: make([]byte, 3*random.IntN(6))}
		for i := range m.edits {
			m.edits[i] = byte(random.Uint32())
			if i%3 == 2 && random.IntN(2) == 0 {
				m.edits[i] = [...]byte{0, 1, 0x7f, 0x80, 0xff}[random.IntN(5)]
			}
		}
		if random.IntN(4) == 0 {
			m.cut = uint16(random.Uint32())
		}
		b.try(t, uint8(random.IntN(alteredModes)), m)
	}
	t.Logf("%d KiB were allocated for each of %d answers", (allocated()-before)>>10/uint64(count), count)
}

// converse makes each request there is over a new link. Errors are what is expected.
func converse(tb testing.TB, cfg *Config, address string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 2*time.Second)
	defer cancel()
	secret, err := cfg.Auth.Load(nil)
	if err != nil {
		tb.Fatal(err)
	}
	l := newLink(ctx, cfg, secret, new(answers.Checker), address)
	defer l.close()
	if _, err := l.ask(ctx, []string{fakebroker.Topic}); err != nil {
		failure.Of(err)
		return
	}
	for _, r := range []kafka.Request{
		&initProducerIDRequest{ProducerID: -1, ProducerEpoch: -1},
		&createtopics.Request{Topics: []createtopics.RequestTopic{{Name: fakebroker.Topic}}},
		readOf(fakebroker.Topic, 0, 3, 0),
		startOf(fakebroker.Topic, 0),
		&describeconfigs.Request{Resources: []describeconfigs.RequestResource{{ResourceType: 2, ResourceName: fakebroker.Topic}}},
		&rawproduce.Request{Acks: 1, Timeout: 1, Topics: []rawproduce.RequestTopic{{
			Topic:      fakebroker.Topic,
			Partitions: []rawproduce.RequestPartition{{RecordSet: protocol.RawRecordSet{Reader: strings.NewReader("\x00\x00\x00\x05batch")}}},
		}}},
	} {
		requestCtx, done := context.WithTimeout(ctx, 200*time.Millisecond)
		response, err := l.RoundTrip(requestCtx, l.addr, r)
		done()
		if answer, ok := response.(*fetchAnswer); ok && err == nil {
			_, err = answer.log(fakebroker.Topic, 0)
		}
		if err != nil {
			failure.Of(err)
		}
	}
}
