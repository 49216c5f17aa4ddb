package tail

import (
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/flowpub/flowpub/internal/tail/flow"
)

// output is what becomes of flows.
type output interface {
	// begin is called before the first flow.
	begin() error
	// add takes a flow, which is valid until it returns.
	add(f *flow.Flow) error
	// idle is called when no flow waits.
	idle() error
	// end completes it.
	end() error
}

// message is a Kafka message, or the same made of a datagram, and where it was found.
type message struct {
	value     []byte
	told      flow.Form // by a header; Auto: by none
	topic     string
	partition int32
	offset    int64
}

// sink takes messages: it decodes them, leaves out what is not wanted, and hands the rest
// to an output. It belongs to one goroutine.
type sink struct {
	cfg     *Config
	decoder flow.Decoder
	pace    pace
	output  output
	flow    flow.Flow
	summary Summary
	// taken is how many messages there were, for whoever watches.
	taken atomic.Int64
}

func newSink(cfg *Config) *sink {
	return &sink{
		cfg:     cfg,
		decoder: flow.Decoder{Form: cfg.Value},
		pace:    pace{perSecond: cfg.MaxPerSecond},
		output:  outputOf(cfg),
		summary: Summary{Datagrams: cfg.Packets},
	}
}

// outputOf returns what becomes of flows.
func outputOf(cfg *Config) output {
	switch {
	case len(cfg.Top.Keys) > 0:
		return newRanking(cfg)
	case cfg.Format == FormatParquet:
		return newParquet(cfg)
	case cfg.Format == FormatNone || cfg.Packets:
		return nothing{}
	default:
		return newPrinter(cfg)
	}
}

// begin begins the output.
func (s *sink) begin() error {
	if err := s.output.begin(); err != nil {
		return printing(err)
	}
	return s.idle()
}

// decode decodes a message: as it was asked for, or as its header says, or as it looks.
func (s *sink) decode(m *message) error {
	if s.cfg.Value == flow.Auto && m.told != flow.Auto {
		return s.flow.Decode(m.told, m.value)
	}
	return s.decoder.Decode(&s.flow, m.value)
}

// take takes a message. It returns errEnough behind the last one that is wanted.
func (s *sink) take(m *message) error {
	if err := s.decode(m); err != nil {
		return s.undecodable(m, err)
	}
	if !s.cfg.Filter.Match(&s.flow) {
		s.summary.Unwanted++
		return nil
	}
	if s.pace.perSecond > 0 && !s.pace.allow(time.Now()) {
		s.summary.PassedOver++
		return nil
	}
	if err := s.output.add(&s.flow); err != nil {
		return printing(err)
	}
	s.summary.Printed++
	if s.summary.Printed == s.cfg.Limit && len(s.cfg.Top.Keys) == 0 {
		return errEnough
	}
	return nil
}

// idle tells the output that no message waits.
func (s *sink) idle() error {
	s.taken.Store(int64(s.summary.flows() + s.summary.Undecodable))
	if err := s.output.idle(); err != nil {
		return printing(err)
	}
	return nil
}

func printing(err error) error { return fmt.Errorf("tail: printing: %w", err) }

const (
	// formsTried is for how many undecodable messages the other forms are tried.
	formsTried = 100
	// hopeless is how many messages in a row are read before it is given up that one of
	// them is a flow record, when none was.
	hopeless = 1000
)

// errHopeless: there were messages, and none was a flow record. Summary.unreadable says more.
var errHopeless = fmt.Errorf("tail: no flow records: %w", errEnough)

// undecodable counts a message that is no flow record. The first one is logged: where
// there is one, there are many.
func (s *sink) undecodable(m *message, reason error) error {
	if s.cfg.Value != flow.Auto && s.summary.OtherForm == "" && s.summary.Undecodable < formsTried {
		if form, ok := flow.FormOf(m.value); ok {
			s.summary.OtherForm = form.String()
		}
	}
	if s.summary.Undecodable == 0 {
		s.cfg.Logger.Warn("a message is not a flow record; others like it are only counted",
			"topic", m.topic, "partition", m.partition, "offset", m.offset, "error", reason, "cure", s.summary.cure(s.cfg))
	}
	s.summary.Undecodable++
	if s.summary.flows() == 0 && s.summary.Undecodable >= hopeless {
		return errHopeless
	}
	return nil
}

// allRead is called when all messages have been read that there were in the beginning. If
// none of them is a flow record, the others will not be either.
func (s *sink) allRead() error {
	if s.summary.Undecodable > 0 && s.summary.flows() == 0 {
		return errHopeless
	}
	return nil
}

// nothing is the output of those who only count.
type nothing struct{}

func (nothing) begin() error         { return nil }
func (nothing) add(*flow.Flow) error { return nil }
func (nothing) idle() error          { return nil }
func (nothing) end() error           { return nil }

// pace lets so many flows a second pass, in small groups: the flows of a packet
// come at once.
type pace struct {
	perSecond int       // 0: all pass
	began     time.Time // of this group
	passed    int       // in this group
}

// groupsPerSecond is how many groups a second has, unless fewer flows pass.
const groupsPerSecond = 4

// allow reports whether a flow may pass now.
func (p *pace) allow(now time.Time) bool {
	if p.perSecond == 0 {
		return true
	}
	group := max(1, p.perSecond/groupsPerSecond)
	if now.Sub(p.began) >= time.Duration(group)*time.Second/time.Duration(p.perSecond) {
		p.began, p.passed = now, 0
	}
	if p.passed >= group {
		return false
	}
	p.passed++
	return true
}

// watch rewrites a line each second with how far a run is. The function it returns ends
// that.
func watch(cfg *Config, s *sink) (stop func()) {
	if cfg.Progress == nil {
		return func() {}
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		showProgress(cfg.Progress, s, done)
	}()
	return func() {
		close(done)
		<-ended
	}
}

// clearLine goes to the beginning of a terminal's line and empties it.
const clearLine = "\r\x1b[K"

func showProgress(w io.Writer, s *sink, done <-chan struct{}) {
	began, last := time.Now(), int64(0)
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			fmt.Fprint(w, clearLine)
			return
		case now := <-ticker.C:
			taken := s.taken.Load()
			fmt.Fprintf(w, "%s%v: %s flows read, %s/s", clearLine, now.Sub(began).Round(time.Second),
				appendSI(nil, float64(taken)), appendSI(nil, float64(taken-last)))
			last = taken
		}
	}
}
