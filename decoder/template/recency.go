package template

// level is one of the lists that an entry is in.
type level uint8

const (
	inDomain level = iota
	inOwner
	inShard
	numLevels
)

// links are an entry's neighbours in a list.
type links struct{ older, newer *entry }

// recency is a list of entries in the order of their use, linked through them.
type recency struct{ oldest, newest *entry }

// rank holds the entries of a level: newcomers apart from regulars, so that
// newcomers displace each other first.
type rank struct {
	level               level
	count               int
	newcomers, regulars recency
}

func (r *rank) listOf(e *entry) *recency {
	if e.regular {
		return &r.regulars
	}
	return &r.newcomers
}

// push adds an entry as the newest.
func (r *rank) push(e *entry) {
	list, l := r.listOf(e), &e.links[r.level]
	l.older, l.newer = list.newest, nil
	if list.newest != nil {
		list.newest.links[r.level].newer = e
	} else {
		list.oldest = e
	}
	list.newest = e
	r.count++
}

// remove takes an entry out.
func (r *rank) remove(e *entry) {
	list, l := r.listOf(e), &e.links[r.level]
	if l.older != nil {
		l.older.links[r.level].newer = l.newer
	} else {
		list.oldest = l.newer
	}
	if l.newer != nil {
		l.newer.links[r.level].older = l.older
	} else {
		list.newest = l.older
	}
	*l = links{}
	r.count--
}

// least returns the entry that is worth the least, or nil.
func (r *rank) least() *entry {
	if r.newcomers.oldest != nil {
		return r.newcomers.oldest
	}
	return r.regulars.oldest
}
