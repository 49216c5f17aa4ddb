package collector

import "time"

const (
	// recently is how long an exporter counts as heard, and a loss as recent.
	recently = 5 * time.Minute
	// silentFor is how long an exporter counts as silent; then it is taken for
	// one that was put out of service.
	silentFor = 24 * time.Hour
	// maxClockSkew is how far an exporter's clock may be from ours.
	maxClockSkew = time.Minute
)

// exporter is what all streams of one address tell.
type exporter struct {
	packets                     uint64
	heard                       time.Duration
	losing, unsequenced, skewed bool
}

// exporters gathers the streams of all sockets by address: one exporter may
// send from several ports, to several sockets. It holds at most as many entries
// as there are streams, and only while a snapshot is taken.
type exporters map[[16]byte]exporter

// add takes a stream into account at the moment now.
func (all exporters) add(st *stream, now time.Duration) {
	e, known := all[st.key.address]
	e.packets += uint64(st.packets)
	if !known || st.heard > e.heard {
		e.heard = st.heard
	}
	if now-st.heard <= recently {
		e.losing = e.losing || st.lossy && now-st.lost <= recently
		e.unsequenced = e.unsequenced || st.unsequenced
		e.skewed = e.skewed || st.skewed
	}
	all[st.key.address] = e
}

// census is how many exporters there are of each kind.
type census struct{ heard, silent, losing, unsequenced, skewed int }

func (all exporters) count(now time.Duration) (c census) {
	for _, e := range all {
		silence := now - e.heard
		switch {
		case silence <= recently:
			c.heard++
			c.losing += one(e.losing)
			c.unsequenced += one(e.unsequenced)
			c.skewed += one(e.skewed)
		case e.packets >= regularPackets && silence <= silentFor:
			c.silent++
		}
	}
	return c
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
