package collector

import "time"

// tellEvery is how often the same is told at most.
const tellEvery = time.Minute

// spell is a time in which something is not as it should be: flows are dropped, or
// Kafka takes none. It decides what of that is worth a line of the log: its
// beginning, once a minute that it lasts, its end. Spells that follow each other
// closely share that rate.
type spell struct {
	stands bool
	said   bool      // that it stands
	began  time.Time // the spell
	told   time.Time // the last line that said so, of this spell or one before
}

// event is what is to be told of a spell now.
type event uint8

const (
	nothing event = iota
	begun
	goesOn
	over
)

// see takes note of whether something is wrong at a moment, and returns what is to
// be told. What lasts shorter than patience is not worth telling.
func (s *spell) see(wrong bool, at time.Time, patience time.Duration) event {
	switch {
	case !wrong:
		ended := s.stands && s.said
		s.stands = false
		if ended {
			return over
		}
		return nothing
	case !s.stands:
		s.stands, s.said, s.began = true, false, at
	}
	if at.Sub(s.began) < patience || !s.told.IsZero() && at.Sub(s.told) < tellEvery {
		return nothing
	}
	s.told = at
	if s.said {
		return goesOn
	}
	s.said = true
	return begun
}
