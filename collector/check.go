package collector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/flowpub/flowpub/internal/checkup"
	"github.com/flowpub/flowpub/internal/telemetry"
	"github.com/flowpub/flowpub/internal/templates"
	"github.com/flowpub/flowpub/listener"
	"github.com/flowpub/flowpub/publisher"
)

// Check checks once what a collector with this configuration needs: of this machine, of Kafka
// and of a schema registry. The configuration must be valid. Check receives, publishes and
// changes nothing, and ends within four minutes, or with ctx. An address that a running
// flowpub uses is fine.
func Check(ctx context.Context, cfg Config, tell checkup.Tell) {
	if f, err := cfg.openInventory(nil); err == nil && f != nil {
		tell.OK("exporters file "+cfg.ExportersFile, "networks in it: %d", f.Networks())
	}
	running := cfg.runs(ctx)
	for _, address := range cfg.Listen {
		checkAddress(address, running, tell) //nolint:contextcheck // a name is looked up for 10 s at most
	}
	cfg.checkReceiveBuffer(tell) //nolint:contextcheck // it waits for nothing
	cfg.checkHTTP(running, tell) //nolint:contextcheck // it waits for nothing
	if publisher.Check(ctx, cfg.Publisher, tell) && cfg.TemplateTopic != "" {
		templates.Inspect(ctx, cfg.store(slog.New(slog.DiscardHandler)), tell)
	}
}

// runs reports whether a flowpub answers at the address for HTTP.
func (c Config) runs(ctx context.Context) bool {
	if c.HTTPListen == "" {
		return false
	}
	host, port, err := net.SplitHostPort(c.HTTPListen)
	if err != nil {
		return false
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	const patience, most = 2 * time.Second, 1 << 20
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/metrics", http.NoBody)
	if err != nil {
		return false
	}
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		return false
	}
	defer func() { _ = answer.Body.Close() }()
	text, _ := io.ReadAll(io.LimitReader(answer.Body, most))
	return strings.Contains(string(text), "\nflowpub_build_info{")
}

// inUse tells why an address cannot be used. That it is in use is fine if a flowpub runs here.
func inUse(what string, err error, running bool, tell checkup.Tell) {
	if running && errors.Is(err, syscall.EADDRINUSE) {
		tell.OK(what, "the flowpub that runs here has it")
		return
	}
	text := strings.TrimPrefix(err.Error(), "listener: ")
	tell.Broken(what, strings.TrimPrefix(text, "telemetry: "), "")
}

// checkAddress binds an address for a moment.
func checkAddress(text string, running bool, tell checkup.Tell) {
	what := "UDP address " + text
	address, err := listener.ParseAddress(text)
	if err != nil {
		tell.Broken(what, err.Error(), "")
		return
	}
	all, err := address.Resolve()
	if err != nil {
		inUse(what, err, running, tell)
		return
	}
	for _, one := range all {
		l, err := listener.Listen(listener.Config{Address: one.String(), Sockets: 1, ReceiveBuffer: MinSocketBuffer})
		if err != nil {
			inUse(what, err, running, tell)
			continue
		}
		tell.OK(what, "it can be listened on")
		_ = l.Close()
	}
}

// checkReceiveBuffer asks for the receive buffer, on an address that nobody sends to.
func (c Config) checkReceiveBuffer(tell checkup.Tell) {
	const what = "receive buffer"
	l, err := listener.Listen(listener.Config{Address: "127.0.0.1:0", Sockets: c.Sockets, ReceiveBuffer: c.ReceiveBuffer})
	if err != nil {
		tell.Broken(what, err.Error(), "")
		return
	}
	defer func() { _ = l.Close() }()
	s := l.Stats()
	found := fmt.Sprintf("%v asked, %v granted for each address",
		publisher.ByteSize(s.ReceiveBufferAsked), publisher.ByteSize(s.ReceiveBufferGranted))
	if s.ReceiveBufferGranted >= s.ReceiveBufferAsked {
		tell.OK(what, "%s", found)
		return
	}
	tell.Risk(what, found+": bursts may be lost", l.BufferCure())
}

// checkHTTP binds the address of metrics and probes for a moment.
func (c Config) checkHTTP(running bool, tell checkup.Tell) {
	if c.HTTPListen == "" {
		return
	}
	what := "HTTP address " + c.HTTPListen
	web, err := telemetry.Listen(telemetry.ServerConfig{Address: c.HTTPListen})
	if err != nil {
		inUse(what, err, running, tell)
		return
	}
	tell.OK(what, "it can be listened on")
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = web.Close(ctx)
}
