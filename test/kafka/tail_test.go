//go:build kafka

package kafka_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/flowpub/flowpub/internal/tail"
	"github.com/flowpub/flowpub/internal/tail/top"
	"github.com/flowpub/flowpub/publisher"
	"github.com/flowpub/flowpub/publisher/auth"
)

// tails reads flows from a listener as flowtail does, with the login that a publisher has: so many are
// in the topic, as flows of their own and as a sum.
func (s *secured) tails(t *testing.T, listener, name string, secure func(*publisher.Config), flows int) {
	t.Helper()
	var cfg publisher.Config
	secure(&cfg)
	login, err := auth.NewLogin(t.Context(), auth.Config{TLS: cfg.TLS, SASL: cfg.SASL})
	if err != nil {
		t.Fatal(err)
	}
	var keys top.Keys
	if err := keys.UnmarshalText([]byte("exporter/0/0")); err != nil {
		t.Fatal(err)
	}
	var sums bytes.Buffer
	for _, what := range []*tail.Config{
		{Format: tail.FormatNone, Limit: flows},
		{Format: tail.FormatNone, Until: time.Now().Add(time.Millisecond)},
		{Format: tail.FormatCSV, Until: time.Now().Add(time.Millisecond), Top: top.Config{Keys: keys}},
	} {
		what.Brokers, what.Topic, what.Security, what.From = []string{s.addresses[listener]}, name, login, tail.FromStart
		what.Out = &sums
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		summary, err := tail.Run(ctx, *what)
		if err != nil || ctx.Err() != nil || summary.Printed != flows {
			t.Errorf("flowtail reads %d flows, %d other messages; error %v, %v; want %d flows", summary.Printed, summary.Undecodable, err, ctx.Err(), flows)
		}
		cancel()
	}
	if !bytes.HasPrefix(sums.Bytes(), []byte("exporter/0/0,flows,packets,octets\n0.0.0.0/0,")) || bytes.Count(sums.Bytes(), []byte("\n")) != 3 {
		t.Errorf("the sum is\n%s", sums.String())
	}
}
