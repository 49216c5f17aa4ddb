package template

import "time"

// Summary is what is known of an exporter's templates.
type Summary struct {
	// Templates is how many there are, options templates too.
	Templates int
	// Refreshed is when the exporter last sent one of them.
	Refreshed time.Duration
}

// Summaries returns that of each exporter with templates, by its address, an IPv4 one
// mapped to IPv6.
func (t *Table) Summaries() map[[16]byte]Summary {
	all := make(map[[16]byte]Summary)
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		for address, o := range s.owners {
			sum := Summary{Templates: o.entries.count}
			for _, list := range [...]*recency{&o.entries.newcomers, &o.entries.regulars} {
				for e := list.oldest; e != nil; e = e.links[inOwner].newer {
					sum.Refreshed = max(sum.Refreshed, e.refreshed)
				}
			}
			all[address] = sum
		}
		s.mu.Unlock()
	}
	return all
}
