package cluster

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/apiversions"

	"github.com/flowpub/flowpub/publisher/answers"
	"github.com/flowpub/flowpub/publisher/auth"
)

// A link that is given up lets its last request end, and takes no more.
func TestLinkIsClosedBehindItsRequests(t *testing.T) {
	t.Parallel()
	ended := 0
	l := &link{end: func() { ended++ }}
	for range 2 {
		if !l.begin() {
			t.Fatal("a new link takes no requests")
		}
	}
	l.close()
	l.close()
	if l.begin() {
		t.Error("it takes requests after it was closed")
	}
	if _, err := l.RoundTrip(t.Context(), l.addr, new(apiversions.Request)); !errors.Is(err, errLinkClosed) {
		t.Errorf("a request is answered by %v, want %v", err, errLinkClosed)
	}
	l.done()
	if ended != 0 {
		t.Error("it has ended with a request under way")
	}
	l.done()
	if ended != 1 {
		t.Errorf("it has ended %d times, want once", ended)
	}
	idle := &link{end: func() { ended++ }}
	idle.close()
	idle.close()
	if ended != 2 {
		t.Errorf("one without requests has ended %d times, want once", ended-1)
	}
}

// replacedTransport is of a link that is replaced while a request looks for it.
type replacedTransport struct{ replace func() }

func (r replacedTransport) RoundTrip(context.Context, net.Addr, kafka.Request) (kafka.Response, error) {
	r.replace()
	return nil, errLinkClosed
}

// Requests go on over the link that has replaced another.
func TestRequestsFollowToTheNewLink(t *testing.T) {
	t.Parallel()
	broker := startBroker(t)
	var cfg Config
	var c Cluster
	fresh := newLink(t.Context(), &cfg, new(auth.Credentials), new(answers.Checker), broker.ListenAddrs()[0])
	c.link.Store(&link{secret: new(auth.Credentials), transport: replacedTransport{func() { c.link.Store(fresh) }}})
	if _, err := c.Do(t.Context(), new(apiversions.Request)); err != nil {
		t.Error(err)
	}
	fresh.close()
	if _, err := c.Do(t.Context(), new(apiversions.Request)); !errors.Is(err, errLinkClosed) {
		t.Errorf("when there is no newer one: %v, want %v", err, errLinkClosed)
	}
}
