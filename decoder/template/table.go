package template

import (
	"errors"
	"hash/maphash"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowpub/flowpub/decoder"
)

// Limits of a table: of a stream, an exporter's address, and all.
const (
	maxTemplates        = 1 << 16
	maxAddressTemplates = 2048
	maxDomainTemplates  = 512
	maxDomains          = 256 // an address
	maxPorts            = 16  // that have the same template
	maxAllSamplers      = 1 << 16
)

// How long a template lasts without being sent again or used: three times the longest
// interval at which it was sent, within bounds.
const (
	minLifetime     = 30 * time.Minute
	maxLifetime     = 24 * time.Hour
	refreshesMissed = 3
)

const (
	// regularUses is how many data sets make a newcomer a regular.
	regularUses = 10
	// touchInterval is how often a use is noted.
	touchInterval = time.Second
	// bootTolerance is how far two readings of when an exporter booted may differ.
	bootTolerance = decoder.UnixNano(10 * time.Second)
	numShards     = 64
)

// RefuseReason says why a template was not taken.
type RefuseReason uint8

// The reasons.
const (
	// RefuseMalformed: it goes on behind its set, or contradicts itself. A template
	// that it would replace stays.
	RefuseMalformed RefuseReason = iota
	// RefuseInvalid: its records have no length, its id is below 256, or it has more
	// scopes than fields. What it would replace is gone: data are not in that form.
	RefuseInvalid
	// RefuseLimit: it has too many fields or too long records, or there is no room.
	RefuseLimit

	NumRefuseReasons
)

// String returns the reason's name, which metrics use.
func (r RefuseReason) String() string {
	return [NumRefuseReasons]string{"malformed", "invalid", "limit"}[r]
}

// Table holds the templates of all exporters, and what their options have told, within
// bounds. All readers share one; it is for any number of goroutines.
//
// Moments are durations since any fixed one. They are passed in: a table has no clock.
type Table struct {
	seed     maphash.Seed
	plans    plans
	tracking bool
	shards   [numShards]shard
	counters counters
}

// counters are what Stats tells.
type counters struct {
	templates, provisional, samplers                       atomic.Int64
	changes, withdrawals, evicted, expired, samplersBeyond atomic.Uint64
	mismatched                                             atomic.Uint64
	refused                                                [NumRefuseReasons]atomic.Uint64
}

// Config is what a table is made with.
type Config struct {
	// Elements says which elements are copied as they are; nil selects none.
	Elements *Selection
	// Track has changes noted, for [Table.Changes].
	Track bool
}

// NewTable returns an empty table.
func NewTable(c Config) *Table {
	t := &Table{seed: maphash.MakeSeed(), tracking: c.Track}
	t.plans = plans{elements: c.Elements, seed: maphash.MakeSeed(), index: make(map[uint64]*Plan)}
	for i := range t.shards {
		t.shards[i].init()
	}
	return t
}

// source is who sent a packet. Addresses are IPv6, those of IPv4 mapped.
type source struct {
	domainKey
	port uint16
}

// domainKey names an observation domain.
type domainKey struct {
	address [16]byte
	domain  uint32
	format  decoder.Format
}

// sourceOf returns the source of a packet.
func sourceOf(from netip.AddrPort, h *decoder.Header) source {
	return source{domainKey{from.Addr().As16(), h.ObservationDomain, h.Format}, from.Port()}
}

// shard is the part of the table for some of the addresses.
type shard struct {
	mu      sync.Mutex
	owners  map[[16]byte]*owner
	domains map[domainKey]*domain
	entries rank
	dirty   []*entry  // whose changes have not been told
	news    []*domain // whose options have
	gone    []Key     // which templates are no more, being replaced by an invalid one
}

func (s *shard) init() {
	s.owners = make(map[[16]byte]*owner)
	s.domains = make(map[domainKey]*domain)
	s.entries.level = inShard
}

// owner is an exporter's address.
type owner struct {
	address [16]byte
	entries rank
	domains []*domain
	common  Sampling // of the domains that have one, if it is the same
	shared  *state   // the samplers of all domains that do not contradict each other, or undecided
}

// undecided stands for owner.shared, and for owner.common, once a domain has come, gone or told
// something: what holds is found when flows ask for it, not with each record that tells something.
var undecided = new(state)

// domain is an observation domain of an address. It lives as long as it has templates.
type domain struct {
	key       domainKey
	owner     *owner
	entries   rank
	ids       []uint16 // of its templates, in order
	templates []*entry // of each id; more for other ports are behind by entry.next
	state     *state
	dirty     bool
}

// entry is a template of a domain and a port.
type entry struct {
	plan   *Plan
	domain *domain
	next   *entry
	links  [numLevels]links

	boot                          decoder.UnixNano
	exported                      decoder.UnixNano
	refreshed, touched, announced time.Duration
	interval                      time.Duration // the longest between two refreshes
	id, port                      uint16
	uses                          uint8
	regular, provisional, dirty   bool
	removed                       bool
}

func (t *Table) shardOf(address *[16]byte) *shard {
	return &t.shards[maphash.Bytes(t.seed, address[:])%numShards]
}

// lesson is when a template came, by the reader's and the exporter's clocks.
type lesson struct {
	now          time.Duration
	boot, export decoder.UnixNano
}

// learn takes a template that came from its exporter. It replaces at once what has its id. It
// reports whether it was not known, or not so, and whether it could be taken.
func (t *Table) learn(src source, id uint16, d Definition, when lesson) (changed, taken bool) {
	s := t.shardOf(&src.address)
	s.mu.Lock()
	e := s.get(src, id)
	if e != nil && e.plan.is(&d) && !e.lapsed(when.now) {
		confirmed := e.provisional
		t.refresh(s, e, when)
		s.mu.Unlock()
		return confirmed, true
	}
	s.mu.Unlock()

	p, err := t.plan(s, d)
	if err != nil {
		t.refuse(src, id, err)
		return false, false
	}
	t.makeRoom(s)
	s.mu.Lock()
	defer s.mu.Unlock()
	t.announce(s, t.put(s, src, id, p, when))
	t.counters.changes.Add(1)
	return true, true
}

// refuse counts a template that is not taken, and removes what it would have replaced.
func (t *Table) refuse(src source, id uint16, err error) {
	reason := RefuseInvalid
	if errors.Is(err, errLimit) || errors.Is(err, errFull) {
		reason = RefuseLimit
	}
	t.counters.refused[reason].Add(1)
	s := t.shardOf(&src.address)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.get(src, id); e != nil {
		t.remove(s, e)
		if t.tracking && len(s.gone) < maxGone {
			s.gone = append(s.gone, keyOf(src, id))
		}
	}
}

// get returns the entry of exactly that source, or nil.
func (s *shard) get(src source, id uint16) *entry {
	d := s.domains[src.domainKey]
	if d == nil {
		return nil
	}
	e := d.first(id)
	for e != nil && e.port != src.port {
		e = e.next
	}
	return e
}

// refresh notes that an exporter has sent a template again.
func (t *Table) refresh(s *shard, e *entry, when lesson) {
	if interval := when.now - e.refreshed; interval > e.interval {
		e.interval = interval
	}
	e.refreshed, e.boot, e.exported = when.now, when.boot, when.export
	if e.provisional {
		e.provisional = false
		t.counters.provisional.Add(-1)
		t.announce(s, e)
	}
	if when.now-e.touched >= touchInterval {
		s.touch(e, when.now)
	}
}

// put sets the template of a source to p, which is the entry's from then on. s is locked.
func (t *Table) put(s *shard, src source, id uint16, p *Plan, when lesson) *entry {
	e := s.get(src, id)
	if e == nil {
		e = &entry{id: id, port: src.port, plan: p}
		t.add(s, src.domainKey, e)
	} else {
		t.plans.release(e.plan)
		e.plan = p
		if e.provisional {
			e.provisional = false
			t.counters.provisional.Add(-1)
		}
	}
	e.refreshed, e.boot, e.exported, e.interval = when.now, when.boot, when.export, 0
	s.touch(e, when.now)
	return e
}

// add puts a new entry into its domain, in place of another where that is full.
func (t *Table) add(s *shard, key domainKey, e *entry) {
	d := s.domains[key]
	if d == nil {
		d = t.newDomain(s, key)
	}
	e.domain = d
	d.link(e)
	d.entries.push(e)
	d.owner.entries.push(e)
	s.entries.push(e)
	t.counters.templates.Add(1)
	t.keepPorts(s, e)
	if d.entries.count > maxDomainTemplates {
		t.evict(s, leastBut(&d.entries, e))
	}
	if d.owner.entries.count > maxAddressTemplates {
		t.evict(s, leastBut(&d.owner.entries, e))
	}
}

// leastBut returns the entry of r that is worth the least beside e, which is its newest.
func leastBut(r *rank, e *entry) *entry {
	if least := r.least(); least != e {
		return least
	}
	return r.regulars.oldest
}

// keepPorts removes a port with the template of e when there are too many: the newcomer, or
// if there is none the regular, that was silent for the longest.
func (t *Table) keepPorts(s *shard, e *entry) {
	n, least := 1, e.next
	for other := e.next; other != nil; other = other.next {
		n++
		if other.regular == least.regular && other.touched < least.touched || !other.regular && least.regular {
			least = other
		}
	}
	if n > maxPorts {
		t.evict(s, least)
	}
}

// newDomain adds a domain to an address, in place of another when that has too many.
func (t *Table) newDomain(s *shard, key domainKey) *domain {
	o := s.owners[key.address]
	if o != nil && len(o.domains) >= maxDomains {
		victim := o.leastDomain()
		for e := victim.entries.least(); e != nil; e = victim.entries.least() {
			t.evict(s, e)
		}
		o = s.owners[key.address]
	}
	if o == nil {
		o = &owner{address: key.address, entries: rank{level: inOwner}}
		s.owners[key.address] = o
	}
	d := &domain{key: key, owner: o, entries: rank{level: inDomain}}
	o.domains, o.shared = append(o.domains, d), undecided
	s.domains[key] = d
	return d
}

// leastDomain returns the domain that is worth the least: of those without a regular the one
// that was silent for the longest, otherwise that of the oldest regular.
func (o *owner) leastDomain() *domain {
	for e := o.entries.newcomers.oldest; e != nil; e = e.links[inOwner].newer {
		if e.domain.entries.regulars.oldest == nil {
			return e.domain
		}
	}
	return o.entries.regulars.oldest.domain
}

// touch notes that an entry is in use.
func (s *shard) touch(e *entry, now time.Duration) {
	e.touched = now
	d := e.domain
	for _, r := range [...]*rank{&d.entries, &d.owner.entries, &s.entries} {
		r.remove(e)
	}
	e.regular = e.uses >= regularUses
	for _, r := range [...]*rank{&d.entries, &d.owner.entries, &s.entries} {
		r.push(e)
	}
}

func (t *Table) evict(s *shard, e *entry) {
	t.counters.evicted.Add(1)
	t.remove(s, e)
}

// remove takes an entry out of the table, and its domain and address if it was their
// last.
func (t *Table) remove(s *shard, e *entry) {
	d, o := e.domain, e.domain.owner
	d.entries.remove(e)
	o.entries.remove(e)
	s.entries.remove(e)
	d.unlink(e)
	e.removed = true
	t.plans.release(e.plan)
	t.counters.templates.Add(-1)
	if e.provisional {
		t.counters.provisional.Add(-1)
	}
	if d.entries.count > 0 {
		return
	}
	t.setState(d, nil)
	delete(s.domains, d.key)
	for i, other := range o.domains {
		if other == d {
			o.domains[i] = o.domains[len(o.domains)-1]
			o.domains = o.domains[:len(o.domains)-1]
			break
		}
	}
	o.shared = undecided
	if len(o.domains) == 0 {
		delete(s.owners, o.address)
	}
}

// first returns the first entry of a template id, or nil.
func (d *domain) first(id uint16) *entry {
	i, found := slices.BinarySearch(d.ids, id)
	if !found {
		return nil
	}
	return d.templates[i]
}

// link puts an entry in front of the other ports that have its template.
func (d *domain) link(e *entry) {
	i, found := slices.BinarySearch(d.ids, e.id)
	if found {
		e.next, d.templates[i] = d.templates[i], e
		return
	}
	d.ids, d.templates = slices.Insert(d.ids, i, e.id), slices.Insert(d.templates, i, e)
}

// unlink takes an entry out of the ports that have its template.
func (d *domain) unlink(e *entry) {
	i, _ := slices.BinarySearch(d.ids, e.id)
	first := d.templates[i]
	switch {
	case first != e:
		for first.next != e {
			first = first.next
		}
		first.next = e.next
	case e.next != nil:
		d.templates[i] = e.next
	default:
		d.ids, d.templates = slices.Delete(d.ids, i, i+1), slices.Delete(d.templates, i, i+1)
	}
}

// attempts is how many entries are removed at most to make room for one.
const attempts = 16

// plan returns the plan of a definition. While there is no room for it, entries give way to it: see
// evictFrom. No shard is locked.
func (t *Table) plan(first *shard, d Definition) (p *Plan, err error) {
	for range attempts {
		if p, err = t.plans.acquire(d); !errors.Is(err, errFull) || !t.evictAny(first) {
			return p, err
		}
	}
	return t.plans.acquire(d)
}

// makeRoom removes entries while the table has no room for another one. No shard is locked.
func (t *Table) makeRoom(first *shard) {
	for range attempts {
		if t.counters.templates.Load() < maxTemplates || !t.evictAny(first) {
			return
		}
	}
}

// evictAny removes an entry: of the shard that is about to grow first, newcomers of any before regulars.
func (t *Table) evictAny(first *shard) bool {
	return t.evictFrom(first, false) || t.evictFrom(first, true)
}

// evictFrom removes one entry, of the first shard that has one of that kind.
func (t *Table) evictFrom(first *shard, regular bool) bool {
	begin := 0
	for i := range t.shards {
		if &t.shards[i] == first {
			begin = i
		}
	}
	for i := range t.shards {
		s := &t.shards[(begin+i)%numShards]
		s.mu.Lock()
		e := s.entries.newcomers.oldest
		if regular {
			e = s.entries.regulars.oldest
		}
		if e != nil {
			t.evict(s, e)
		}
		s.mu.Unlock()
		if e != nil {
			return true
		}
	}
	return false
}

// lapsed reports whether an entry is past its lifetime.
func (e *entry) lapsed(now time.Duration) bool {
	lifetime := max(minLifetime, min(maxLifetime, refreshesMissed*e.interval))
	return now-max(e.refreshed, e.touched) > lifetime
}

// use is a data set for which a template is looked for.
type use struct {
	now     time.Duration
	boot    decoder.UnixNano
	records []byte
}

// binding is what was found for a data set.
type binding struct {
	plan        *Plan
	state       *state
	common      Sampling
	shared      *state
	provisional bool
}

// sampling returns what holds for records of the template id that do not say otherwise.
func (b *binding) sampling(id uint16) (s Sampling, source uint64) {
	if b.state.find(samplerKey{scopeTemplate, uint64(id)}, &s) {
		return s, sampledByTemplate
	}
	if s = b.state.domain(); s.Interval != 0 {
		return s, sampledByDomain
	}
	return b.common, sampledByExporter
}

// find returns the template of a data set: that of its port, or that of the others if they
// all have the same.
func (t *Table) find(src source, id uint16, u use) (b binding, found bool) {
	s := t.shardOf(&src.address)
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.domains[src.domainKey]
	if d == nil {
		return b, false
	}
	e := d.find(id, src.port)
	if e == nil {
		return b, false
	}
	if e.lapsed(u.now) {
		t.counters.expired.Add(1)
		t.remove(s, e)
		return b, false
	}
	if e.provisional && !e.fits(&u) {
		t.counters.mismatched.Add(1)
		return b, false
	}
	if e.uses < regularUses {
		e.uses++
	}
	if u.now-e.touched >= touchInterval || !e.regular && e.uses == regularUses {
		s.touch(e, u.now)
	}
	if d.owner.shared == undecided && !e.plan.definition.Options {
		d.owner.agree()
	}
	return binding{e.plan, d.state, d.owner.common, d.owner.shared, e.provisional}, true
}

// find returns the entry for a template id and port, or nil.
func (d *domain) find(id, port uint16) *entry {
	first := d.first(id)
	if first == nil || first.port == port {
		return first
	}
	agree := true
	for e := first.next; e != nil; e = e.next {
		if e.port == port {
			return e
		}
		agree = agree && e.plan == first.plan
	}
	if !agree {
		return nil
	}
	return first
}

// fits reports whether a template that was stored may be used: its exporter has not
// restarted since, and the set is as long as some of its records and padding.
func (e *entry) fits(u *use) bool {
	if apart(e.boot, u.boot) {
		return false
	}
	if e.plan.variable {
		return true
	}
	const maxPadding = 3
	padding := len(u.records) % e.plan.minimum
	return padding <= maxPadding && allZero(u.records[len(u.records)-padding:])
}

// apart reports whether two readings of when an exporter booted are of different boots.
// Zero is not known.
func apart(a, b decoder.UnixNano) bool {
	return a != 0 && b != 0 && max(a, b)-min(a, b) > bootTolerance
}

// learnOptions takes what options records have told.
func (t *Table) learnOptions(src source, updates []update) {
	s := t.shardOf(&src.address)
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.domains[src.domainKey]
	if d == nil {
		return
	}
	next, left := d.state.with(updates)
	t.counters.samplersBeyond.Add(uint64(left))
	if next == d.state {
		return
	}
	if more := len(next.samplers) - d.state.len(); more > 0 && t.counters.samplers.Load() >= maxAllSamplers {
		t.counters.samplersBeyond.Add(uint64(more))
		return
	}
	t.setState(d, next)
	d.owner.shared = undecided
	t.announceOptions(s, d)
}

// setState replaces what a domain's options have told.
func (t *Table) setState(d *domain, next *state) {
	t.counters.samplers.Add(int64(next.len() - d.state.len()))
	d.state = next
}

// agree finds what the domains of an address agree on.
func (o *owner) agree() {
	o.agreeOnDomains()
	o.shared = o.agreeOnSamplers()
}

// agreeOnDomains finds the sampling that all domains have, as far as they have one.
func (o *owner) agreeOnDomains() {
	o.common = Sampling{}
	for _, d := range o.domains {
		s := d.state.domain()
		if s.Interval == 0 {
			continue
		}
		if o.common.Interval != 0 && o.common != s {
			o.common = Sampling{}
			return
		}
		o.common = s
	}
}

// maxSharing bounds the domains whose samplers are compared. Routers that tell of samplers
// in a domain of its own have few.
const maxSharing = 16

// agreeOnSamplers returns the samplers of all domains, but for those that two domains
// describe differently. It is nil if there are none.
func (o *owner) agreeOnSamplers() *state {
	if len(o.domains) < 2 || len(o.domains) > maxSharing {
		return nil
	}
	var told [maxSharing][]sampler // each in the order of the keys
	for i, d := range o.domains {
		told[i] = d.state.ofSamplers()
	}
	shared := &state{}
	for len(shared.samplers) < maxSamplers {
		next, same := takeLeast(told[:len(o.domains)])
		if next == nil {
			break
		}
		if same {
			shared.samplers = append(shared.samplers, *next)
			shared.counts[scopeSampler]++
		}
	}
	if len(shared.samplers) == 0 {
		return nil
	}
	return shared
}

// takeLeast takes the least key off the lists, which are in the order of their keys. It returns one
// of the samplers that have it, nil if there are none, and whether all of these are the same.
func takeLeast(lists [][]sampler) (least *sampler, same bool) {
	for _, l := range lists {
		if len(l) > 0 && (least == nil || l[0].key.compare(least.key) < 0) {
			least = &l[0]
		}
	}
	same = true
	for i, l := range lists {
		if len(l) > 0 && l[0].key == least.key {
			same = same && l[0].Sampling == least.Sampling
			lists[i] = l[1:]
		}
	}
	return least, same
}

// Expire removes the templates past their lifetime, and returns how many.
func (t *Table) Expire(now time.Duration) (removed int) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		for _, list := range [...]*recency{&s.entries.newcomers, &s.entries.regulars} {
			for e := list.oldest; e != nil; {
				newer := e.links[inShard].newer
				if e.lapsed(now) {
					t.remove(s, e)
					removed++
				}
				e = newer
			}
		}
		s.mu.Unlock()
	}
	t.counters.expired.Add(uint64(removed))
	return removed
}

// RefreshInterval returns the longest interval at which an exporter's address has sent one
// of its templates again; zero if it has not done so yet.
func (t *Table) RefreshInterval(address netip.Addr) (longest time.Duration) {
	key := address.As16()
	s := t.shardOf(&key)
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.owners[key]
	if o == nil {
		return 0
	}
	for _, list := range [...]*recency{&o.entries.newcomers, &o.entries.regulars} {
		for e := list.oldest; e != nil; e = e.links[inOwner].newer {
			longest = max(longest, e.interval)
		}
	}
	return longest
}

// Stats is what has become of templates.
type Stats struct {
	// Wire and Stored are the templates there are: of their exporters, and provisional.
	Wire, Stored int64
	// Plans is how many of them differ.
	Plans int
	// Samplers is how many samplings options have told.
	Samplers int64
	// Changes counts templates that were new or differed, Refused those not taken.
	Changes uint64
	Refused [NumRefuseReasons]uint64
	// Withdrawals were ignored; Evicted templates gave their room to others; Expired
	// ones were past their lifetime.
	Withdrawals, Evicted, Expired uint64
	// Mismatched counts data sets that a stored template did not fit.
	Mismatched uint64
	// SamplersRefused counts samplings beyond what a domain may have.
	SamplersRefused uint64
}

// Stats returns what has become of templates until now.
func (t *Table) Stats() Stats {
	c := &t.counters
	stored := c.provisional.Load()
	s := Stats{
		Wire: c.templates.Load() - stored, Stored: stored, Plans: int(t.plans.count.Load()),
		Samplers: c.samplers.Load(), Changes: c.changes.Load(),
		Withdrawals: c.withdrawals.Load(), Evicted: c.evicted.Load(), Expired: c.expired.Load(),
		Mismatched: c.mismatched.Load(), SamplersRefused: c.samplersBeyond.Load(),
	}
	for i := range c.refused {
		s.Refused[i] = c.refused[i].Load()
	}
	return s
}
