package collector

import (
	"log/slog"
	"time"

	"github.com/flowpub/flowpub/internal/config/variable"
)

const (
	// outageBegins is how long Kafka may leave flows waiting, beside the time that
	// they linger, before that is told: leaders change within a second or two.
	outageBegins = 3 * time.Second
	// fillWindow is the time over which the buffer's growth is measured.
	fillWindow = 10 * time.Second
	// fillPause is how many samples without growth end the growth.
	fillPause = 3
	// fillSoon is what is told of a buffer that is half full: when it will be full.
	fillSoon = 10 * time.Minute
)

// outage follows how Kafka takes flows, as a whole: which broker fails, and why, is
// the publisher's to tell.
type outage struct {
	spell
	linger    time.Duration // of the publisher
	delivered uint64        // when last looked at
	took      time.Time     // when Kafka last took something
	moved     time.Time     // when it last did, or nothing waited
	most      uint64        // flows that waited in this spell
	atFirst   uint64        // delivered when the spell began
}

// see looks at a sample and tells what it shows.
func (o *outage) see(s *sample, full string, log *slog.Logger) {
	if s.delivered > o.delivered {
		o.delivered, o.took, o.moved = s.delivered, s.at, s.at
	}
	if s.buffered == 0 || o.moved.IsZero() {
		o.moved = s.at
	}
	late := o.linger + watchEvery
	standing := s.at.Sub(o.moved) > late
	unreached := s.unreached && s.at.Sub(o.took) > late // a cluster that tells nothing may take all the same
	wrong := standing || unreached || s.failing > 0
	if wrong && !o.stands {
		o.most, o.atFirst = 0, s.delivered
	}
	o.most = max(o.most, s.buffered)
	e := o.spell.see(wrong, s.at, outageBegins)
	if first := o.moved.Add(watchEvery); o.stands && first.Before(o.began) {
		o.began = first
	}
	switch e {
	case nothing:
	case over:
		log.Info("Kafka is back: it takes flows again",
			"after", s.at.Sub(o.began).Round(time.Second).String(), "flows_waited", o.most)
	case begun, goesOn:
		o.tell(s, full, log)
	}
}

// tell says that flows wait.
func (o *outage) tell(s *sample, full string, log *slog.Logger) {
	message := "Kafka takes no flows: they wait in the buffer, and none is lost while it has room"
	if s.failing > 0 && s.delivered > o.atFirst {
		message = "Kafka takes a part of the flows only: the others wait in the buffer, and none is lost while it has room"
	}
	args := []any{
		"for", s.at.Sub(o.began).Round(time.Second).String(), "flows_waiting", s.buffered,
		"partitions_failing", s.failing, "partitions", s.partitions,
	}
	if full != "" {
		args = append(args, "full_in", full)
	}
	log.Warn(message, append(args, "cure", "the lines about metadata and batches name the broker, the error and its cure")...) //nolint:sloglint // one of two
}

// filling follows how the buffer fills.
type filling struct {
	spell
	past []fill // of the last fillWindow, the oldest first
}

// fill is what the buffer held at a moment.
type fill struct {
	at    time.Time
	bytes int64
}

// see looks at a sample, tells what it shows, and returns in which time the buffer
// will be full; empty when it does not grow.
func (f *filling) see(s *sample, log *slog.Logger) (full string) {
	for len(f.past) > 0 && s.at.Sub(f.past[0].at) > fillWindow {
		f.past = f.past[1:]
	}
	f.past = append(f.past, fill{s.at, s.bytes})
	left, grows := f.left(s.limit)
	if grows {
		full = "about " + left.Round(time.Second).String() + " at this rate"
	}
	wrong := grows && left <= fillSoon && s.bytes >= s.limit/2 || f.stands && s.bytes >= s.limit/4
	switch f.spell.see(wrong, s.at, 0) {
	case nothing:
	case over:
		log.Info("the buffer is emptying", "buffer_bytes", s.bytes, "limit", s.limit)
	case begun, goesOn:
		if grows {
			log.Warn("the buffer is filling: Kafka takes less than arrives", "full_in", full, "buffer_bytes", s.bytes, "limit", s.limit,
				"flows_waiting", s.buffered, "cure", "see why Kafka is slow or away, or raise "+variable.BufferBytes+"; when it is full, flows are dropped")
		}
	}
	return full
}

// left is the time until the buffer is full at the rate of the last seconds.
func (f *filling) left(limit int64) (left time.Duration, grows bool) {
	if len(f.past) == 0 { // samples in which a buffer was given up are not seen
		return 0, false
	}
	first, last := f.past[0], f.past[len(f.past)-1]
	grown := last.bytes - first.bytes
	if grown <= 0 || last.bytes <= f.past[max(0, len(f.past)-1-fillPause)].bytes {
		return 0, false
	}
	seconds := float64(limit-last.bytes) / float64(grown) * last.at.Sub(first.at).Seconds()
	return time.Duration(max(0, min(seconds, (24*time.Hour).Seconds())) * float64(time.Second)), true
}
