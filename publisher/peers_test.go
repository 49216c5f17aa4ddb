package publisher

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/flowpub/flowpub/internal/checkup"
	"github.com/flowpub/flowpub/internal/fakebroker"
	"github.com/flowpub/flowpub/internal/testca"
	"github.com/flowpub/flowpub/internal/testlog"
	"github.com/flowpub/flowpub/internal/testwait"
	"github.com/flowpub/flowpub/publisher/auth"
	"github.com/flowpub/flowpub/publisher/failure"
)

// mostForAPeer bounds the memory that may be used up for one, whatever it answers. All
// that was allocated counts, also what has been given back.
const mostForAPeer = 32 << 20

// peerTest is a peer at a broker's address, and what is told of it.
type peerTest struct {
	name   string
	start  func(t *testing.T) (address string)
	change func(t *testing.T, c *Config) // nil: as it is
	// want is in the log, with a cure that has cure in it, and counted as kind.
	want, cure string
	kind       failure.Kind
}

// speaks starts a server that is no Kafka. It says something at once, or once it has
// got something if it listens first, and then closes the connection, or not.
func speaks(text string, listensFirst, closes bool) func(t *testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		listener, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var serving sync.WaitGroup
		ended := make(chan struct{})
		serving.Go(func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				serving.Go(func() {
					defer conn.Close()
					if listensFirst {
						conn.Read(make([]byte, 512))
					}
					io.WriteString(conn, text)
					if !closes {
						<-ended
					}
				})
			}
		})
		t.Cleanup(func() {
			close(ended)
			listener.Close()
			serving.Wait()
		})
		return listener.Addr().String()
	}
}

// answering starts a broker whose answer to one kind of request is another one: what
// change makes of the rest of the valid one, behind its number.
func answering(key kmsg.Key, change func(rest []byte) []byte) func(t *testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		return fakebroker.Start(t, nil, func(b *fakebroker.Broker, r *fakebroker.Request) ([]byte, bool) {
			valid := b.Answer(r)
			if r.Key != int16(key) {
				return valid, true
			}
			return fakebroker.Frame(r.ID, change(valid[8:])), true
		}).Address
	}
}

// is answers with the bytes, whatever the valid answer is.
func is(text string) func([]byte) []byte {
	return func([]byte) []byte {
		b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
		if err != nil {
			panic(err)
		}
		return b
	}
}

func withSASL(mechanism string) func(*testing.T, *Config) {
	return func(_ *testing.T, c *Config) {
		c.SASL = &auth.SASL{Mechanism: mechanism, Username: "router", Password: "hunter2-hunter2"}
	}
}

func withTLS(t *testing.T, c *Config) {
	t.Helper()
	c.TLS = &auth.TLS{Insecure: true}
}

// manyPartitions is a Metadata answer, version 8, of one topic with so many partitions.
func manyPartitions(n int) func([]byte) []byte {
	return func([]byte) []byte {
		b := []byte{
			0, 0, 0, 0, // throttle time
			0, 0, 0, 0, // no brokers
			0xff, 0xff, 0, 0, 0, 0, // no cluster id, controller 0
			0, 0, 0, 1, 0, 0, 0, 5, 'f', 'l', 'o', 'w', 's', 0, // one topic, no error, its name, not internal
		}
		b = binary.BigEndian.AppendUint32(b, uint32(n))
		for i := range n {
			b = append(b, 0, 0)
			b = binary.BigEndian.AppendUint32(b, uint32(i))
			b = append(b, make([]byte, 4+4+4+4+4)...) // leader, epoch, no replicas of any kind
		}
		return append(b, make([]byte, 8)...)
	}
}

// scramBroker answers a login's first message with so many iterations.
func scramBroker(iterations string) func(t *testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		return fakebroker.Start(t, nil, func(b *fakebroker.Broker, r *fakebroker.Request) ([]byte, bool) {
			at := bytes.Index(r.Body, []byte("r="))
			if r.Key != int16(kmsg.SASLAuthenticate) || at < 0 {
				return b.Answer(r), true
			}
			challenge := fmt.Sprintf("%sxyz,s=c2FsdHNhbHQ=,i=%s", r.Body[at:], iterations)
			rest := []byte{0, 0, 0xff, 0xff} // no error, no message
			rest = binary.BigEndian.AppendUint32(rest, uint32(len(challenge)))
			return fakebroker.Frame(r.ID, append(append(rest, challenge...), make([]byte, 8)...)), true
		}).Address
	}
}

func peerTests() []peerTest {
	notKafka, malformed := failure.NotKafka, failure.Malformed
	hexed := func(text string) string {
		b, _ := hex.DecodeString(text)
		return string(b)
	}
	// The broker or topic counts of answers are those of the protocol guide's field
	// order for the newest version that the broker takes.
	return []peerTest{
		{"HTTP", speaks("HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request", true, true), nil,
			"does not speak Kafka: it seems to speak HTTP", "FLOWPUB_KAFKA_BROKERS", notKafka},
		{"HTTP, 14 bytes", speaks(hexed("485454502f312e31203430302042"), true, true), nil,
			"does not speak Kafka: it seems to speak HTTP", "FLOWPUB_KAFKA_BROKERS", notKafka},
		{"HTTP that waits for a whole line", func(t *testing.T) string {
			t.Helper()
			s := httptest.NewServer(http.NotFoundHandler())
			t.Cleanup(s.Close)
			return s.Listener.Addr().String()
		}, nil, "does not speak Kafka: it seems to speak HTTP", "FLOWPUB_KAFKA_BROKERS", notKafka},
		{"HTTP, with TLS configured", speaks("HTTP/1.1 400 Bad Request\r\n\r\n", true, true), withTLS,
			"does not speak Kafka: it seems to speak HTTP", "FLOWPUB_KAFKA_BROKERS", notKafka},
		{"SSH", speaks("SSH-2.0-OpenSSH_9.6\r\n", false, false), nil, "it seems to speak SSH", "FLOWPUB_KAFKA_BROKERS", notKafka},
		{"SSH, with TLS configured", speaks("SSH-2.0-OpenSSH_9.6\r\n", false, false), withTLS, "it seems to speak SSH", "FLOWPUB_KAFKA_BROKERS", notKafka},
		{"SMTP", speaks("220 mx.example.net ESMTP Postfix\r\n", false, false), nil, "it seems to speak SMTP", "FLOWPUB_KAFKA_BROKERS", notKafka},
		{"FTP", speaks("220 (vsFTPd 3.0.5)\r\n", false, false), nil, "it seems to speak FTP", "FLOWPUB_KAFKA_BROKERS", notKafka},
		{"Redis", speaks("-ERR unknown command\r\n", true, false), nil, "it seems to speak Redis", "FLOWPUB_KAFKA_BROKERS", notKafka},
		{"memcached, 7 bytes", speaks("ERROR\r\n", true, false), nil, "it seems to speak memcached", "FLOWPUB_KAFKA_BROKERS", notKafka},
		{"PostgreSQL", speaks("E\x00\x00\x00\x8aSFATAL\x00VFATAL\x00C0A000\x00Munsupported frontend protocol\x00\x00", true, true), nil, "it seems to speak PostgreSQL", "FLOWPUB_KAFKA_BROKERS", notKafka},
		{"MySQL", speaks("J\x00\x00\x00\n8.0.36\x00\x08\x00\x00\x00abcdefgh\x00", false, false), nil, "it seems to speak MySQL", "FLOWPUB_KAFKA_BROKERS", notKafka},
		{"HTTP/2", speaks("\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64", true, false), nil, "it seems to speak HTTP/2", "FLOWPUB_KAFKA_BROKERS", notKafka},
		{"words", speaks("who are you?\n", false, false), nil, `it answers with the text \"who are you?\\n\"`, "FLOWPUB_KAFKA_BROKERS", notKafka},
		{"an echo", func(t *testing.T) string {
			t.Helper()
			return fakebroker.Start(t, nil, func(_ *fakebroker.Broker, r *fakebroker.Request) ([]byte, bool) {
				b := binary.BigEndian.AppendUint32(nil, uint32(8+len(r.Body)))
				b = binary.BigEndian.AppendUint16(b, uint16(r.Key))
				b = binary.BigEndian.AppendUint16(b, uint16(r.Version))
				return append(binary.BigEndian.AppendUint32(b, uint32(r.ID)), r.Body...), true
			}).Address
		}, nil, "it sends back what it is sent", "FLOWPUB_KAFKA_BROKERS", notKafka},
		{"a controller", answering(kmsg.ApiVersions, is("0000 00000001 0034 0000 0001")), nil,
			"speaks Kafka, but takes no messages", "FLOWPUB_KAFKA_BROKERS", notKafka},
		{"an alert of TLS", speaks(hexed("15030300020246"), true, true), nil, "speaks TLS, and flowpub does not", "FLOWPUB_KAFKA_TLS=true", failure.TLS},
		{"a listener with TLS, which closes", func(t *testing.T) string {
			t.Helper()
			return fakebroker.Start(t, &tls.Config{Certificates: []tls.Certificate{testca.New(t).Issue(t, "127.0.0.1").TLS(t)}}, nil).Address
		}, nil, "speaks TLS, and flowpub does not", "FLOWPUB_KAFKA_TLS=true", failure.TLS},
		{"a listener without TLS", func(t *testing.T) string {
			t.Helper()
			return fakebroker.Start(t, nil, nil).Address
		}, withTLS, "speaks Kafka without TLS", "FLOWPUB_KAFKA_TLS=false", failure.TLS},
		{"a listener without SASL", answering(kmsg.SASLHandshake, is("0022 00000000")), withSASL(auth.Plain),
			"takes no login: that listener is without SASL", "FLOWPUB_KAFKA_SASL_MECHANISM", failure.Auth},
		{"another mechanism", answering(kmsg.SASLHandshake, is("0021 00000001 0005 504c41494e")), withSASL(auth.ScramSHA512),
			"does not take the login SCRAM-SHA-512: it takes PLAIN", "FLOWPUB_KAFKA_SASL_MECHANISM", failure.Auth},
		{"a listener with SASL", func(t *testing.T) string {
			t.Helper()
			return startBroker(t, 1, kfake.EnableSASL()).ListenAddrs()[0]
		}, nil, "that listener seems to want a login", "FLOWPUB_KAFKA_SASL_MECHANISM", failure.Auth},
		{"2^31-1 brokers", answering(kmsg.Metadata, is("00000000 7fffffff")), nil, "answers Metadata with what cannot be used: 2147483647 brokers are in 0 bytes", "version and log", malformed},
		{"2^31-1 topics", answering(kmsg.Metadata, is("00000000 00000000 ffff00000000 7fffffff")), nil, "2147483647 topics are in 0 bytes", "version and log", malformed},
		{"a comma in a broker's host", answering(kmsg.Metadata, is("00000000 0000000100000001 0003 612c62 00002384 ffffffff 00000001 00000000 00000000")), nil,
			"a broker's host has a comma", "version and log", malformed},
		{"200,000 partitions", answering(kmsg.Metadata, manyPartitions(200_000)), nil, "bytes: at most 4194304 are taken", "version and log", malformed},
		{"20,001 partitions", answering(kmsg.Metadata, manyPartitions(20_001)), nil, "it has 20001 partitions: at most 20000 are taken", "version and log", malformed},
		{"2^31-1 mechanisms", answering(kmsg.SASLHandshake, is("0000 7fffffff")), withSASL(auth.Plain), "2147483647 mechanisms are in 0 bytes", "version and log", malformed},
		{"a tagged field of 2^63 bytes", answering(kmsg.InitProducerID, is("00 00000000 0000 0000000000000007 0000 01 00 80808080808080808001")), nil,
			"answers InitProducerId with what cannot be used: a number is out of range", "version and log", failure.ProducerID},
		{"2^62 tagged fields", answering(kmsg.InitProducerID, is("00 00000000 0000 0000000000000007 0000 808080808080808040")), nil,
			"answers InitProducerId with what cannot be used: a number is out of range", "version and log", failure.ProducerID},
		{"2^30 tagged fields in the head", answering(kmsg.InitProducerID, is("8080808004")), nil,
			"1073741824 tagged fields are in 0 bytes", "version and log", failure.ProducerID},
		{"a producer id of -1", answering(kmsg.InitProducerID, is("00 00000000 0000 ffffffffffffffff ffff 00")), nil,
			"it gives no producer id, and no reason: id -1, epoch -1", "version and log", failure.ProducerID},
		{"2,000,000,000 iterations", scramBroker("2000000000"), withSASL(auth.ScramSHA512), "wants 2000000000 SCRAM iterations", "iterations", failure.Auth},
	}
}

// Whatever is at a broker's address: it is named, with what to do, the process goes on,
// and neither memory nor time is spent on it. Flows wait.
func TestPeersThatAreNoBrokers(t *testing.T) {
	testwait.Long(t)
	for _, test := range peerTests() {
		t.Run(test.name, func(t *testing.T) {
			address := test.start(t)
			var log testlog.Book
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := time.Now()
			p := startPublisher(t, []string{address}, func(c *Config) {
				c.Logger = log.Logger()
				if test.change != nil {
					test.change(t, c)
				}
			})
			publish(t, p, 0, 1, 30)
			eventually(t, 20*time.Second, test.want, func() bool { return log.Has(test.want) })
			t.Logf("named after %v", time.Since(began).Round(time.Millisecond))
			runtime.ReadMemStats(&after)
			if used := after.TotalAlloc - before.TotalAlloc; used > mostForAPeer {
				t.Errorf("%d MiB were allocated", used>>20)
			}
			if !log.Has(test.cure) {
				t.Errorf("the log lacks the cure %q", test.cure)
			}
			if err := p.cluster.Problem(); err != nil && failure.Of(err).Name != test.kind.Name {
				t.Errorf("%v is of kind %q, want %q", err, failure.Of(err).Name, test.kind.Name)
			}
			if s := p.Stats(); s.Buffered != 30 || s.Idempotent {
				t.Errorf("buffered %d, idempotent %v; want 30, and not without a producer id", s.Buffered, s.Idempotent)
			}
		})
	}
}

// A peer that is no broker does not keep flows from those that are.
func TestNoBrokerBesideABroker(t *testing.T) {
	t.Parallel()
	broker := startBroker(t, 1)
	p := startPublisher(t, append(broker.ListenAddrs(), speaks("SSH-2.0-OpenSSH_9.6\r\n", false, false)(t)), nil)
	n := publish(t, p, 0, 10, 30)
	closeWithin(t, p, patience)
	wantDelivered(t, p, n)
}

// A broker that asks for 24 days without flows gets a minute, which is told and counted,
// and none once its connection has ended.
func TestThrottleTimesAreBounded(t *testing.T) {
	t.Parallel()
	var throttled atomic.Bool
	broker := fakebroker.Start(t, nil, func(b *fakebroker.Broker, r *fakebroker.Request) ([]byte, bool) {
		frame := b.Answer(r)
		if r.Key != int16(kmsg.Produce) || throttled.Swap(true) {
			return frame, true
		}
		binary.BigEndian.PutUint32(frame[len(frame)-4:], 1<<31-1)
		return frame, true
	})
	var log testlog.Book
	p := startPublisher(t, []string{broker.Address}, func(c *Config) { c.Logger = log.Logger() })
	publish(t, p, 0, 1, 30)
	eventually(t, patience, "the pause is counted, and what was answered with it delivered", func() bool {
		s := p.Stats()
		return s.ThrottleSeconds > 0 && s.Delivered == 30
	})
	if paused := p.Stats().ThrottleSeconds; paused != 60 || !log.Has("a broker asks for a pause") {
		t.Errorf("paused for %v s, want 60, and told", paused)
	}
	until := p.cluster.PausedUntil(1)
	if left := time.Until(until); left <= 0 || left > time.Minute {
		t.Errorf("the pause is %v more", left)
	}
	publish(t, p, 16, 17, 30)
	if p.Stats().Delivered != 30 {
		t.Errorf("delivered %d in the pause, want 30", p.Stats().Delivered)
	}
	broker.Hangup()
	p.cluster.Close()
	eventually(t, patience, "what came in the pause is delivered", func() bool { return p.Stats().Delivered == 60 })
}

// A check names such a peer, and what to do, as the log does.
func TestCheckNamesPeers(t *testing.T) {
	testwait.Long(t)
	t.Parallel()
	for _, test := range peerTests() {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			cfg := DefaultConfig()
			cfg.Brokers = []string{test.start(t)}
			if test.change != nil {
				test.change(t, &cfg)
			}
			want := strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(test.want) // the log quotes it
			var named bool
			for _, l := range checkLines(t, cfg) {
				named = named || l.Verdict == checkup.Broken && strings.Contains(l.Found, want) && strings.Contains(l.Cure, test.cure)
			}
			if !named {
				t.Errorf("no line has %q and the cure %q", want, test.cure)
			}
		})
	}
}
