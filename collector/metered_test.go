package collector

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowpub/flowpub/internal/telemetry"
)

// As many exporters as were asked for have metrics of their own: named ones first, then
// those that send regularly; no burst of strangers buys one, and who has them keeps them.
func TestMetersNamedThenRegular(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, _ := withInventory(t, "192.0.2.1 core-1\n192.0.2.9 late\n198.51.100.0/24 - 10\n")
		c.cfg.MetricsExporters = 3
		in := c.intakes[0][0]
		sequence := map[string]uint32{}
		send := func(source string, records int) {
			in.handle(from(source+":9", v5(sequence[source], records, time.Now())), time.Now())
			sequence[source] += uint32(records)
		}
		check := func(want ...string) {
			t.Helper()
			c.survey()
			var got []string
			for _, e := range c.Snapshot().ByExporter {
				got = append(got, e.Address)
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("metrics are of %v, want %v", got, want)
			}
		}
		send("192.0.2.1", 1)
		for range 100 {
			send("203.0.113.66", 30) // a burst of somebody
		}
		check("192.0.2.1")
		for range 30 { // over 2 minutes
			<-time.After(5 * time.Second)
			send("192.0.2.2", 2)
			send("192.0.2.3", 3)
			send("192.0.2.4", 4)
		}
		check("192.0.2.1", "192.0.2.3", "192.0.2.4")
		for range 100 {
			send("192.0.2.2", 30) // the most flows now
		}
		check("192.0.2.1", "192.0.2.3", "192.0.2.4")
		send("192.0.2.9", 1)
		check("192.0.2.1", "192.0.2.4", "192.0.2.9")

		got := c.Snapshot().ByExporter[0]
		want := telemetry.ExporterNumbers{Address: "192.0.2.1", Name: "core-1", Packets: 1, Flows: 1, LastHeard: float64(c.started.UnixMilli()) / 1000}
		if got != want {
			t.Errorf("the numbers are %+v, want %+v", got, want)
		}
	})
}

// Unless they are asked for there are none.
func TestMetersNobodyUnasked(t *testing.T) {
	t.Parallel()
	c, _ := withInventory(t, "192.0.2.1 core-1\n")
	c.intakes[0][0].handle(from("192.0.2.1:9", v5(0, 1, time.Now())), time.Now())
	c.survey()
	if got := c.Snapshot().ByExporter; len(got) != 0 {
		t.Errorf("there are metrics of %+v", got)
	}
}
