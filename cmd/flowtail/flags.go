package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/flowpub/flowpub/internal/tail"
)

// errVersion: the version is asked for.
var errVersion = errors.New("flowtail: version")

// parse makes a configuration of the command line. Its errors are mistakes of
// the user's, flag.ErrHelp and errVersion.
func parse(args []string) (tail.Config, error) {
	cfg := tail.Config{Brokers: []string{"127.0.0.1:9092"}}
	flags := flag.NewFlagSet("flowtail", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	showVersion := flags.Bool("version", false, "")
	flags.Func("brokers", "", func(text string) (err error) {
		cfg.Brokers, err = parseBrokers(text)
		return err
	})
	flags.StringVar(&cfg.Topic, "topic", "flows", "")
	flags.TextVar(&cfg.From, "from", tail.FromEnd, "")
	flags.IntVar(&cfg.Limit, "n", 0, "")
	flags.IntVar(&cfg.MaxPerSecond, "pace", 0, "")
	flags.TextVar(&cfg.Format, "format", tail.FormatTable, "")
	flags.TextVar(&cfg.Filter.Exporters, "exporter", tail.Prefixes(nil), "")
	flags.TextVar(&cfg.Filter.Addresses, "address", tail.Prefixes(nil), "")
	flags.TextVar(&cfg.Filter.Ports, "port", tail.Ports(nil), "")
	flags.TextVar(&cfg.Filter.Protocols, "protocol", tail.Protocols(nil), "")
	switch err := flags.Parse(args); {
	case err != nil:
		return cfg, err
	case *showVersion:
		return cfg, errVersion
	case flags.NArg() > 0:
		return cfg, fmt.Errorf("argument %q: there are only flags", flags.Arg(0))
	}
	return cfg, check(cfg)
}

// parseBrokers reads a comma-separated list of addresses.
func parseBrokers(text string) ([]string, error) {
	brokers := strings.Split(text, ",")
	for i, broker := range brokers {
		brokers[i] = strings.TrimSpace(broker)
		if host, port, err := net.SplitHostPort(brokers[i]); err != nil || host == "" || port == "" {
			return nil, fmt.Errorf("%q is no address: give host:port, such as kafka.example.net:9092", brokers[i])
		}
	}
	return brokers, nil
}

// check finds the mistakes that flags can be parsed with.
func check(cfg tail.Config) error {
	var errs []error
	if cfg.Topic == "" {
		errs = append(errs, errors.New(`-topic "": give the name of the topic, such as flows`))
	}
	if cfg.Limit < 0 {
		errs = append(errs, fmt.Errorf("-n %d: give a number of flows, or 0 for no end", cfg.Limit))
	}
	if cfg.MaxPerSecond < 0 {
		errs = append(errs, fmt.Errorf("-pace %d: give a number of flows a second, or 0 for all", cfg.MaxPerSecond))
	}
	return errors.Join(errs...)
}
