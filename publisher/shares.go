package publisher

import (
	"fmt"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/flowpub/flowpub/internal/config/variable"
	"github.com/flowpub/flowpub/internal/notice"
	"github.com/flowpub/flowpub/publisher/memory"
)

// shares tells the budget who shares it, whenever a topic's layout changes. It is
// safe for concurrent use.
type shares struct {
	budget  *memory.Budget
	notices *notice.Limiter
	// unknown is how many partitions a topic is taken for that is not known.
	unknown int
	enough  atomic.Int64 // what the budget should be at least

	mu      sync.Mutex
	layouts map[string]*layout // by topic
}

func newShares(c *core) *shares {
	return &shares{budget: c.budget, notices: c.notices, unknown: max(1, c.cfg.CreateTopic.Partitions), layouts: make(map[string]*layout)}
}

// set takes note of topics' layouts, and warns when there are too many partitions
// for the budget.
func (s *shares) set(changed map[string]*layout) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.Copy(s.layouts, changed)
	var partitions, stages []*memory.Account
	unknown := 0
	for _, l := range s.layouts {
		if len(l.partitions) == 0 {
			unknown++
		}
		for _, part := range l.partitions {
			partitions = append(partitions, &part.account)
		}
		for _, st := range l.stages {
			stages = append(stages, st.waits.account)
		}
	}
	s.budget.SetAccounts(partitions, stages, unknown)
	s.warn(len(partitions) + unknown*s.unknown)
}

// warn warns of a budget that cannot hold a packet for each of n partitions.
func (s *shares) warn(n int) {
	enough := s.budget.Enough(n)
	s.enough.Store(enough)
	if enough > s.budget.Limit() {
		s.notices.Warn("buffer", "the buffer is too small to hold a packet for each partition: while some partitions fail, flows for others may be dropped",
			"buffer", ByteSize(s.budget.Limit()), "partitions", n, "cure", fmt.Sprintf("set %s=%v or more", variable.BufferBytes, ByteSize(enough)))
	}
}
