package collector

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/template"
	"github.com/flowpub/flowpub/internal/config/variable"
	"github.com/flowpub/flowpub/internal/inventory"
	"github.com/flowpub/flowpub/internal/status"
	"github.com/flowpub/flowpub/listener"
	"github.com/flowpub/flowpub/publisher"
)

// Limits of a configuration.
const (
	// MaxSockets bounds Config.Sockets.
	MaxSockets = 256
	// MaxMetricsExporters bounds Config.MetricsExporters: each has six series.
	MaxMetricsExporters = 10_000
	// MinLogSummary is the least that Config.LogSummary may be, beside 0.
	MinLogSummary = time.Second
	// MinSocketBuffer is the least receive buffer of one socket in bytes: as
	// the kernel doubles it, room for the largest datagram.
	MinSocketBuffer = 64 << 10
	// MaxReceiveDelay, MaxDrainLinger and MaxShutdownTimeout bound what their
	// names say.
	MaxReceiveDelay    = 100 * time.Millisecond
	MaxDrainLinger     = 10 * time.Minute
	MaxShutdownTimeout = 10 * time.Minute
)

// defaultSockets bounds the default of Config.Sockets: on a larger machine more
// sockets do not read faster.
const defaultSockets = 8

// budgetPercent is the part of the container's memory limit that the default
// of Config.Publisher.BufferBytes does not exceed.
const budgetPercent = 40

// Config says what a Collector does. DefaultConfig gives the values that the
// documentation promises; Publisher.Brokers has none and must be set.
type Config struct {
	// Listen holds the UDP addresses to listen on, each as listener.ParseAddress
	// reads it. An empty host means every address of the machine, a name each of
	// its own, port 0 one that is free.
	Listen []string
	// Sockets is how many SO_REUSEPORT sockets share each address, from 1 to
	// MaxSockets. Each is read by a goroutine of its own.
	Sockets int
	// ReceiveBuffer is the sum in bytes of the receive buffers of one entry of Listen,
	// from MinSocketBuffer to listener.MaxReceiveBuffer for each socket.
	ReceiveBuffer int
	// ReceiveDelay is how long datagrams may wait in a receive buffer for more
	// to be read with them, from 0 (not at all) to MaxReceiveDelay.
	ReceiveDelay time.Duration
	// ExportersAllow holds the networks whose datagrams are taken; all others
	// are counted and dropped. Empty: everybody may send. IPv4 sources are
	// matched by IPv4 networks only, also where they reach an IPv6 socket.
	ExportersAllow []netip.Prefix
	// Formats are the export formats that are taken; datagrams of others are counted
	// and dropped. Empty: all.
	Formats []decoder.Format
	// Elements says which information elements of NetFlow v9 and IPFIX are copied
	// into flow records as they are, as template.ParseSelection reads it. Empty: none.
	Elements string
	// ExportersFile is the file that says what exporters do not say of themselves, as
	// inventory.Parse reads it. It is read again when it changes. Empty: none.
	ExportersFile string
	// HTTPListen is the TCP host:port of metrics and probes; empty: none.
	HTTPListen string
	// HTTPPProf adds Go's profiles to HTTP.
	HTTPPProf bool
	// MetricsExporters is how many exporters have metrics of their own, from 0 to
	// MaxMetricsExporters: those with a name in ExportersFile first, then regular ones.
	MetricsExporters int
	// LogSummary is how often a summary is logged, from MinLogSummary; 0: never.
	LogSummary time.Duration
	// DrainLinger is how long the collector reads on after it was told to end
	// and has become unready, from 0 to MaxDrainLinger: time for a load balancer
	// to send its datagrams elsewhere.
	DrainLinger time.Duration
	// ShutdownTimeout is how long the sockets may then take to be emptied and
	// Kafka to acknowledge what is buffered, above 0, up to MaxShutdownTimeout.
	ShutdownTimeout time.Duration
	// TemplateTopic, when not empty, is the Kafka topic that keeps templates of NetFlow v9 and IPFIX. It
	// is none of the publisher's.
	TemplateTopic string
	// Publisher says where flow records go. Its Logger, when nil, is Logger.
	Publisher publisher.Config
	// Settings are the variables as they are in force, for the status page.
	Settings []status.Setting
	// Version is the program's, for the log and the metrics.
	Version string
	// Logger receives what an operator should know; nil means nothing is logged. It
	// must not wait for whoever reads the log: readers of sockets use it.
	Logger *slog.Logger
	// LogLinesDropped, when not nil, returns how many log lines were lost. It may be
	// called by several goroutines at once.
	LogLinesDropped func() uint64
}

// DefaultConfig returns the documented defaults: port 2055 on all addresses,
// one socket a processor but at most 8, 32 MiB of receive buffer, up to 10 ms for
// datagrams to collect there, HTTP on port 8080, and the publisher's defaults with
// a budget of at most 40 % of the container's memory limit.
func DefaultConfig() Config {
	cfg := Config{
		Listen:          []string{":2055"},
		Sockets:         min(runtime.GOMAXPROCS(0), defaultSockets),
		ReceiveBuffer:   32 << 20,
		ReceiveDelay:    10 * time.Millisecond,
		HTTPListen:      ":8080",
		ShutdownTimeout: 15 * time.Second,
		Publisher:       publisher.DefaultConfig(),
	}
	if limit, limited := ContainerMemoryLimit(); limited {
		share := max(limit/100*budgetPercent, publisher.MinBufferBytes)
		cfg.Publisher.BufferBytes = int(min(int64(cfg.Publisher.BufferBytes), share))
	}
	return cfg
}

// Validate returns every mistake in c, one a line, or nil. It reads the file of
// exporters, those that the publisher's configuration names and the container's
// memory limit.
func (c Config) Validate() error {
	errs := []error{
		variable.In(variable.Listen, validateListen(c.Listen)),
		c.validateSockets(),
		variable.In(variable.ExportersAllow, validateAllow(c.ExportersAllow)),
		variable.In(variable.Elements, validateElements(c.Elements)),
		variable.In(variable.ExportersFile, c.validateExportersFile()),
		variable.In(variable.TemplateTopic, c.validateTemplateTopic()),
		c.validateHTTP(),
		c.validateTimes(),
		c.Publisher.Validate(),
	}
	if limit, limited := ContainerMemoryLimit(); limited && !c.buffersTooLarge() {
		errs = append(errs, variable.In(variable.BufferBytes, c.validateMemory(limit)))
	}
	return errors.Join(errs...)
}

func validateListen(addresses []string) error {
	if len(addresses) == 0 {
		return errors.New("collector: no address to listen on: name at least one as host:port, such as :2055")
	}
	var errs []error
	seen := make(map[listener.Address]bool)
	for _, text := range addresses {
		a, err := listener.ParseAddress(text)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("collector: listen address %q: %w: write it as host:port, such as :2055", text, err))
		case seen[a] && a.Port != 0:
			errs = append(errs, fmt.Errorf("collector: listen address %q is there twice: remove one", text))
		}
		seen[a] = true
	}
	return errors.Join(errs...)
}

func (c Config) validateSockets() error {
	var errs []error
	if c.Sockets < 1 || c.Sockets > MaxSockets {
		errs = append(errs, variable.Mistake(variable.Sockets, "collector: %d sockets an address: there must be from 1 to %d", c.Sockets, MaxSockets))
		c.Sockets = 1 // which the buffer has to be large enough for at least
	}
	return errors.Join(append(errs, variable.In(variable.ReceiveBuffer, c.validateReceiveBuffer()))...)
}

func (c Config) validateReceiveBuffer() error {
	size := publisher.ByteSize(c.ReceiveBuffer)
	if c.ReceiveBuffer/c.Sockets < MinSocketBuffer {
		return fmt.Errorf("collector: receive buffer is %v: it must be at least %v for each socket, %v in all",
			size, publisher.ByteSize(MinSocketBuffer), publisher.ByteSize(c.Sockets*MinSocketBuffer))
	}
	if c.receiveBufferTooLarge() {
		return fmt.Errorf("collector: receive buffer is %v: it must be below %v for each socket, %v in all",
			size, publisher.ByteSize(listener.MaxReceiveBuffer+1), publisher.ByteSize(c.Sockets)*(listener.MaxReceiveBuffer+1))
	}
	return nil
}

// receiveBufferTooLarge reports whether a socket would have to ask for more than
// it can. The listener rounds each socket's share up.
func (c Config) receiveBufferTooLarge() bool {
	return int64(c.ReceiveBuffer) > int64(c.Sockets)*listener.MaxReceiveBuffer
}

// buffersTooLarge reports whether a buffer is refused on its own. Its memory
// then needs no second complaint, which would blame the other buffers, too.
func (c Config) buffersTooLarge() bool {
	return c.receiveBufferTooLarge() || int64(c.Publisher.BufferBytes) > publisher.MaxBufferBytes
}

func validateAllow(networks []netip.Prefix) error {
	for _, n := range networks {
		if !n.IsValid() {
			return errors.New("collector: an allowed network is not valid: write each as address/length, such as 192.0.2.0/24")
		}
	}
	return nil
}

func validateElements(list string) error {
	if _, err := template.ParseSelection(list); err != nil {
		return fmt.Errorf("collector: elements: %w", err)
	}
	return nil
}

func (c Config) validateTemplateTopic() error {
	switch c.TemplateTopic {
	case "":
		return nil
	case c.Publisher.DeadLetterTopic:
		return fmt.Errorf("collector: topic %q for templates is that for dead letters: give them a topic of their own", c.TemplateTopic)
	}
	return c.Publisher.ValidateTopic(c.TemplateTopic, "templates")
}

func (c Config) validateExportersFile() error {
	_, err := c.openInventory(nil)
	return err
}

// openInventory reads the file of exporters; nil without one. The error tells every
// mistake, one a line.
func (c Config) openInventory(log *slog.Logger) (*inventory.File, error) {
	if c.ExportersFile == "" {
		return nil, nil
	}
	f, err := inventory.Open(c.ExportersFile, log)
	if err != nil {
		return nil, errors.New("collector: exporters file: " + strings.ReplaceAll(err.Error(), "\n", "\ncollector: exporters file: "))
	}
	return f, nil
}

func (c Config) validateHTTP() error {
	if c.HTTPListen == "" {
		if c.HTTPPProf {
			return variable.Mistake(variable.HTTPPprof, "collector: profiles are asked for but there is no HTTP: give HTTP an address, or ask for none")
		}
		if c.MetricsExporters != 0 {
			return variable.Mistake(variable.MetricsExporters, "collector: metrics of exporters are asked for but there is no HTTP: give HTTP an address, or ask for none")
		}
		return nil
	}
	if c.MetricsExporters < 0 || c.MetricsExporters > MaxMetricsExporters {
		return variable.Mistake(variable.MetricsExporters, "collector: %d exporters with metrics of their own: there may be from 0 to %d", c.MetricsExporters, MaxMetricsExporters)
	}
	if _, err := portOf(c.HTTPListen); err != nil {
		return variable.Mistake(variable.HTTPListen, "collector: HTTP address %q: %w: write it as host:port, such as :8080", c.HTTPListen, err)
	}
	return nil
}

func (c Config) validateTimes() error {
	var errs []error
	if c.ReceiveDelay < 0 || c.ReceiveDelay > MaxReceiveDelay {
		errs = append(errs, variable.Mistake(variable.ReceiveDelay, "collector: receive delay is %v: it must be from 0 to %v", c.ReceiveDelay, MaxReceiveDelay))
	}
	if c.LogSummary != 0 && c.LogSummary < MinLogSummary {
		errs = append(errs, variable.Mistake(variable.LogSummary, "collector: a summary every %v: it must be 0, for none, or at least %v", c.LogSummary, MinLogSummary))
	}
	if c.DrainLinger < 0 || c.DrainLinger > MaxDrainLinger {
		errs = append(errs, variable.Mistake(variable.DrainLinger, "collector: drain linger is %v: it must be from 0 to %v", c.DrainLinger, MaxDrainLinger))
	}
	if c.ShutdownTimeout <= 0 || c.ShutdownTimeout > MaxShutdownTimeout {
		errs = append(errs, variable.Mistake(variable.ShutdownTimeout, "collector: shutdown timeout is %v: it must be above 0 and at most %v",
			c.ShutdownTimeout, MaxShutdownTimeout))
	}
	return errors.Join(errs...)
}

// portOf returns the port of a host:port address.
func portOf(address string) (uint16, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return 0, errors.New("it is not an address with a port")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("port %q is not a number from 0 to 65535", port)
	}
	return uint16(n), nil
}
