package demo

import (
	"fmt"
	"net/netip"
)

const banner = `flowpub: broker, collector, exporters and a consumer in one process. Ctrl-C ends it.

  Exports     udp://%[1]v   %[2]s
  Kafka       %[3]s   topic %[4]s, %[5]d partitions
  HTTP        http://%[6]v   the status page, and /metrics
  Flows       %[9]s

Try in another terminal:
  go run ./cmd/flowtail -brokers %[3]s -topic %[4]s -format json
  kcat -C -b %[3]s -t %[4]s -f '%%k: partition %%p, offset %%o, %%S bytes\n'
  go run ./cmd/flowgen -target %[7]v -rate 10000 -format v9,ipfix -ipv6 0.5
  curl -s http://%[6]v/metrics | grep ^flowpub_
%[8]s

`

// printBanner says where the parts listen, and what to try.
func (d *demo) printBanner() {
	netflow := d.collector.Addrs()[0]
	fmt.Fprintf(d.cfg.Out, banner, netflow, d.describeExporters(), d.broker.Addr(), topic, partitions,
		d.collector.HTTPAddr(), reachable(netflow), routerHint(netflow), d.describePace())
}

func (d *demo) describeExporters() string {
	if d.generator == nil {
		return "no exporters here: waiting for yours"
	}
	return fmt.Sprintf("%d exporters here send %g flows/s of synthetic traffic, as %s in turn", d.cfg.Exporters, d.cfg.Rate, formatList)
}

// describePace says how many of the flows are shown.
func (d *demo) describePace() string {
	if d.cfg.MaxPerSecond == 0 {
		return "all are printed below"
	}
	return fmt.Sprintf("at most %d a second are printed below; all are in the topic, and -pace 0 prints all", d.cfg.MaxPerSecond)
}

// routerHint says how a real exporter joins.
func routerHint(netflow netip.AddrPort) string {
	if netflow.Addr().IsLoopback() {
		return fmt.Sprintf("\nFor routers to join, run it with -listen :%d; they cannot reach a loopback address.", netflow.Port())
	}
	return fmt.Sprintf(`
For a router to join, as Cisco IOS has it:
  ip flow-export version 5
  ip flow-export destination <address of this machine> %d
docs/routers.md has others, and version 9, IPFIX and sFlow.`, netflow.Port())
}

// reachable returns the address by which this machine reaches a socket bound to
// addr.
func reachable(addr netip.AddrPort) netip.AddrPort {
	if addr.Addr().IsUnspecified() {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), addr.Port())
	}
	return addr
}
