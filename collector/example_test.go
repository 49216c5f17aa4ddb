package collector_test

import (
	"context"
	"fmt"
	"os/signal"
	"syscall"
	"time"

	"github.com/flowpub/flowpub/collector"
)

func ExampleCollector_Run() {
	cfg := collector.DefaultConfig()
	cfg.Listen = []string{"127.0.0.1:0"}
	cfg.HTTPListen = "127.0.0.1:0"
	cfg.Publisher.Brokers = []string{"kafka.example.net:9092"}

	c, err := collector.New(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Millisecond) // for this example
	defer cancel()
	if err := c.Run(ctx); err != nil {
		fmt.Println(err)
		return
	}
	s := c.Snapshot()
	fmt.Println(s.FlowsDecoded == s.FlowsDelivered)
	// Output: true
}

func ExampleConfig_Validate() {
	cfg := collector.DefaultConfig()
	cfg.Listen = []string{"localhost"}
	cfg.Sockets = 1000
	fmt.Println(cfg.Validate())
	// Output:
	// collector: listen address "localhost": it is not an address with a port: write it as host:port, such as :2055
	// collector: 1000 sockets an address: there must be from 1 to 256
	// publisher: no brokers: name at least one as host:port
}
