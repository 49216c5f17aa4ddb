package main

import (
	"context"
	"fmt"
	"time"

	"github.com/flowpub/flowpub/collector"
	"github.com/flowpub/flowpub/internal/systemd"
)

// spareTime is what the end may take beyond the limits that the configuration sets:
// HTTP is closed, the last lines are logged.
const spareTime = 5 * time.Second

// serve runs the collector until ctx ends, and tells the service manager of it, if one
// started the process: that it listens, which does not depend on Kafka; that it is
// alive, as the liveness probe says it; and how long the end may take.
func serve(ctx context.Context, manager systemd.Manager, cfg collector.Config, c *collector.Collector) error {
	complain := func(err error) {
		if err != nil {
			cfg.Logger.Warn("flowpub cannot report to the service manager, which may restart it", "error", err,
				"cure", "see that the unit has NotifyAccess=main")
		}
	}
	running, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	complain(manager.Ready(fmt.Sprintf("listening on UDP %v", c.Addrs())))
	go manager.ShowLife(running, func() bool { return len(c.Stalled()) == 0 }, complain)
	stop := context.AfterFunc(ctx, func() {
		complain(manager.Stopping(cfg.DrainLinger + cfg.ShutdownTimeout + spareTime))
	})
	defer stop()
	return c.Run(ctx)
}
