package collector

import (
	"time"

	"github.com/flowpub/flowpub/decoder"
)

const (
	// recently is how long an exporter counts as heard, and a loss as recent.
	recently = 5 * time.Minute
	// silentFor is how long an exporter counts as silent; then it is taken for
	// one that was put out of service.
	silentFor = 24 * time.Hour
	// maxClockSkew is how far an exporter's clock may be from ours.
	maxClockSkew = time.Minute
	// An exporter changes ports if changingPorts of its streams or more, and
	// nine in ten, hold a single packet, all of one boot time as far as is known.
	changingPorts = 32
)

// exporter is what all streams of one address tell.
type exporter struct {
	standing                    standing // the best of its streams
	heard                       time.Duration
	losing, unsequenced, skewed bool

	newest  life      // of its streams, the one heard last
	several bool      // two of its ports tell different boot times
	ports   [2]uint16 // those

	streams, singles int    // heard recently, and those of them with one packet
	singleBoot       uint32 // of one whose uptime tells it
	singleBooted     bool
	scattered        bool // the singles have several boot times
}

// life is the time between a boot and the last packet, as one stream tells it.
// The zero value is no life.
type life struct {
	known        bool
	port         uint16
	format       decoder.Format
	boot         uint32
	since, heard time.Duration
}

// differs reports whether two lives cannot be of one device: their boot times
// differ, and neither was over when the other began.
func (l *life) differs(o *life) bool {
	return l.known && o.known && l.format == o.format && l.port != o.port &&
		bootDistance(l.boot, o.boot) > bootTolerance && l.heard > o.since && o.heard > l.since
}

// exporters gathers the streams of all sockets by address: one exporter may
// send from several ports, to several sockets. It holds at most as many entries
// as there are streams, and only while a snapshot or a survey is taken.
type exporters map[[16]byte]exporter

// add takes a stream into account at the moment now.
func (all exporters) add(st *stream, now time.Duration) {
	e, known := all[st.key.address]
	e.standing = max(e.standing, st.standing)
	if !known || st.heard > e.heard {
		e.heard = st.heard
	}
	if now-st.heard <= recently {
		e.losing = e.losing || st.lossy && now-st.lost <= recently
		e.unsequenced = e.unsequenced || st.unsequenced
		e.skewed = e.skewed || st.skewed
		e.compare(st)
		e.countPort(st)
	}
	all[st.key.address] = e
}

// compare finds out whether the stream is another device than the one before.
func (e *exporter) compare(st *stream) {
	l := life{known: st.bootKnown(), port: st.key.port, format: st.key.Format, boot: st.boot, since: st.since, heard: st.heard}
	if e.newest.differs(&l) {
		e.several, e.ports = true, [2]uint16{e.newest.port, l.port}
	}
	if l.known && l.heard >= e.newest.heard {
		e.newest = l
	}
}

// countPort takes note of how many packets came from the stream's port.
func (e *exporter) countPort(st *stream) {
	e.streams++
	if st.packets != 1 {
		return
	}
	e.singles++
	if st.uptime == 0 {
		return
	}
	e.scattered = e.scattered || e.singleBooted && bootDistance(st.boot, e.singleBoot) > bootTolerance
	e.singleBoot, e.singleBooted = st.boot, true
}

// changesPorts reports whether each packet comes from another port.
func (e *exporter) changesPorts() bool {
	return e.singles >= changingPorts && 10*e.singles >= 9*e.streams && !e.scattered
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
			c.unsequenced += one(e.unsequenced || e.changesPorts())
			c.skewed += one(e.skewed)
		case e.standing == regular && silence <= silentFor:
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
