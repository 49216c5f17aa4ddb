package collector

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowpub/flowpub/listener"
)

// sentBy is a packet of 30 flows of a device that booted so long before at.
func sentBy(boot time.Duration, sequence uint32, at time.Time) []byte {
	b := v5(sequence, 30, at)
	binary.BigEndian.PutUint32(b[4:], uint32(boot/time.Millisecond))
	return b
}

// floodOf returns one packet of each of n forged sources.
func floodOf(n, port int, payload []byte) []listener.Datagram {
	batch := make([]listener.Datagram, n)
	for i := range batch {
		batch[i] = listener.Datagram{From: netip.AddrPortFrom(forgedSource(i).Addr(), uint16(port)), Payload: payload}
	}
	return batch
}

// 2,100 sources of ten packets each are more than a socket of 16 has streams. An exporter
// that was regular for minutes, or is allowed by name, is watched nevertheless:
// its next loss is counted and logged. The forged ones are not missed afterwards.
func TestFloodDoesNotPushAnExporterAside(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		known time.Duration // for how long the exporter sent before
		allow []netip.Prefix
		log   string
	}{
		{name: "regular", known: 3 * time.Minute},
		{name: "allowed by name", known: s, allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32")}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newTestCollector(t, 1, 16, func(cfg *Config) { cfg.ExportersAllow = test.allow })
				in := c.intakes[0][0]
				sequence := uint32(0)
				send := func() {
					now := time.Now()
					in.handle(from("192.0.2.1:9999", sentBy(time.Hour+now.Sub(c.started), sequence, now)), now)
					sequence += 30
				}
				for range test.known / s {
					send()
					<-time.After(s)
				}
				// The forged ones, too, lose flows, and none of their clocks is right.
				for packet := range 10 {
					now := time.Now()
					in.handle(floodOf(2_100, 1000, sentBy(time.Hour, uint32(packet)*90, now.Add(-time.Hour))), now)
					<-time.After(gapPatience / 2)
				}
				before := c.Snapshot().FlowsMissed
				sequence += 30 // lost
				send()
				<-time.After(gapPatience)
				send()
				if got := c.Snapshot().FlowsMissed - before; got < 30 {
					t.Errorf("%d flows are missed, want the exporter's 30", got)
				}
				if lines := c.log.Lines("exporter=192.0.2.1 port=9999"); len(lines) != 1 || !strings.Contains(lines[0], "flows are missing") {
					t.Errorf("the exporter's loss is not logged: %q", lines)
				}

				for range 6 * time.Minute / (30 * s) {
					<-time.After(30 * s)
					send()
				}
				if got := c.Snapshot(); got.ExportersSilent != 0 || got.Exporters != 1 {
					t.Errorf("%d exporters, %d silent; want 1 and none", got.Exporters, got.ExportersSilent)
				}
			})
		})
	}
}

// Source NAT gives several devices one address. Their boot times tell, once.
func TestSeveralDevicesBehindOneAddress(t *testing.T) {
	t.Parallel()
	const second = time.Second
	type device struct {
		source string
		boot   time.Duration // how long before the start
		from   int           // its first second
		until  int           // the second after its last
		frozen bool          // the uptime stands at 0
		slow   bool          // the uptime counts seconds
	}
	tests := []struct {
		name    string
		devices []device
		several bool
	}{
		{"three routers", []device{
			{source: "172.18.0.1:1001", boot: time.Hour, until: 60}, {source: "172.18.0.1:1002", boot: 2 * time.Hour, until: 60},
			{source: "172.18.0.1:1003", boot: 3 * time.Hour, until: 60},
		}, true},
		{"one with three ports", []device{
			{source: "172.18.0.1:1001", boot: time.Hour, until: 60}, {source: "172.18.0.1:1002", boot: time.Hour + 10*second, until: 60},
			{source: "172.18.0.1:1003", boot: time.Hour + 5*second, until: 60},
		}, false},
		{"three addresses", []device{
			{source: "172.18.0.1:1001", boot: time.Hour, until: 60}, {source: "172.18.0.2:1001", boot: 2 * time.Hour, until: 60},
			{source: "172.18.0.3:1001", boot: 3 * time.Hour, until: 60},
		}, false},
		{"one that restarts with another port", []device{
			{source: "172.18.0.1:1001", boot: time.Hour, until: 30}, {source: "172.18.0.1:1002", boot: -30 * second, from: 31, until: 60},
		}, false},
		{"one that restarts with the same ports", []device{
			{source: "172.18.0.1:1001", boot: time.Hour, until: 30}, {source: "172.18.0.1:1002", boot: time.Hour, until: 30},
			{source: "172.18.0.1:1001", boot: -30 * second, from: 31, until: 60}, {source: "172.18.0.1:1002", boot: -30 * second, from: 31, until: 60},
		}, false},
		{"an uptime that stands still", []device{
			{source: "172.18.0.1:1001", frozen: true, until: 60}, {source: "172.18.0.1:1002", frozen: true, from: 20, until: 60},
		}, false},
		{"an uptime in seconds", []device{
			{source: "172.18.0.1:1001", boot: time.Hour, slow: true, until: 60}, {source: "172.18.0.1:1002", boot: time.Hour, slow: true, from: 30, until: 60},
		}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newTestCollector(t, 1, 2, nil) // ports are spread over sockets
				stop := c.startSurveys()
				for tick := range 60 {
					for i, d := range test.devices {
						if tick < d.from || tick >= d.until {
							continue
						}
						uptime := d.boot + time.Since(c.started) + 1
						switch {
						case d.frozen:
							uptime = 0
						case d.slow:
							uptime /= 1000
						}
						now := time.Now()
						c.intakes[0][i%2].handle(from(d.source, sentBy(uptime, uint32(tick)*30, now)), now)
					}
					<-time.After(second)
				}
				stop()
				lines := c.log.Lines("several devices")
				if test.several != (len(lines) == 1) {
					t.Errorf("log lines: %q, want one: %v", lines, test.several)
				}
				for _, line := range lines {
					if !strings.Contains(line, "exporter=172.18.0.1 ") {
						t.Errorf("%q does not name the exporter", line)
					}
				}
			})
		})
	}
}

// An exporter that uses another port for each datagram cannot be watched. It is
// said once, and the exporter counts as one whose losses cannot be seen.
func TestChangingPortsAreTold(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		ports int
		boot  func(port int) time.Duration
		again bool // each port sends twice
		told  bool
	}{
		{name: "each datagram", ports: 400, boot: func(int) time.Duration { return time.Hour }, told: true},
		{name: "without an uptime", ports: 400, boot: func(int) time.Duration { return 0 }, told: true},
		{name: "few ports", ports: changingPorts - 1, boot: func(int) time.Duration { return time.Hour }},
		{name: "ports that send again", ports: 400, boot: func(int) time.Duration { return time.Hour }, again: true},
		{name: "many devices", ports: 400, boot: func(port int) time.Duration { return time.Duration(port) * time.Hour }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newTestCollector(t, 1, 1, nil)
				now := time.Now()
				for port := range test.ports {
					batch := from(fmt.Sprintf("192.0.2.1:%d", 1000+port), sentBy(test.boot(port), uint32(port)*60, now))
					if test.again {
						batch = append(batch, batch...)
					}
					c.intakes[0][0].handle(batch, now)
				}
				for range 3 {
					c.survey()
				}
				want := 0
				if test.told {
					want = 1
				}
				if lines := c.log.Lines("another source port"); len(lines) != want {
					t.Errorf("%d log lines, want %d: %q", len(lines), want, lines)
				}
				if got := c.Snapshot().ExportersUnsequenced; got != want {
					t.Errorf("%d exporters whose losses cannot be seen, want %d", got, want)
				}
			})
		})
	}
}

// A gap that no later packet closes is logged, too.
func TestSurveyLogsGaps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newTestCollector(t, 1, 1, nil)
		stop := c.startSurveys()
		now := time.Now()
		c.intakes[0][0].handle(from("192.0.2.1:1", v5(0, 30, now), v5(90, 30, now)), now)
		<-time.After(gapPatience)
		if got := c.Snapshot().FlowsMissed; got != 60 { // a scrape counts it
			t.Errorf("%d flows are missed, want 60", got)
		}
		<-time.After(surveyEvery)
		stop()
		if lines := c.log.Lines("flows are missing"); len(lines) != 1 {
			t.Errorf("%d log lines, want 1", len(lines))
		}
	})
}

// Ten parts in a million make 10 s in twelve days.
func TestBootIsKnownThoughClocksDrift(t *testing.T) {
	t.Parallel()
	var q sequence
	const day = 24 * time.Hour
	for _, test := range []struct {
		at, ahead time.Duration
		want      bool
	}{{0, 0, false}, {30 * day, 26 * s, true}, {30*day + s, 2610 * s, false}} {
		p := export{at: test.at, clock: test.ahead, records: 1}
		q.see(p.sighting(), test.at)
		q.since, q.sinceBoot = 0, p.sighting().boot-uint32(test.ahead/ms)
		if got := q.bootKnown(); got != test.want {
			t.Errorf("after %v, %v ahead: known %v, want %v", test.at, test.ahead, got, test.want)
		}
	}
}
