//go:build kafka

package kafka_test

import (
	"context"
	"encoding/binary"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flowpub/flowpub/internal/testwait"
)

// names is what the tests' own name server knows.
var names nameServer

// With brokers of the tests' own, all names are asked of the tests' own server: only
// so can one begin to exist. Those of another cluster are asked as usual.
func TestMain(m *testing.M) {
	if os.Getenv("KAFKA_BROKERS") == "" {
		if err := names.serve(); err != nil {
			panic(err)
		}
		net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: names.dial}
	}
	os.Exit(m.Run())
}

// The only broker that is configured has a name that does not resolve yet.
func (c *cluster) nameResolvesLater(t *testing.T) {
	t.Parallel()
	_, port, err := net.SplitHostPort(c.brokers[0])
	if err != nil {
		t.Fatal(err)
	}
	const broker = "broker.flowpub.test."
	name := c.createTopic(t, "named", 3)
	tr := newTraffic(59)
	p := startPublisher(t, []string{net.JoinHostPort(broker, port)}, name, nil)
	tr.publish(t, p, 10, 30)
	testwait.Until(t, 30*time.Second, "the name is missing", func() bool {
		return strings.Contains(strings.Join(p.Missing(), "; "), "lookup "+broker)
	})
	wantFound(t, checkConfig([]string{net.JoinHostPort(broker, port)}, name, nil), "name "+broker+": lookup "+broker)
	names.add(broker)
	tr.publish(t, p, 10, 30)
	awaitReady(t, p)
	c.account(t, p, name, tr, terms{})
}

// nameServer answers DNS requests: names that were added are addresses of loopback,
// others do not exist. It is safe for concurrent use.
type nameServer struct {
	address string
	known   sync.Map // by name, with the dot at its end
}

func (s *nameServer) add(name string) { s.known.Store(name, true) }

// dial connects to s, whatever server is asked for.
func (s *nameServer) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "udp4", s.address)
}

// serve answers until the process ends.
func (s *nameServer) serve() error {
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.address = conn.LocalAddr().String()
	go func() {
		request := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(request)
			if err != nil {
				return
			}
			if answer := s.answer(request[:n]); answer != nil {
				conn.WriteTo(answer, from)
			}
		}
	}()
	return nil
}

// Parts of a DNS message, see RFC 1035, section 4.
const (
	dnsHeader     = 12
	dnsResponse   = 0x8180 // and recursion was desired and is available
	dnsNoSuchName = 3
	dnsTypeA      = 1
	dnsClassIN    = 1
	dnsQuestionAt = 0xc000 | dnsHeader // a pointer to the name that was asked for
)

// answer returns the answer to a request with one question; nil to anything else.
func (s *nameServer) answer(request []byte) []byte {
	name, size := questionName(request)
	if size == 0 {
		return nil
	}
	question := request[dnsHeader : dnsHeader+size+4]
	flags, addresses := uint16(dnsResponse), uint16(0)
	switch _, known := s.known.Load(name); {
	case !known:
		flags |= dnsNoSuchName
	case binary.BigEndian.Uint16(question[size:]) == dnsTypeA:
		addresses = 1
	}
	b := append([]byte(nil), request[:2]...) // its number
	for _, field := range []uint16{flags, 1, addresses, 0, 0} {
		b = binary.BigEndian.AppendUint16(b, field)
	}
	b = append(b, question...)
	if addresses == 0 {
		return b
	}
	for _, field := range []uint16{dnsQuestionAt, dnsTypeA, dnsClassIN, 0, 0, net.IPv4len} { // two are how long it holds
		b = binary.BigEndian.AppendUint16(b, field)
	}
	return append(b, 127, 0, 0, 1)
}

// questionName returns the name a request asks for and its size there; 0 when there
// is no whole question.
func questionName(request []byte) (name string, size int) {
	var b strings.Builder
	for at := dnsHeader; at < len(request); {
		length := int(request[at])
		if at += 1 + length; at+4 > len(request) {
			return "", 0
		}
		if length == 0 {
			return b.String(), at - dnsHeader
		}
		b.Write(request[at-length : at])
		b.WriteByte('.')
	}
	return "", 0
}
