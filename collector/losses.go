package collector

import (
	"log/slog"
	"time"

	"github.com/flowpub/flowpub/internal/config/variable"
	"github.com/flowpub/flowpub/internal/status"
	"github.com/flowpub/flowpub/publisher"
)

// lossEnds is how long nothing more may be lost before a loss counts as over.
const lossEnds = 10 * time.Second

// lossKind is a way in which something gets lost, and what is said of it.
type lossKind struct {
	begins, lasts, ended string // for the log; empty: single exporters' lines tell it
	level                status.Level
	what, why            string // for the status page
	reason               string // a metric's label; empty where there is none
	cure                 string
	count                func(*sample) uint64
}

// lossKinds are all but those of the shutdown, which tells its own.
func lossKinds() []lossKind {
	return []lossKind{
		{
			begins: "the kernel drops datagrams: a receive buffer is full",
			lasts:  "the kernel still drops datagrams: a receive buffer is full",
			ended:  "the kernel drops no more datagrams",
			level:  status.LevelLoss,
			what:   "The kernel drops datagrams",
			why:    "a receive buffer is full: flowpub does not read fast enough, or the buffer is too small for bursts",
			cure:   "give flowpub more CPU, or raise net.core.rmem_max and " + variable.ReceiveBuffer,
			count:  func(s *sample) uint64 { return s.kernelDropped },
		},
		flowLoss(publisher.DropBufferFull, "the buffer is full: Kafka takes less than arrives", "the buffer is full: see why Kafka takes less than arrives, or raise "+variable.BufferBytes),
		flowLoss(publisher.DropTooLarge, "the brokers refuse single records as too large", "raise max.message.bytes of the topic: it refuses single records"),
		flowLoss(publisher.DropRefused, "the brokers call these records invalid", "the brokers call these records invalid: compare their log with the topic's settings"),
		flowLoss(publisher.DropUnconfirmed, "an attempt to deliver them was not answered, so they may be in Kafka",
			"an attempt to deliver them was not answered, so they may be in Kafka: the lines about batches have the error"),
		letterLoss(publisher.DeadLetterBufferFull, "too many wait for Kafka", "too many wait for Kafka: see why it takes fewer than arrive; flows are not affected"),
		letterLoss(publisher.DeadLetterFailed, "their topic refuses them", "the topic for dead letters refuses them: a line before this one has the error; flows are not affected"),
		{
			begins: "log lines are lost: nobody took them in time",
			lasts:  "log lines are still lost: nobody takes them in time",
			ended:  "no more log lines are lost",
			level:  status.LevelNote,
			what:   "Log lines are lost",
			why:    "nobody took them in time",
			cure:   "see what reads the standard error of flowpub",
			count:  func(s *sample) uint64 { return s.logLinesDropped },
		},
		quietLoss("Flows do not arrive", "exporters sent them, and nobody received them here, by the gaps in their sequences", cureMissed,
			func(s *sample) uint64 { return s.flowsMissed }),
		quietLoss("Export packets do not arrive", "exporters sent them, and nobody received them here, by the gaps in their sequences", cureMissed,
			func(s *sample) uint64 { return s.packetsMissed }),
		quietLoss("Samples of sFlow do not arrive", "agents sent them, and nobody received them here, by the gaps in their numbers", cureMissed,
			func(s *sample) uint64 { return s.datagrams.samples.missed }),
		{
			level: status.LevelNote, what: "Agents of sFlow drop samples", why: "they take more than they can send, so their traffic is more than their flows tell",
			cure: "let them sample fewer packets: 1 in a larger number", count: func(s *sample) uint64 { return s.datagrams.samples.agentDropped },
		},
		setLoss(setNoTemplate, "their template does not come, so nobody can say what is in them", "have the exporters repeat their templates every minute"),
		setLoss(setMalformed, "a length in them is impossible", "the log names exporters: look for a defect, or for datagrams that arrive cut"),
		setLoss(setLimit, "their packet has more records than are taken", "the log names exporters: look for a defect, or for forged datagrams"),
	}
}

const cureMissed = "see the exporters that lose below; if the kernel here drops nothing, look at the network on the way from them"

// quietLoss is told by the page only: the log has a line for each exporter.
func quietLoss(what, why, cure string, count func(*sample) uint64) lossKind {
	return lossKind{level: status.LevelLoss, what: what, why: why, cure: cure, count: count}
}

func flowLoss(r publisher.DropReason, why, cure string) lossKind {
	return lossKind{
		begins: "flows are dropped", lasts: "flows are still dropped", ended: "no more flows are dropped",
		level: status.LevelLoss, what: "Flows are dropped: " + r.String(), why: why,
		reason: r.String(), cure: cure,
		count: func(s *sample) uint64 { return s.dropped[r] },
	}
}

func setLoss(r setDropReason, why, cure string) lossKind {
	return lossKind{
		begins: "data sets are dropped", lasts: "data sets are still dropped", ended: "no more data sets are dropped",
		level: status.LevelLoss, what: "Data sets are dropped: " + r.String(), why: why,
		reason: r.String(), cure: cure,
		count: func(s *sample) uint64 { return s.sets.dropped[r] },
	}
}

func letterLoss(o publisher.DeadLetterOutcome, why, cure string) lossKind {
	return lossKind{
		begins: "dead letters are dropped", lasts: "dead letters are still dropped", ended: "no more dead letters are dropped",
		level: status.LevelNote, what: "Dead letters are dropped: " + o.String(), why: why,
		reason: o.String(), cure: cure,
		count: func(s *sample) uint64 { return s.letters[o] },
	}
}

// loss follows one kind.
type loss struct {
	lossKind
	spell
	seen   uint64    // the count when last looked at
	grew   time.Time // when it last did
	total  uint64    // lost in this spell
	unsaid uint64    // of them, not told yet
}

func newLosses() []loss {
	kinds := lossKinds()
	losses := make([]loss, len(kinds))
	for i := range kinds {
		losses[i].lossKind = kinds[i]
	}
	return losses
}

// see looks at a sample and tells what it shows.
func (l *loss) see(s *sample, log *slog.Logger) {
	l.note(s)
	lately := !l.grew.IsZero() && s.at.Sub(l.grew) < lossEnds
	owed := l.unsaid > 0 && !l.said
	before := l.told
	if l.begins == "" { // not for the log
		l.unsaid = 0
		l.spell.see(lately, s.at, 0)
		return
	}
	switch e := l.spell.see(lately || owed, s.at, 0); e {
	case nothing:
	case over:
		l.unsaid = 0
		log.Info(l.ended, l.attributes("total", l.total, "lasted", l.grew.Sub(l.began).Round(time.Second).String())...) //nolint:sloglint // a constant of lossKinds
	case begun:
		l.tell(log, l.begins, s.at.Sub(l.began))
	case goesOn:
		if l.unsaid > 0 {
			l.tell(log, l.lasts, s.at.Sub(before))
		}
	}
}

// note takes over what was lost since the last sample.
func (l *loss) note(s *sample) {
	lost := l.count(s) - l.seen
	if lost == 0 {
		return
	}
	if !l.stands {
		l.total = 0
	}
	l.seen += lost
	l.total += lost
	l.unsaid += lost
	l.grew = s.at
}

// finish tells what is not told yet, at the last sample.
func (l *loss) finish(s *sample, log *slog.Logger) {
	l.note(s)
	switch {
	case l.unsaid == 0, l.begins == "":
	case l.said && l.stands:
		l.tell(log, l.lasts, s.at.Sub(l.told))
	case l.stands:
		l.tell(log, l.begins, s.at.Sub(l.began))
	default:
		l.began = s.at
		l.tell(log, l.begins, 0)
	}
}

// tell says that it is being lost, and how much within a time.
func (l *loss) tell(log *slog.Logger, message string, within time.Duration) {
	args := l.attributes("count", l.unsaid, "within", max(within, watchEvery).Round(time.Second).String(), "total", l.total,
		"since", l.began.UTC().Format(time.RFC3339), "cure", l.cure)
	log.Warn(message, args...) //nolint:sloglint // a constant of lossKinds
	l.unsaid = 0
}

// attributes puts the reason, where there is one, before others.
func (l *loss) attributes(others ...any) []any {
	if l.reason == "" {
		return others
	}
	return append([]any{"reason", l.reason}, others...)
}
