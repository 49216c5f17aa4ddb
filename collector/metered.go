package collector

import (
	"cmp"
	"slices"

	"github.com/flowpub/flowpub/internal/inventory"
	"github.com/flowpub/flowpub/internal/telemetry"
)

// candidate is an exporter that may have metrics of its own.
type candidate struct {
	address [16]byte
	account *account
	named   bool // in the file of exporters
}

// meter chooses which exporters have metrics of their own, at most so many: those that are
// named, then those that are regular. Who has them keeps them, so that series do not come and go,
// unless one that is named needs the place.
func (b *accounts) meter(most int, known *inventory.File) {
	if most == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []candidate
	for address, a := range b.by {
		named := known.Name(addressOf(address)) != ""
		_, has := b.metered[address]
		if named || has || a.exporter.standing == regular {
			all = append(all, candidate{address, a, named})
		}
	}
	slices.SortFunc(all, func(x, y candidate) int {
		_, xHas := b.metered[x.address]
		_, yHas := b.metered[y.address]
		return cmp.Or(first(x.named, y.named), first(xHas, yHas), cmp.Compare(y.account.flows, x.account.flows), slices.Compare(x.address[:], y.address[:]))
	})
	b.metered = make(map[[16]byte]struct{}, min(most, len(all)))
	for _, c := range all[:min(most, len(all))] {
		b.metered[c.address] = struct{}{}
	}
}

// first orders those of which something holds before others.
func first(x, y bool) int { return one(y) - one(x) }

// byExporter returns the numbers of the exporters that have metrics of their own, by
// address.
func (c *Collector) byExporter() []telemetry.ExporterNumbers {
	b := c.accounts
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]telemetry.ExporterNumbers, 0, len(b.metered))
	for key := range b.metered {
		a := b.by[key]
		if a == nil {
			continue // it was forgotten since
		}
		address := addressOf(key)
		n := telemetry.ExporterNumbers{
			Address: address.String(), Packets: a.packets, Flows: a.flows, FlowsMissed: a.flowsMissed, PacketsMissed: a.packetsMissed,
			LastHeard: float64(c.started.Add(a.exporter.heard).UnixMilli()) / 1000, Sampling: a.sampling.interval,
		}
		if known := c.inventory.Find(address); known != nil {
			n.Name = known.Name
			n.Sampling = cmp.Or(known.SamplingOverride, n.Sampling)
		}
		all = append(all, n)
	}
	slices.SortFunc(all, func(x, y telemetry.ExporterNumbers) int { return cmp.Compare(x.Address, y.Address) })
	return all
}
