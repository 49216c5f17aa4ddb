//go:build kafka

package kafka_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/flowpub/flowpub/internal/checkup"
	"github.com/flowpub/flowpub/publisher"
)

// checkConfig is as startPublisher has it.
func checkConfig(brokers []string, topic string, change func(*publisher.Config)) publisher.Config {
	cfg := publisher.DefaultConfig()
	cfg.Brokers, cfg.Topic = brokers, topic
	if change != nil {
		change(&cfg)
	}
	return cfg
}

// wantFound fails the test unless a check of a publisher finds broken what is told, a
// string each, in order, and nothing else: "what: found (cure)", of which all parts of the
// string between three dots must be parts. In no line that is broken the cure may be missing.
func wantFound(t *testing.T, cfg publisher.Config, broken ...string) {
	t.Helper()
	var found []string
	var clock bool
	var all strings.Builder
	publisher.Check(t.Context(), cfg, func(l checkup.Line) {
		clock = clock || l.What == "clock" && l.Verdict == checkup.OK
		text := l.What + ": " + l.Found + " (" + l.Cure + ")"
		all.WriteString(l.Verdict.String() + " " + text + "\n")
		if l.Verdict == checkup.Broken {
			found = append(found, text)
			if l.Cure == "" {
				t.Errorf("no cure is told: %s", text)
			}
		}
	})
	t.Logf("a check tells\n%s", all.String())
	if everything := cfg.SASL == nil || cfg.SASL.Username == user; len(broken) == 0 && everything && !clock {
		t.Error("the clock is not compared with that of Kafka")
	}
	if !slices.EqualFunc(found, broken, hasParts) {
		t.Errorf("a check finds broken\n%s\nwant\n%s", strings.Join(found, "\n"), strings.Join(broken, "\n"))
	}
}

func hasParts(text, parts string) bool {
	for part := range strings.SplitSeq(parts, "...") {
		_, rest, found := strings.Cut(text, part)
		if !found {
			return false
		}
		text = rest
	}
	return true
}
