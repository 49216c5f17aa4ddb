package main

import (
	"context"
	"errors"
	"time"
)

const (
	searchStart = 250_000         // flows a second
	searchFloor = 10_000          // below this it gives up
	searchProbe = 5 * time.Second // how long a rate is tried
	searchSteps = 20              // the result is exact to one in so many
	// keptUp is the part of a rate that the generator must have made.
	keptUp = 0.98
)

// errNoLossless: the search found nothing.
var errNoLossless = errors.New("flows are lost at every rate")

// attempt measures a rate for a time. It is fine if nothing was lost and the
// generator made the rate.
type attempt func(rate int, duration time.Duration) (r result, fine bool, err error)

// search looks for the highest rate that loses nothing for the duration. The
// result is that of a measurement which lasted so long and lost nothing.
func (b *bed) search(ctx context.Context, duration time.Duration) (result, error) {
	return highest(duration, func(rate int, duration time.Duration) (result, bool, error) {
		r, err := b.measure(ctx, rate, duration)
		made := float64(r.sent) >= keptUp*float64(rate)*r.took.Seconds()
		return r, r.lost() == 0 && made, err
	})
}

// highest doubles the rate until an attempt is not fine, halves what is between,
// and then tries for the whole duration.
func highest(duration time.Duration, try attempt) (result, error) {
	good, bad := 0, 0
	for rate := searchStart; bad == 0 || bad-good > bad/searchSteps; {
		if rate < searchFloor {
			return result{}, errNoLossless
		}
		_, fine, err := try(rate, min(duration, searchProbe))
		if err != nil {
			return result{}, err
		}
		if fine {
			good = rate
		} else {
			bad = rate
		}
		if rate = 2 * good; bad > 0 {
			rate = (good + bad) / 2
		}
	}
	return confirm(good, duration, try)
}

// confirm tries a rate for the whole duration, and lower ones until one is fine.
func confirm(rate int, duration time.Duration, try attempt) (result, error) {
	for ; rate >= searchFloor; rate -= rate / searchSteps {
		r, fine, err := try(rate, duration)
		if err != nil || fine {
			return r, err
		}
	}
	return result{}, errNoLossless
}
