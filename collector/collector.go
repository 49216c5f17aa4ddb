package collector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/template"
	"github.com/flowpub/flowpub/internal/inventory"
	"github.com/flowpub/flowpub/internal/status"
	"github.com/flowpub/flowpub/internal/telemetry"
	"github.com/flowpub/flowpub/listener"
	"github.com/flowpub/flowpub/publisher"
)

// flowPublisher is what a collector needs of a publisher.Publisher.
type flowPublisher interface {
	Publish(from netip.AddrPort, received decoder.UnixNano, pkt *decoder.ExportPacket) error
	PublishDeadLetter(from netip.AddrPort, received decoder.UnixNano, reason string, datagram []byte)
	Stats() publisher.Stats
	View() publisher.View
	Missing() []string
	Stalled() []string
	Close(ctx context.Context) error
}

// datagramListener is what a collector needs of a listener.Listener.
type datagramListener interface {
	Addr() netip.AddrPort
	Serve(handler func(socket int) listener.Handler) error
	Drain() error
	Close() error
	Stats() listener.Stats
	Stalled(limit time.Duration) []string
}

// webServer is what a collector needs of a telemetry.Server.
type webServer interface {
	Addr() netip.AddrPort
	Serve() error
	Close(ctx context.Context) error
}

// Collector collects flows from its sockets into Kafka. All methods but Run may
// be called from several goroutines, before, during and after Run.
type Collector struct {
	cfg     Config
	log     *slog.Logger
	started time.Time

	listeners []datagramListener
	intakes   [][]*intake // a listener's, by socket
	web       webServer   // nil without HTTP
	publisher flowPublisher
	allow     *allowList
	named     *allowList // the exporters allowed by name
	notices   *notices
	templates *sharedTemplates
	store     templateStore   // nil without one
	late      *intake         // decodes what has waited for the store; nil without one
	advised   bool            // about the store
	inventory *inventory.File // nil without one
	accounts  *accounts
	monitor   *monitor

	ready    atomic.Bool // once everything was there; never false again
	stopping atomic.Bool
	reading  sync.WaitGroup // goroutines that serve a listener
}

// New binds all sockets and starts the publisher; it does not wait for Kafka.
// On error nothing is left behind. What New returns is to be run: Run with an
// ended context is how to give it up.
func New(cfg Config) (*Collector, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := newCollector(cfg)
	if err := c.open(); err != nil {
		return nil, errors.Join(err, c.abandon())
	}
	c.addIntakes()
	c.logStart()
	return c, nil
}

// Run collects until ctx ends or something fatal happens, then shuts down in
// order: not ready, linger (not after a fatal end), drain the sockets, flush to
// Kafka, log the ledger, end HTTP. It is called once.
//
// It returns nil when everything decoded was delivered, or dropped for a counted
// reason while the collector ran; a *FlowsLostError, which is ErrFlowsLost, when
// flows had to be given up at shutdown; joined to it, what was fatal.
func (c *Collector) Run(ctx context.Context) error {
	ended := c.serve()
	stopSurveys := c.startSurveys()
	defer stopSurveys()
	stopWatching := c.watchInventory(ctx)
	defer stopWatching()
	watch := c.startWatch()
	var fatal error
	select {
	case <-ctx.Done():
		c.stopping.Store(true)
		fatal = c.linger(ended)
	case fatal = <-ended:
		c.stopping.Store(true)
		c.log.Error("collecting ended", "error", fatal)
	}
	return errors.Join(fatal, c.shutDown(ctx, ended, watch))
}

// newCollector returns a collector without its parts.
func newCollector(cfg Config) *Collector {
	log := logger(cfg.Logger)
	named := namedBy(cfg.ExportersAllow)
	elements, _ := template.ParseSelection(cfg.Elements) // which Validate has let through
	return &Collector{
		cfg:     cfg,
		log:     log,
		started: time.Now(),
		allow:   newAllowList(cfg.ExportersAllow),
		named:   named,
		notices: newNotices(log, named),

		templates: newTemplates(elements, cfg.TemplateTopic != ""),
		accounts:  newAccounts(),
		monitor:   &monitor{},
	}
}

// open makes the parts. What can fail for reasons outside of the configuration
// comes first.
func (c *Collector) open() error {
	if err := c.readInventory(); err != nil {
		return err
	}
	if err := c.openListeners(); err != nil {
		return err
	}
	if err := c.openWeb(); err != nil {
		return err
	}
	p, err := publisher.New(c.publisherConfig())
	if err != nil {
		return fmt.Errorf("collector: %w", err)
	}
	c.publisher = p
	return c.openStore()
}

// readInventory reads the file of exporters, if there is one.
func (c *Collector) readInventory() error {
	known, err := c.cfg.openInventory(c.log)
	c.inventory, c.notices.inventory = known, known
	return err
}

// watchInventory reads the file of exporters again when it changes, until stop is called, also
// when ctx has ended. Stop does not wait: a file that cannot be read holds nothing up.
func (c *Collector) watchInventory(ctx context.Context) (stop func()) {
	ctx, stop = context.WithCancel(context.WithoutCancel(ctx))
	if c.inventory != nil {
		go c.inventory.Watch(ctx)
	}
	return stop
}

// openListeners binds each address of the configuration, all of those that a name
// stands for.
func (c *Collector) openListeners() error {
	for _, configured := range c.cfg.Listen {
		address, err := listener.ParseAddress(configured)
		if err != nil {
			return fmt.Errorf("collector: listen address %q: %w", configured, err)
		}
		all, err := address.Resolve()
		if err != nil {
			return fmt.Errorf("collector: %w", err)
		}
		for _, one := range all {
			share := max(c.cfg.ReceiveBuffer/len(all), c.cfg.Sockets*MinSocketBuffer)
			if err := c.openListener(one, share); err != nil {
				return err
			}
		}
	}
	return nil
}

// openListener binds one address.
func (c *Collector) openListener(address listener.Address, receiveBuffer int) error {
	l, err := listener.Listen(listener.Config{
		Address:       address.String(),
		Sockets:       c.cfg.Sockets,
		ReceiveBuffer: receiveBuffer,
		Delay:         c.cfg.ReceiveDelay,
		Logger:        c.cfg.Logger,
	})
	if err != nil {
		return fmt.Errorf("collector: %w", err)
	}
	c.listeners = append(c.listeners, l)
	return nil
}

func (c *Collector) openWeb() error {
	if c.cfg.HTTPListen == "" {
		return nil
	}
	web, err := telemetry.Listen(telemetry.ServerConfig{
		Address:  c.cfg.HTTPListen,
		PProf:    c.cfg.HTTPPProf,
		Snapshot: c.Snapshot,
		Page:     status.Handler(c.Status),
		Ready:    c.missing,
		Live:     c.Stalled,
		Logger:   c.cfg.Logger,
	})
	if err != nil {
		return fmt.Errorf("collector: %w", err)
	}
	c.web = web
	return nil
}

func (c *Collector) publisherConfig() publisher.Config {
	cfg := c.cfg.Publisher
	if cfg.Logger == nil {
		cfg.Logger = c.cfg.Logger
	}
	return cfg
}

// addIntakes makes an intake for each socket. They share the streams evenly.
func (c *Collector) addIntakes() {
	sockets := len(c.listeners) * c.cfg.Sockets
	c.intakes = make([][]*intake, len(c.listeners))
	for l := range c.intakes {
		for range c.cfg.Sockets {
			c.intakes[l] = append(c.intakes[l], c.newIntake(max(maxStreams/sockets, minStreams)))
		}
	}
}

// errEnded is why something ended that gives no reason. At shutdown it needs none.
var errEnded = errors.New("it ended by itself")

// serve starts everything. Each thing sends why it ended, when it does.
func (c *Collector) serve() <-chan error {
	ended := make(chan error, len(c.listeners)+1)
	report := func(what string, err error) {
		if err == nil {
			err = errEnded
		}
		ended <- fmt.Errorf("collector: %s: %w", what, err)
	}
	for i, l := range c.listeners {
		c.reading.Go(func() {
			err := l.Serve(func(socket int) listener.Handler { return c.intakes[i][socket].handle })
			report("reading "+l.Addr().String(), err)
		})
	}
	if c.web != nil {
		go func() { report("serving HTTP", c.web.Serve()) }()
	}
	return ended
}

// Addrs returns the bound UDP addresses, in the order of Config.Listen.
func (c *Collector) Addrs() []netip.AddrPort {
	addrs := make([]netip.AddrPort, len(c.listeners))
	for i, l := range c.listeners {
		addrs[i] = l.Addr()
	}
	return addrs
}

// HTTPAddr returns the bound TCP address of HTTP; it is invalid without HTTP.
func (c *Collector) HTTPAddr() netip.AddrPort {
	if c.web == nil {
		return netip.AddrPort{}
	}
	return c.web.Addr()
}
