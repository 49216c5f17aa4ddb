package exporter

import "net/netip"

// Stats is what a Generator has done. The numbers are exact once Run has
// returned, and a little apart before that. Every flow numbered is in one of
// Flows, MalformedFlows and WithheldFlows.
type Stats struct {
	Counts
	// Unheard: the last datagram of an exporter was refused, so nobody listens. Only
	// Linux tells.
	Unheard bool
	// Exporters are the same numbers of each exporter, in a fixed order.
	Exporters []SourceStats
}

// SourceStats is what one synthetic exporter has done.
type SourceStats struct {
	Counts
	// Address is where it sends from.
	Address netip.AddrPort
	// EngineType and EngineID are those of its packets.
	EngineType, EngineID uint8
	// Format is what it speaks.
	Format Format
	// FirstSequence was the sequence of its first packet, in its first domain if the
	// format has domains.
	FirstSequence uint32
	// NextSequence will be the sequence of its next packet: it counts flows, modulo
	// 2^32. Of version 5 only.
	NextSequence uint32
}

// Counts are what exporters have sent.
type Counts struct {
	// Datagrams are all that were sent, malformed or not.
	Datagrams uint64
	// Templates are those of them without flows: with templates and options.
	Templates uint64
	// WithheldTemplates were numbered and not sent, see Config.TemplateLoss.
	WithheldTemplates uint64
	// Flows are those in well-formed packets.
	Flows uint64
	// Malformed is how many datagrams were damaged, see Config.MalformedShare.
	Malformed uint64
	// MalformedFlows are the flows that these still hold whole and announce: a
	// tolerant collector reads them.
	MalformedFlows uint64
	// WithheldFlows were numbered and sent in no datagram: their packet was
	// withheld, or damaged so that they cannot be read.
	WithheldFlows uint64
	// Refused is how often the system reported that nobody listens at the
	// target. It does so for some of the datagrams only.
	Refused uint64
}

// Stats returns what was done so far. Any goroutine may call it at any time.
func (g *Generator) Stats() Stats {
	stats := Stats{Exporters: make([]SourceStats, len(g.sources))}
	for i, s := range g.sources {
		e := s.stats()
		stats.Exporters[i] = e
		stats.Datagrams += e.Datagrams
		stats.Templates += e.Templates
		stats.WithheldTemplates += e.WithheldTemplates
		stats.Flows += e.Flows
		stats.Malformed += e.Malformed
		stats.MalformedFlows += e.MalformedFlows
		stats.WithheldFlows += e.WithheldFlows
		stats.Refused += e.Refused
		stats.Unheard = stats.Unheard || s.socket.unheard.Load()
	}
	return stats
}

func (s *source) stats() SourceStats {
	c := &s.counters
	return SourceStats{
		Counts: Counts{
			Datagrams:         c.datagrams.Load(),
			Templates:         c.templates.Load(),
			WithheldTemplates: c.withheldTemplates.Load(),
			Flows:             c.flows.Load(),
			Malformed:         c.malformed.Load(),
			MalformedFlows:    c.malformedFlows.Load(),
			WithheldFlows:     c.withheldFlows.Load(),
			Refused:           s.socket.refused.Load(),
		},
		Address:       s.socket.source,
		Format:        s.format,
		EngineType:    engineType,
		EngineID:      s.engineID,
		FirstSequence: s.firstSequence(),
		NextSequence:  c.sequence.Load(),
	}
}

func (s *source) firstSequence() uint32 {
	if s.format.hasTemplates() {
		return firstOfDomain(s.first, 0)
	}
	return s.first
}
