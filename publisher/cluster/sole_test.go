package cluster

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/segmentio/kafka-go/protocol/createtopics"

	"github.com/flowpub/flowpub/publisher/answers"
	"github.com/flowpub/flowpub/publisher/auth"
	"github.com/flowpub/flowpub/publisher/failure"
)

// A second connection is refused for as long as there is a first, and one that
// could not be made is none.
func TestSoleConnection(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	s := newSoleConnections()
	ctx := context.WithValue(t.Context(), soleKey{}, s)
	for range 2 {
		conn, err := dial(ctx, "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := dial(ctx, "tcp", address); !errors.Is(err, errSoleInUse) {
			t.Errorf("a second connection: %v, want %v", err, errSoleInUse)
		}
		other, err := dial(t.Context(), "tcp", address)
		if err != nil {
			t.Fatalf("a connection for another request: %v", err)
		}
		other.Close()
		conn.Close()
		conn.Close() // closing again must make no room for another's successor
	}
	listener.Close()
	for range 2 {
		if _, err := dial(ctx, "tcp", address); err == nil || errors.Is(err, errSoleInUse) {
			t.Errorf("where nobody listens: %v, want the dialer's error", err)
		}
	}
}

// A request waits for the only connection: it does not fail, and is not sent
// over another.
func TestSoleConnectionIsWaitedFor(t *testing.T) {
	t.Parallel()
	broker := startBroker(t)
	address := broker.ListenAddrs()[0]
	cfg := Config{Topics: []string{testTopic}, Unacknowledged: true}
	l := newLink(t.Context(), &cfg, new(auth.Credentials), new(answers.Checker), address)
	defer l.close()
	transport, ok := l.transport.(*soleTransport)
	if !ok {
		t.Fatalf("without acknowledgements the link has %T", l.transport)
	}
	s := transport.connections
	send := func(ctx context.Context) error {
		_, err := l.transport.RoundTrip(ctx, l.addr, new(createtopics.Request))
		return err
	}
	s.begin(address)
	short, cancel := context.WithTimeout(t.Context(), 50*minSoleWait)
	defer cancel()
	if err := send(short); failure.Of(err).Name != failure.Timeout.Name {
		t.Fatalf("while there may be no connection: %v, want a time-out", err)
	}
	done := make(chan error, 1)
	go func() { done <- send(t.Context()) }()
	s.end(address)
	if err := <-done; err != nil {
		t.Fatalf("once there may be a connection: %v", err)
	}
	if s.begin(address) {
		t.Error("the request was not sent over the sole connection")
	}
	if _, err := l.ask(t.Context(), []string{testTopic}); err != nil {
		t.Errorf("a request that any broker may answer: %v", err)
	}
}
