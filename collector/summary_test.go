package collector

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// On request a line a minute says what became of everything since the last one.
func TestSummary(t *testing.T) {
	t.Parallel()
	for _, every := range []time.Duration{0, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			c := newTestCollector(t, 1, 1, func(cfg *Config) { cfg.LogSummary = every })
			ctx, cancel := context.WithCancel(t.Context())
			wait := c.start(ctx)
			<-time.After(time.Second / 2) // looks are between the datagrams
			for i := range 121 {
				<-time.After(time.Second)
				c.listeners[0].batches <- from("192.0.2.1:9", v5(uint32(30*i), 30, time.Now()), []byte("noise"))
			}
			<-time.After(time.Second)
			lines := c.log.Lines("msg=summary")
			cancel()
			if err := wait(); err != nil {
				t.Error(err)
			}
			if every == 0 {
				if len(lines) != 0 {
					t.Errorf("unasked: %q", lines)
				}
				return
			}
			if len(lines) != 2 {
				t.Fatalf("%d lines in two minutes: %q", len(lines), lines)
			}
			// The fake delivers one of a packet's flows, drops one, and keeps the others.
			hasAll(t, lines[1], []string{
				"level=INFO", "within=1m0s", "exporters=1", "datagrams_received=120", "datagrams_rejected=60", "flows_decoded=1800", "flows_a_second=30",
				"flows_delivered=60", "flows_dropped=60", "flows_missed=0", "datagrams_kernel_dropped=0",
			})
		})
	}
}
