package cluster

import (
	"context"
	"io"
	"net"
	"testing"

	"github.com/segmentio/kafka-go"

	"github.com/flowpub/flowpub/publisher/auth"
	"github.com/flowpub/flowpub/publisher/failure"
)

// roundTripperFunc answers in the place of brokers.
type roundTripperFunc func() (kafka.Response, error)

func (f roundTripperFunc) RoundTrip(context.Context, net.Addr, kafka.Request) (kafka.Response, error) {
	return f()
}

// Once a broker has refused the login no other is asked, whatever those say that
// had been asked before.
func TestNobodyIsAskedAfterARefusal(t *testing.T) {
	t.Parallel()
	asked, refused := make(chan struct{}), make(chan struct{})
	linkTo := func(end func(), answer roundTripperFunc) *link {
		return &link{addr: kafka.TCP("127.0.0.1:9092"), transport: answer, secret: new(auth.Credentials), end: end}
	}
	first := firstAnswer(t.Context(), []string{testTopic}, []*link{
		linkTo(func() { close(refused) }, func() (kafka.Response, error) {
			<-asked
			return nil, kafka.SASLAuthenticationFailed
		}),
		linkTo(func() {}, func() (kafka.Response, error) {
			close(asked)
			<-refused
			return nil, io.EOF
		}),
		linkTo(func() {}, func() (kafka.Response, error) {
			t.Error("a third broker is asked")
			return nil, io.EOF
		}),
	})
	if first.link != nil || failure.Of(first.err).Name != failure.Auth.Name {
		t.Errorf("the answer is %+v, want the refusal", first)
	}
}
