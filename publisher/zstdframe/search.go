package zstdframe

import (
	"encoding/binary"
	"math/bits"
)

const (
	// hostSlots is the number of slots in each table of hosts.
	hostBits  = 12
	hostSlots = 1 << hostBits
	// exporterSlots is that of the table of exporters' last packets, sizeSlots that
	// of a packet's records of one size.
	exporterBits  = 6
	exporterSlots = 1 << exporterBits
	sizeSlots     = 64

	// exporterHead is how much of a packet's constants tells exporters apart.
	exporterHead = 16

	// worthwhile is the shortest match, except where less is known to pay.
	worthwhile = 5
	// wordLen is how many bytes are looked up of what is behind the addresses, where
	// fields have a tag of two bytes, and no place of their own.
	wordLen = 5
	// timeHead is how many of a time's 8 bytes, in ns, are not looked at, since
	// times that are seconds apart differ in them.
	timeHead = 5
)

// search finds what of the records stood earlier. All numbers of records in its tables
// are one more than the record's, and 0 for none.
type search struct {
	src     []byte
	marks   []Mark
	suffix  int // of all records
	record  int // the next
	at      int // where the next block begins
	literal int // where the literals begin that are not in the block yet
	end     int // of the block
	repeats [3]uint32

	packet    int // the first record of the current packet
	last      int // the record before, of those whose marks can be true; -1 for none
	exporters [exporterSlots]uint32
	sizes     [sizeSlots]uint32
	pairs     [hostSlots]uint32
	sources   [hostSlots]uint32
	targets   [hostSlots]uint32
	// known is where some bytes of fields stood last, 0 for nowhere.
	known [hostSlots]uint32
}

// begin prepares for a frame.
func (s *search) begin(src []byte, marks []Mark, suffix int) {
	*s = search{src: src, marks: marks, suffix: suffix, repeats: [3]uint32{1, 4, 8}, last: -1}
}

// run puts the next block's literals and sequences into b.
func (s *search) run(b *block) {
	s.literal = s.at
	s.end = min(s.at+maxBlock, len(s.src))
	for ; s.record < len(s.marks); s.record++ {
		from, to, ok := s.bounds(s.record)
		if from >= s.end {
			break
		}
		if to > s.end && from > s.at && from >= s.literal {
			s.end = from // the next block begins with this record
			break
		}
		if ok && from >= s.literal && to <= s.end {
			s.find(b, from, to, &s.marks[s.record])
		}
	}
	b.literals = append(b.literals, s.src[s.literal:s.end]...)
	s.at = s.end
}

// bounds returns where a record begins and ends, and whether its mark can be true.
func (s *search) bounds(record int) (from, to int, ok bool) {
	m := &s.marks[record]
	to = len(s.src)
	if record+1 < len(s.marks) {
		to = int(s.marks[record+1].Start)
	}
	from = int(m.Start)
	if from > to || to > len(s.src) {
		return 0, 0, false
	}
	n := to - from
	if int(m.Fields) > n || m.Key > m.Message || int(m.Message) > int(m.Fields) {
		return from, to, false
	}
	if m.AddressSize == 0 {
		return from, to, true
	}
	size, header := int(m.AddressSize), int(m.Header)
	times := m.StartTime == 0 || m.Fields < m.StartTime && int(m.StartTime)+8 < int(m.EndTime) && int(m.EndTime)+8 <= header
	return from, to, times && (size == 4 || size == 16) && int(m.Fields) <= header && header <= int(m.SourceAddress) &&
		int(m.SourceAddress)+size <= int(m.NextHop) && m.NextHop <= m.Destination && int(m.Destination)+size <= int(m.Tail) && int(m.Tail) <= n
}

// find looks for what stood earlier of the record from..to-1.
func (s *search) find(b *block, from, to int, m *Mark) {
	if m.First {
		s.packet = s.record
	}
	size := (to - from) % sizeSlots
	earlier := int(s.sizes[size]) - 1
	if earlier < s.packet {
		earlier = s.last
		if m.First {
			earlier = s.exporter(from, m)
		}
	}
	s.sizes[size], s.last = uint32(s.record)+1, s.record
	if earlier >= 0 {
		s.constants(b, from, to, m, earlier)
	}
	if m.AddressSize != 0 {
		s.fields(b, from, to, m, earlier)
	}
	if s.literal < to && s.suffix > 0 {
		s.match(b, to-s.suffix, from-s.suffix, to)
	}
}

// fields looks for what stood earlier of the fields behind the constants.
func (s *search) fields(b *block, from, to int, m *Mark, earlier int) {
	if earlier >= 0 && s.marks[earlier].AddressSize == 0 {
		earlier = -1
	}
	if earlier >= 0 && m.StartTime != 0 && s.marks[earlier].StartTime != 0 {
		s.times(b, from, to, m, earlier)
	}
	if m.StartTime == 0 { // little else tells records apart
		s.words(b, from+int(m.Header), from+int(m.SourceAddress), to)
	}
	s.hosts(b, from, to, m, earlier)
	if earlier >= 0 {
		s.match(b, from+int(m.Tail), int(s.marks[earlier].Start)+int(s.marks[earlier].Tail), to)
	}
	s.words(b, from+int(m.Tail), to, to)
}

// exporter returns the record with which the exporter's last packet began, and notes that
// this one begins another.
func (s *search) exporter(from int, m *Mark) (earlier int) {
	if int(m.Message)+exporterHead > int(m.Fields) {
		return -1
	}
	at := from + int(m.Message)
	slot := &s.exporters[hash32(load64(s.src, at)*5+load64(s.src, at+8))>>(32-exporterBits)]
	return int(swap(slot, uint32(s.record)+1)) - 1
}

// constants finds what the records of a packet share.
func (s *search) constants(b *block, from, to int, m *Mark, earlier int) {
	e := &s.marks[earlier]
	s.match(b, from+int(m.Key), int(e.Start)+int(e.Key), to)
	if s.literal <= from+int(m.Message) {
		s.match(b, from+int(m.Message), int(e.Start)+int(e.Message), to)
	}
}

// times finds what the times have in common with those of another record, or with each
// other: the upper bytes, which are the last ones of a time, and of the uptime before it.
func (s *search) times(b *block, from, to int, m *Mark, earlier int) {
	e := &s.marks[earlier]
	start, end := from+int(m.StartTime), from+int(m.EndTime)
	distance := start - int(e.Start) - int(e.StartTime)
	s.match(b, start-1, start-1-distance, to)
	s.match(b, start+timeHead, start+timeHead-distance, to)
	if load64(s.src, start) == load64(s.src, end) {
		s.match(b, end-2, start-2, to)
		s.match(b, end, start, to)
		return
	}
	distance = end - int(e.Start) - int(e.EndTime)
	s.match(b, end-1, end-1-distance, to)
	s.match(b, end+timeHead, end+timeHead-distance, to)
}

// hosts finds what belongs to the addresses: with those that are known, what stood beside
// them; with others, what another record has there, such as the upper bytes.
func (s *search) hosts(b *block, from, to int, m *Mark, earlier int) {
	source, target := s.address(from+int(m.SourceAddress), m.AddressSize), s.address(from+int(m.Destination), m.AddressSize)
	number := uint32(s.record) + 1
	pair := swap(&s.pairs[hash(source*3+target)], number)
	known := swap(&s.sources[hash(source)], number)
	other := swap(&s.targets[hash(target)], number)
	if p := int(pair) - 1; p >= 0 && s.same(p, from, m) {
		s.match(b, from+int(m.SourceAddress), int(s.marks[p].Start)+int(s.marks[p].SourceAddress), to)
		return
	}
	if p := int(known) - 1; p >= 0 {
		s.match(b, from+int(m.SourceAddress), int(s.marks[p].Start)+int(s.marks[p].SourceAddress), to)
	}
	if earlier < 0 {
		return
	}
	e := &s.marks[earlier]
	if at := from + int(m.SourceAddress); s.literal <= at {
		s.match(b, at, int(e.Start)+int(e.SourceAddress), to)
	}
	if p := int(other) - 1; p >= 0 {
		s.match(b, from+int(m.Destination), int(s.marks[p].Start)+int(s.marks[p].Destination), to)
		return
	}
	if at := from + int(m.NextHop); s.literal <= at {
		s.match(b, at, int(e.Start)+int(e.NextHop), to)
	}
	s.match(b, from+int(m.Destination), int(e.Start)+int(e.Destination), to)
}

// same reports whether an earlier record has the addresses of one, by their last bytes.
func (s *search) same(earlier, from int, m *Mark) bool {
	e := &s.marks[earlier]
	last := int(m.AddressSize) - 4
	return e.AddressSize == m.AddressSize &&
		load32(s.src, int(e.Start)+int(e.Destination)+last) == load32(s.src, from+int(m.Destination)+last) &&
		load32(s.src, int(e.Start)+int(e.SourceAddress)+last) == load32(s.src, from+int(m.SourceAddress)+last)
}

// words finds what of at..end-1 stood earlier behind counters or addresses.
func (s *search) words(b *block, at, end, to int) {
	for at = max(at, s.literal); at+wordLen <= end && at+8 <= len(s.src); at++ {
		earlier := int(swap(&s.known[hash(load64(s.src, at)<<(64-8*wordLen))], uint32(at)))
		if earlier == 0 || load32(s.src, earlier) != load32(s.src, at) {
			continue
		}
		if s.match(b, at, earlier, to); s.literal > at {
			at = s.literal - 1
		}
	}
}

// address is a number that most often differs if addresses do.
func (s *search) address(at int, size uint8) uint64 {
	if size == 4 {
		return uint64(load32(s.src, at))
	}
	return load64(s.src, at)*5 + load64(s.src, at+8)
}

// match puts a match into b that covers a place, or where the literals begin if that is
// behind it, with what stood at from; if enough bytes before and behind it are equal.
func (s *search) match(b *block, at, from, limit int) {
	literal, src := s.literal, s.src
	if at < literal {
		from += literal - at
		at = literal
	}
	if uint(from) >= uint(at) {
		return
	}
	n := 8
	if at+8 > limit {
		n = equal(src, from, at, limit)
	} else if differ := load64(src, at) ^ load64(src, from); differ != 0 { // most differ soon: not worth a call
		n = bits.TrailingZeros64(differ) >> 3
	} else {
		n += equal(src, from+8, at+8, limit)
	}
	if at > literal && from >= 8 {
		before := bits.LeadingZeros64(load64(src, at-8)^load64(src, from-8)) >> 3
		if before == 8 {
			before = equalBefore(src, from, at, literal)
		}
		before = min(before, at-literal)
		at, from, n = at-before, from-before, n+before
	}
	distance := uint32(at - from)
	if n < worthwhile && (n < minMatch || distance != s.repeats[0] || at == literal) {
		return
	}
	b.add(src, literal, at)
	b.sequences = append(b.sequences, sequence{
		literals: uint32(at - literal), match: uint32(n - minMatch), offset: s.offset(distance, at == literal),
	})
	s.literal = at + n
}

// equalBefore is how many bytes before a equal those before b, of which those from a
// limit on count.
func equalBefore(src []byte, a, b, limit int) int {
	n := 0
	for b-n > limit && a > n && src[a-n-1] == src[b-n-1] {
		n++
	}
	return n
}

// offset is how a distance is written, which is shorter if it is one of the last three
// (RFC 8878, section 3.1.1.5).
func (s *search) offset(distance uint32, noLiterals bool) uint32 {
	r := &s.repeats
	switch {
	case noLiterals:
		switch distance {
		case r[1]:
			r[0], r[1] = r[1], r[0]
			return 1
		case r[2]:
			r[0], r[1], r[2] = r[2], r[0], r[1]
			return 2
		case r[0] - 1:
			r[0], r[1], r[2] = distance, r[0], r[1]
			return 3
		}
	case distance == r[0]:
		return 1
	case distance == r[1]:
		r[0], r[1] = r[1], r[0]
		return 2
	case distance == r[2]:
		r[0], r[1], r[2] = r[2], r[0], r[1]
		return 3
	}
	r[0], r[1], r[2] = distance, r[0], r[1]
	return distance + 3
}

// equal is how many bytes from a on equal those from b on, up to a limit of b.
func equal(src []byte, a, b, limit int) int {
	if b >= limit {
		return 0
	}
	x, y := src[a:], src[b:limit]
	n := 0
	for ; len(y) >= 8 && len(x) >= 8; n += 8 {
		if differ := binary.LittleEndian.Uint64(x) ^ binary.LittleEndian.Uint64(y); differ != 0 {
			return n + bits.TrailingZeros64(differ)>>3
		}
		x, y = x[8:], y[8:]
	}
	for len(y) > 0 && len(x) > 0 && x[0] == y[0] {
		n++
		x, y = x[1:], y[1:]
	}
	return n
}

func load64(b []byte, at int) uint64 { return binary.LittleEndian.Uint64(b[at:]) }
func load32(b []byte, at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }

func hash32(v uint64) uint32 { return uint32(v * 0x9e3779b97f4a7c15 >> 32) }
func hash(v uint64) uint32   { return hash32(v) >> (32 - hostBits) }

func swap(slot *uint32, v uint32) (old uint32) {
	old, *slot = *slot, v
	return old
}
