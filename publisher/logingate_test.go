package publisher

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	kinds "github.com/flowpub/flowpub/publisher/failure"
)

// By the clock: after a refusal there is one login each 5 s, until one succeeds.
func TestLoginGate(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var g loginGate
	enter := func(seconds float64, want bool) {
		t.Helper()
		err := g.enter(began.Add(time.Duration(seconds * float64(time.Second))))
		if (err == nil) != want {
			t.Errorf("after %v s: error %v, want a login: %v", seconds, err, want)
		}
		if err != nil && kinds.Of(err).Name != kinds.Auth.Name {
			t.Errorf("%v is of kind %q", err, kinds.Of(err).Name)
		}
		g.judge(err) // changes nothing
	}
	enter(0, true)
	enter(0, true)
	g.judge(errors.New("another"))
	enter(1, true)
	g.judge(kafka.SASLAuthenticationFailed)
	enter(1, false)
	enter(5.9, false)
	enter(6, true)
	enter(6, false)
	enter(10.9, false)
	enter(11, true)
	g.open()
	enter(11, true)
	enter(11, true)
}

// Each partition that fails is tried for itself. If it is a revoked password that
// they fail of, brokers see no more of them than those under way and one each 5 s.
func TestRevokedPasswordIsNotTriedByAll(t *testing.T) {
	t.Parallel()
	broker := startBroker(t, 12, kfake.EnableSASL(), kfake.Superuser("PLAIN", "router", "hunter2"))
	var revoked atomic.Bool
	var refused atomic.Int32
	broker.ControlKey(int16(kmsg.SASLAuthenticate), func(r kmsg.Request) (kmsg.Response, error, bool) {
		broker.KeepControl()
		if !revoked.Load() {
			return nil, nil, false
		}
		refused.Add(1)
		answer := kmsg.NewPtrSASLAuthenticateResponse()
		answer.Version = r.GetVersion()
		answer.ErrorCode = kerr.SaslAuthenticationFailed.Code
		return answer, nil, true
	})
	broker.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		broker.KeepControl()
		if revoked.Load() {
			return nil, errors.New("closing the connection"), true
		}
		return nil, nil, false
	})
	p := startPublisher(t, broker.ListenAddrs(), func(c *Config) {
		c.SASL = &SASLConfig{Mechanism: SASLPlain, Username: "router", Password: "hunter2"}
	})
	n := publish(t, p, 0, 64, 30)
	eventually(t, 10*time.Second, "the first flows are delivered", func() bool { return p.Stats().Delivered == n })
	revoked.Store(true)
	n += publish(t, p, 64, 128, 30)
	eventually(t, 10*time.Second, "the password is refused", func() bool { return refused.Load() > 0 })
	const watched = 12 * time.Second
	<-time.After(watched)
	if got, most := refused.Load(), int32(maxRequestsPerBroker+1+watched/slowBackoff); got > most {
		t.Errorf("%d logins in %v, want at most %d", got, watched, most)
	}
	revoked.Store(false)
	closeWithin(t, p, 30*time.Second)
	wantDelivered(t, p, n)
}
