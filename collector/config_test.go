package collector

import (
	"errors"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/flowpub/flowpub/publisher"
)

// goodConfig is right and small enough for any machine that runs tests.
func goodConfig() Config {
	cfg := DefaultConfig()
	cfg.Publisher.Brokers = []string{"127.0.0.1:9092"}
	cfg.Publisher.BufferBytes = publisher.MinBufferBytes
	cfg.ReceiveBuffer = 1 << 20
	return cfg
}

// The values are those of the table in the documentation.
func TestDefaultConfig(t *testing.T) {
	t.Parallel()
	cfg := DefaultConfig()
	if len(cfg.Listen) != 1 || cfg.Listen[0] != ":2055" {
		t.Errorf("listens on %q", cfg.Listen)
	}
	if want := min(runtime.GOMAXPROCS(0), 8); cfg.Sockets != want {
		t.Errorf("%d sockets, want %d", cfg.Sockets, want)
	}
	if cfg.ReceiveBuffer != 32<<20 || cfg.HTTPListen != ":8080" || cfg.HTTPPProf || len(cfg.ExportersAllow) > 0 {
		t.Errorf("got %+v", cfg)
	}
	if cfg.DrainLinger != 0 || cfg.ShutdownTimeout != 15*time.Second {
		t.Errorf("lingers %v, then takes up to %v", cfg.DrainLinger, cfg.ShutdownTimeout)
	}
	if limit, limited := ContainerMemoryLimit(); !limited && cfg.Publisher.BufferBytes != 256<<20 {
		t.Errorf("buffer is %d without a limit", cfg.Publisher.BufferBytes)
	} else if limited && int64(cfg.Publisher.BufferBytes) > max(limit*2/5, publisher.MinBufferBytes) {
		t.Errorf("buffer is %d with a limit of %d", cfg.Publisher.BufferBytes, limit)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*Config)
		want   []string // parts of the error; none: it is right
	}{
		{"right", func(*Config) {}, nil},
		{"several addresses", func(c *Config) { c.Listen = []string{":2055", "[::1]:2056", "192.0.2.1:0", "192.0.2.1:0"} }, nil},
		{"no HTTP", func(c *Config) { c.HTTPListen = "" }, nil},
		{"no address", func(c *Config) { c.Listen = nil }, []string{"collector: no address to listen on", "host:port"}},
		{"address without port", func(c *Config) { c.Listen = []string{"192.0.2.1"} }, []string{`listen address "192.0.2.1"`, "host:port"}},
		{"port of letters", func(c *Config) { c.Listen = []string{":netflow"} }, []string{`listen address ":netflow"`, `port "netflow"`}},
		{"port too high", func(c *Config) { c.Listen = []string{":65536"} }, []string{`port "65536"`}},
		{"address twice", func(c *Config) { c.Listen = []string{":2055", ":2055"} }, []string{`":2055" is there twice`}},
		{"addresses of interfaces", func(c *Config) {
			c.Listen = []string{"127.0.0.1%lo:2055", "[::1%lo]:2055", ":2055%vrf-blue", "0.0.0.0%eth1:2055", "239.1.2.3:2055", "239.1.2.3%eth0:2055"}
		}, nil},
		{"address twice, written in two ways", func(c *Config) { c.Listen = []string{"192.0.2.1%lo:2055", "[::ffff:192.0.2.1]:2055%lo"} }, []string{"is there twice"}},
		{"no interface behind the sign", func(c *Config) { c.Listen = []string{":2055%"} }, []string{`listen address ":2055%"`, "name one interface"}},
		{"address of a link without interface", func(c *Config) { c.Listen = []string{"[ff02::1]:2055"} }, []string{"[ff02::1%eth0]:2055"}},
		{"no socket", func(c *Config) { c.Sockets = 0 }, []string{"0 sockets", "from 1 to 256"}},
		{"too many sockets", func(c *Config) { c.Sockets = 257 }, []string{"257 sockets", "from 1 to 256"}},
		{"small receive buffer", func(c *Config) { c.Sockets, c.ReceiveBuffer = 4, 4*65536-1 }, []string{"receive buffer is 262143B", "at least 64KiB for each socket, 256KiB in all"}},
		{"largest receive buffer", func(c *Config) { c.Sockets, c.ReceiveBuffer = 1, 1<<30 }, []string{"receive buffer is 1GiB", "below 1GiB for each socket, 1GiB in all"}},
		{"large receive buffer", func(c *Config) { c.Sockets, c.ReceiveBuffer = 2, 100<<40 }, []string{"receive buffer is 100TiB", "below 1GiB for each socket, 2GiB in all"}},
		{"bad network", func(c *Config) { c.ExportersAllow = []netip.Prefix{{}} }, []string{"allowed network", "192.0.2.0/24"}},
		{"bad HTTP address", func(c *Config) { c.HTTPListen = "8080" }, []string{`HTTP address "8080"`, "host:port"}},
		{"metrics without HTTP", func(c *Config) { c.HTTPListen, c.MetricsExporters = "", 1 }, []string{"metrics of exporters are asked for but there is no HTTP"}},
		{"profiles without HTTP", func(c *Config) { c.HTTPListen, c.HTTPPProf = "", true }, []string{"profiles"}},
		{"negative delay", func(c *Config) { c.ReceiveDelay = -1 }, []string{"receive delay is -1ns", "from 0 to 100ms"}},
		{"long delay", func(c *Config) { c.ReceiveDelay = time.Second }, []string{"receive delay is 1s", "from 0 to 100ms"}},
		{"negative linger", func(c *Config) { c.DrainLinger = -1 }, []string{"drain linger is -1ns", "from 0 to 10m0s"}},
		{"long linger", func(c *Config) { c.DrainLinger = 10*time.Minute + 1 }, []string{"from 0 to 10m0s"}},
		{"no shutdown time", func(c *Config) { c.ShutdownTimeout = 0 }, []string{"shutdown timeout is 0s", "at most 10m0s"}},
		{"long shutdown time", func(c *Config) { c.ShutdownTimeout = 10*time.Minute + 1 }, []string{"at most 10m0s"}},
		{
			"all mistakes at once", func(c *Config) { c.Listen, c.Sockets, c.Publisher.Brokers = []string{"a", "b"}, 0, nil },
			[]string{`"a"`, `"b"`, "0 sockets", "publisher: no brokers"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			cfg := goodConfig()
			test.change(&cfg)
			err := cfg.Validate()
			if len(test.want) == 0 && err != nil {
				t.Fatalf("refused: %v", err)
			}
			for _, part := range test.want {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("got %v, which lacks %q", err, part)
				}
			}
		})
	}
}

// A socket can ask for 1 GiB less one byte, whatever the container's limit.
func TestLargestReceiveBuffer(t *testing.T) {
	t.Parallel()
	cfg := goodConfig()
	cfg.Sockets, cfg.ReceiveBuffer = 2, 2*(1<<30-1)
	if err := cfg.validateSockets(); err != nil {
		t.Errorf("refused: %v", err)
	}
	cfg.ReceiveBuffer++ // one socket's share is a byte more than it can be
	if err := cfg.validateSockets(); err == nil {
		t.Error("accepted what the listener refuses")
	}
}

func TestNewRefusesMistakes(t *testing.T) {
	t.Parallel()
	if c, err := New(Config{}); c != nil || err == nil {
		t.Errorf("got %v, %v", c, err)
	}
}

func TestFlowsLostErrorTellsNumbersAndCure(t *testing.T) {
	t.Parallel()
	err := error(&FlowsLostError{Dropped: 5, Unconfirmed: 7, Cause: errors.New("no broker answered")})
	for _, part := range []string{"collector: ", "5 dropped", "7 unconfirmed", "no broker answered", "raise the shutdown timeout"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q lacks %q", err, part)
		}
	}
}
