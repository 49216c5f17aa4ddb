package collector

import (
	"log/slog"
	"time"
)

// summary logs now and then what became of everything meanwhile, if that is asked for.
type summary struct {
	every     time.Duration // 0: never
	exporters func() int    // heard lately
	last      sample        // that was told
}

// see looks at a sample.
func (m *summary) see(s *sample, log *slog.Logger) {
	// A tick that comes a little early is the one.
	if within := s.at.Sub(m.last.at); m.every > 0 && within > m.every-watchEvery/2 {
		m.tell(s, within, log)
		m.last = *s
	}
}

// tell writes the line.
func (m *summary) tell(s *sample, within time.Duration, log *slog.Logger) {
	l := &m.last
	flows := s.decoded - l.decoded
	log.Info("summary",
		"within", within.Round(time.Second).String(),
		"exporters", m.exporters(),
		"datagrams_received", s.datagrams.received-l.datagrams.received,
		"datagrams_rejected", total(s.datagrams.rejected[:])-total(l.datagrams.rejected[:]),
		"datagrams_kernel_dropped", s.kernelDropped-l.kernelDropped,
		"data_sets_dropped", total(s.sets.dropped[:])-total(l.sets.dropped[:]),
		"flows_decoded", flows,
		"flows_a_second", whole(float64(flows)/within.Seconds()),
		"flows_delivered", s.delivered-l.delivered,
		"flows_dropped", dropped(s)-dropped(l),
		"flows_buffered", s.buffered,
		"flows_missed", s.flowsMissed-l.flowsMissed,
		"export_packets_missed", s.packetsMissed-l.packetsMissed,
	)
}

// heard is how many exporters were heard lately, as of the last survey.
func (b *accounts) heard() (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range b.by {
		n += one(b.at-a.exporter.heard <= recently)
	}
	return n
}
