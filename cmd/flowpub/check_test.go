package main

import (
	"context"
	"strings"
	"testing"

	"github.com/flowpub/flowpub/internal/broker"
	"github.com/flowpub/flowpub/internal/command"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	b, err := broker.Start(broker.Config{Topic: "flows", Partitions: 3})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	const reachable, away = 0, 1
	tests := []struct {
		name    string
		brokers int
		environ []string
		status  int
		want    []string
	}{
		{
			"all in order", reachable, nil, command.Done,
			[]string{"ok       configuration: ", "ok       topic flows: 3 partitions, each with a leader", "\nFlows can be taken and delivered"},
		},
		{
			"no broker", away, nil, command.Failed,
			[]string{"NOT OK   broker 127.0.0.1:1: ", "\n         cure: nothing listens there: ", " lines are not ok."},
		},
		{
			"mistakes", reachable, []string{"FLOWPUB_SOCKETS=0", "FLOWPUB_KAFKA_SASL_PASWORD=" + secret}, command.Failed,
			[]string{"NOT OK   configuration: FLOWPUB_SOCKETS is ", "NOT OK   configuration: FLOWPUB_KAFKA_SASL_PASWORD is ", "\n2 of 2 lines are not ok."},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			brokers := [...]string{reachable: b.Addr(), away: "127.0.0.1:1"}[tt.brokers]
			environ := append([]string{"FLOWPUB_LISTEN=127.0.0.1:0", "FLOWPUB_HTTP_LISTEN=127.0.0.1:0", "FLOWPUB_KAFKA_BROKERS=" + brokers}, tt.environ...)
			status, stdout, stderr := runWith(t, []string{"-check"}, environ)
			if status != tt.status || stderr != "" {
				t.Errorf("exit status %d and standard error %q, want %d and nothing", status, stderr, tt.status)
			}
			for _, want := range tt.want {
				if !strings.Contains(stdout, want) {
					t.Errorf("no %q in\n%s", want, stdout)
				}
			}
			if strings.Contains(stdout, secret) {
				t.Errorf("a secret is shown:\n%s", stdout)
			}
		})
	}
}

// A check that is ended does not say that all is well.
func TestCheckIsEnded(t *testing.T) {
	t.Parallel()
	ctx, end := context.WithCancel(t.Context())
	end()
	var out strings.Builder
	if status := check(ctx, []string{"FLOWPUB_LISTEN=127.0.0.1:0", "FLOWPUB_HTTP_LISTEN=", "FLOWPUB_KAFKA_BROKERS=127.0.0.1:1"}, &out); status != command.Failed {
		t.Errorf("exit status %d, want %d", status, command.Failed)
	}
	if text := out.String(); !strings.Contains(text, "NOT OK   check: it ended") || strings.Contains(text, "can be taken") {
		t.Errorf("it says\n%s", text)
	}
}
