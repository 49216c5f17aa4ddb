package main

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/flowpub/flowpub/internal/command"
	"github.com/flowpub/flowpub/internal/tail"
)

// parse makes a configuration of the command line. Its errors are
// those of command.Parse.
func parse(args []string) (tail.Config, error) {
	cfg := tail.Config{Brokers: []string{"127.0.0.1:9092"}}
	flags := command.NewFlags()
	flags.Func("brokers", "", func(text string) (err error) {
		cfg.Brokers, err = parseBrokers(text)
		return err
	})
	flags.StringVar(&cfg.Topic, "topic", "flows", "")
	flags.TextVar(&cfg.Value, "value", tail.ValueProtobuf, "")
	flags.TextVar(&cfg.From, "from", tail.FromEnd, "")
	flags.IntVar(&cfg.Limit, "n", 0, "")
	flags.IntVar(&cfg.MaxPerSecond, "pace", 0, "")
	flags.TextVar(&cfg.Format, "format", tail.FormatTable, "")
	flags.TextVar(&cfg.Filter.Exporters, "exporter", tail.Prefixes(nil), "")
	flags.TextVar(&cfg.Filter.Addresses, "address", tail.Prefixes(nil), "")
	flags.TextVar(&cfg.Filter.Ports, "port", tail.Ports(nil), "")
	flags.TextVar(&cfg.Filter.Protocols, "protocol", tail.Protocols(nil), "")
	if err := command.ParseAll(flags, args); err != nil {
		return cfg, err
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
		errs = append(errs, command.Mistakef(`-topic "": give the name of the topic, such as flows`))
	}
	if cfg.Limit < 0 {
		errs = append(errs, command.Mistakef("-n %d: give a number of flows, or 0 for no end", cfg.Limit))
	}
	if cfg.MaxPerSecond < 0 {
		errs = append(errs, command.Mistakef("-pace %d: give a number of flows a second, or 0 for all", cfg.MaxPerSecond))
	}
	return errors.Join(errs...)
}
