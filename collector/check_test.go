package collector

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flowpub/flowpub/internal/broker"
	"github.com/flowpub/flowpub/internal/checkup"
	"github.com/flowpub/flowpub/publisher/cluster"
)

// lineOf returns the line of a check that is about something.
func lineOf(t *testing.T, cfg Config, what string) checkup.Line {
	t.Helper()
	var found []checkup.Line
	Check(t.Context(), cfg, func(l checkup.Line) {
		t.Log(l)
		if strings.HasPrefix(l.What, what) {
			found = append(found, l)
		}
	})
	if len(found) != 1 {
		t.Fatalf("%d lines are about %s, want 1", len(found), what)
	}
	return found[0]
}

// checkedConfig is one of a collector on free ports, with no broker.
func checkedConfig() Config {
	cfg := DefaultConfig()
	cfg.Listen, cfg.HTTPListen, cfg.Publisher.Brokers = []string{"127.0.0.1:0"}, "127.0.0.1:0", []string{"127.0.0.1:1"}
	return cfg
}

func TestCheckAddresses(t *testing.T) {
	t.Parallel()
	cfg := checkedConfig()
	for _, what := range []string{"UDP address 127.0.0.1:0", "HTTP address 127.0.0.1:0"} {
		if l := lineOf(t, cfg, what); l.Verdict != checkup.OK {
			t.Errorf("%+v, want OK", l)
		}
	}
	taken, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	web, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer web.Close()
	cfg.Listen, cfg.HTTPListen = []string{taken.LocalAddr().String()}, web.Addr().String()
	if l := lineOf(t, cfg, "UDP address"); l.Verdict != checkup.Broken || !strings.Contains(l.Found, "stop it or choose another port") {
		t.Errorf("%+v of an address in use", l)
	}
	if l := lineOf(t, cfg, "HTTP address"); l.Verdict != checkup.Broken || !strings.Contains(l.Found, "choose another address") {
		t.Errorf("%+v of an address in use", l)
	}
	cfg.Listen = []string{"192.0.2.1:2055"}
	if l := lineOf(t, cfg, "UDP address"); l.Verdict != checkup.Broken || !strings.Contains(l.Found, "leave the host empty") {
		t.Errorf("%+v of an address that is not here", l)
	}
}

// What a flowpub has is right for a check beside it, and the check takes no datagram
// from it.
func TestCheckBesideARunningCollector(t *testing.T) {
	t.Parallel()
	cfg := checkedConfig()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	defer func() {
		end()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	cfg.Listen, cfg.HTTPListen = []string{c.Addrs()[0].String()}, c.HTTPAddr().String()
	for _, what := range []string{"UDP address", "HTTP address"} {
		if l := lineOf(t, cfg, what); l.Verdict != checkup.OK || !strings.Contains(l.Found, "the flowpub that runs here has it") {
			t.Errorf("%+v, want OK", l)
		}
	}
}

func TestCheckReceiveBuffer(t *testing.T) {
	t.Parallel()
	cfg := checkedConfig()
	cfg.ReceiveBuffer = cfg.Sockets * MinSocketBuffer
	if l := lineOf(t, cfg, "receive buffer"); l.Verdict != checkup.OK {
		t.Errorf("%+v of the smallest buffer, want OK", l)
	}
}

func TestCheckExportersFile(t *testing.T) {
	t.Parallel()
	cfg := checkedConfig()
	cfg.ExportersFile = filepath.Join(t.TempDir(), "exporters")
	if err := os.WriteFile(cfg.ExportersFile, []byte("192.0.2.0/24 edge\n198.51.100.1/32 core 100\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l := lineOf(t, cfg, "exporters file "+cfg.ExportersFile); l.Verdict != checkup.OK || l.Found != "networks in it: 2" {
		t.Errorf("%+v, want 2 networks", l)
	}
}

// The topic for templates is looked at by what it needs.
func TestCheckTemplateTopic(t *testing.T) {
	t.Parallel()
	b, err := broker.Start(broker.Config{Topic: "flows", Partitions: 3})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	cfg := checkedConfig()
	cfg.Publisher.Brokers = []string{b.Addr()}
	cfg.TemplateTopic = "templates"
	if l := lineOf(t, cfg, "topic templates"); l.Verdict != checkup.Broken || !strings.Contains(l.Cure, "cleanup.policy=compact,delete") {
		t.Errorf("%+v of a topic that is missing", l)
	}
	cfg.Publisher.CreateTopic = cluster.TopicShape{Partitions: 3, Replicas: 1}
	if l := lineOf(t, cfg, "topic templates"); l.Verdict != checkup.OK {
		t.Errorf("%+v of a topic that can be created", l)
	}
	// As if somebody had taken another one for it.
	cfg.TemplateTopic, cfg.Publisher.Topic = "flows", "others"
	if l := lineOf(t, cfg, "permission to read topic flows"); l.Verdict != checkup.OK {
		t.Errorf("%+v, want OK", l)
	}
	if l := lineOf(t, cfg, "permission to write to topic flows"); l.Verdict != checkup.OK {
		t.Errorf("%+v, want OK", l)
	}
	var risks []string
	Check(t.Context(), cfg, func(l checkup.Line) {
		if l.Verdict == checkup.Risk && l.What == "settings of topic flows" {
			risks = append(risks, l.Found)
		}
	})
	if len(risks) == 0 || !strings.Contains(risks[0], "is not compacted") {
		t.Errorf("risks %q of a topic that is not compacted", risks)
	}
}
