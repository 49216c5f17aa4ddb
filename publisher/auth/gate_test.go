package auth

import (
	"errors"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/flowpub/flowpub/publisher/failure"
)

// By the clock: after a refusal there is one login each 5 s, until one succeeds.
func TestLoginGate(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var g gate
	enter := func(seconds float64, want bool) {
		t.Helper()
		err := g.enter(began.Add(time.Duration(seconds * float64(time.Second))))
		if (err == nil) != want {
			t.Errorf("after %v s: error %v, want a login: %v", seconds, err, want)
		}
		if err != nil && failure.Of(err).Name != failure.Auth.Name {
			t.Errorf("%v is of kind %q", err, failure.Of(err).Name)
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
