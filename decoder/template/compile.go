package template

import (
	"slices"

	"github.com/flowpub/flowpub/decoder"
)

// candidate is the field taken for a place so far.
type candidate struct {
	element        *element
	offset, length int
}

// compiler is the state of compile.
type compiler struct {
	plan   *Plan
	chosen [256]candidate
	offset int // in the record of fixed length
	wanted int // elements copied
	skip   int // bytes of an options record that no step has passed yet
}

// compile returns the plan of a definition, whose bytes it refers to.
func compile(d Definition, elements *Selection) (*Plan, error) {
	c := compiler{plan: &Plan{definition: d}}
	fields, rest := 0, d.fieldBytes()
	for len(rest) > 0 {
		var f fieldSpec
		f, rest = d.nextField(rest)
		if fields++; fields > maxFields {
			return nil, errLimit
		}
		c.measure(f)
		if c.plan.minimum > maxRecordLength {
			return nil, errLimit
		}
		if d.Options {
			c.option(f, fields <= d.scopes())
		} else {
			c.field(f, elements)
		}
	}
	if c.plan.minimum == 0 {
		return nil, errEmptyRecord
	}
	if d.scopes() > fields {
		return nil, errScopes
	}
	if d.Options {
		c.plan.options = append(c.plan.options, optionStep{skip: uint16(c.skip)})
	} else {
		c.finish()
	}
	c.plan.shrink()
	return c.plan, nil
}

// measure adds a field to the record's length.
func (c *compiler) measure(f fieldSpec) {
	if f.length == VariableLength {
		c.plan.variable = true
		c.plan.minimum++
		return
	}
	c.plan.minimum += int(f.length)
}

// option notes what a field of an options record is good for.
func (c *compiler) option(f fieldSpec, scope bool) {
	element := f.id
	if scope && c.plan.definition.Format == decoder.FormatNetFlowV9 {
		element = scopeElement(f.id)
	}
	if f.enterprise != 0 || !about(element) {
		element = 0
	}
	const maxNumber = 8
	if f.length != VariableLength && (element == 0 || f.length == 0 || f.length > maxNumber) {
		c.skip += int(f.length)
		return
	}
	c.plan.options = append(c.plan.options, optionStep{uint16(c.skip), f.length, element})
	c.skip = 0
}

// field notes what a field is good for.
func (c *compiler) field(f fieldSpec, elements *Selection) {
	e := lookUp(f)
	length := int(f.length)
	s := span{element: elementNumber{f.enterprise, f.id}, offset: c.offset, length: length}
	s.wanted = elements.has(f, e != nil) && c.wanted < maxElements
	s.application = e != nil && e.fill.to == bytesPlaces && !c.repeated(e)
	asBytes := (s.wanted || s.application) && (s.length <= maxElementOctets || f.length == VariableLength)
	if f.length == VariableLength {
		s.variable = true
		length = c.then(asBytes, e != nil && number(e))
	} else {
		c.extend(length)
	}
	if asBytes {
		c.copy(s)
	}
	if e != nil && length > 0 && usable(e, length) {
		c.choose(e, length)
	}
	c.offset += length
}

// copy has a field copied as bytes.
func (c *compiler) copy(s span) {
	c.plan.spans = append(c.plan.spans, s)
	if s.wanted {
		c.wanted++
	}
	if s.application {
		c.plan.present |= 1 << decoder.FieldApplicationID
	}
}

// extend adds a field of fixed length to the run that the last step copies.
func (c *compiler) extend(length int) {
	if n := len(c.plan.steps); n > 0 && c.plan.steps[n-1].then == stepEnd {
		c.plan.steps[n-1].fixed += uint16(length)
		return
	}
	c.plan.steps = append(c.plan.steps, step{fixed: uint16(length)})
}

// then ends the last step with a field of variable length, and returns how long it is in the
// record of fixed length.
func (c *compiler) then(asBytes, number bool) (length int) {
	c.extend(0)
	last := &c.plan.steps[len(c.plan.steps)-1]
	last.then = stepSkip
	if asBytes {
		last.then |= stepBytes
		last.span = uint16(len(c.plan.spans))
	}
	if number {
		last.then |= stepNumber
		length = numberLength
	}
	return length
}

// choose takes a field for the place that its element fills, unless a better one has it.
func (c *compiler) choose(e *element, length int) {
	if c.repeated(e) || e.fill.to == bytesPlaces {
		return
	}
	taken := &c.chosen[e.fill.to]
	if taken.element == nil || taken.element.fill.rank > e.fill.rank {
		*taken = candidate{e, c.offset, length}
	}
}

// repeated reports whether the element is one of those chosen already.
func (c *compiler) repeated(e *element) bool {
	again := c.chosen[e.fill.to].element == e
	if e.fill.to == bytesPlaces {
		again = c.plan.present.Has(decoder.FieldApplicationID)
	}
	if again {
		c.plan.anomalies |= decoder.AnomalyDuplicateElement
	}
	return again
}

// number reports whether an element is a number of any width.
func number(e *element) bool {
	return e.kind.width() == 0 && e.kind != octetArray && e.kind != float64Type
}

// usable reports whether a value of that length can be read. Numbers may have any
// width up to 16 bytes, of which the low eight count.
func usable(e *element, length int) bool {
	if width := e.kind.width(); width != 0 {
		return length == width
	}
	switch {
	case e.fill.to >= firstLabel && e.fill.to < firstLabel+labelCount:
		return length == 3
	case e.kind == float64Type:
		return length == 4 || length == 8
	default:
		return length <= 16
	}
}

// finish turns the fields chosen into ops, and settles what depends on which there are.
func (c *compiler) finish() {
	p := c.plan
	c.counters()
	c.times()
	for to := range c.chosen {
		if c.chosen[to].element != nil {
			c.emit(place(to))
		}
	}
	p.source = c.address(placeSource4, placeSource6)
	p.destination = c.address(placeDestination4, placeDestination6)
	p.nextHop = c.address(placeNextHop4, placeNextHop6)
	for _, from := range extensionAddresses {
		if a := c.address(from.ip4, from.ip6); a.in != familyNone {
			p.addresses = append(p.addresses, addressField{from.field, a})
			p.present |= 1 << from.field
		}
	}
	p.present |= 1 << decoder.FieldTemplateID
	p.flags = c.flags()
	if p.flags&flagICMPParts != 0 {
		p.present |= 1 << decoder.FieldICMPTypeCode
	}
	if p.flags&flagObservation != 0 {
		p.present |= 1 << decoder.FieldObservationTime
	}
	if p.counterKind != 0 {
		p.present |= 1 << decoder.FieldCounterKind
	}
	if !p.variable {
		p.steps = nil
	}
	p.special = p.flags&^(flagDirection|flagSampler|flagOwnSampling) != 0 || len(p.addresses)+len(p.labels)+len(p.wide)+len(p.spans) != 0
}

// shrink gives back what the lists have beyond their lengths.
func (p *Plan) shrink() {
	p.steps, p.values, p.slots = slices.Clone(p.steps), slices.Clone(p.values), slices.Clone(p.slots)
	p.labels, p.wide, p.spans = slices.Clone(p.labels), slices.Clone(p.wide), slices.Clone(p.spans)
	p.options = slices.Clone(p.options)
}

// extensionAddresses are the addresses of decoder.Extension, and where they come from.
var extensionAddresses = []struct {
	field    decoder.Field
	ip4, ip6 place
}{
	{decoder.FieldBGPNextHop, placeBGPNextHop4, placeBGPNextHop6},
	{decoder.FieldMPLSTopLabelAddress, placeMPLSTop4, placeMPLSTop6},
	{decoder.FieldPostNATSourceAddress, placePostNATSource4, placePostNATSource6},
	{decoder.FieldPostNATDestinationAddress, placePostNATDestination4, placePostNATDestination6},
	{decoder.FieldAgentAddress, placeAgent4, placeAgent6},
}

// address says where an address was found.
func (c *compiler) address(ip4, ip6 place) (a address) {
	if c.has(ip4) {
		a.in, a.ip4 = familyIPv4, uint16(lead+c.chosen[ip4].offset)
	}
	if c.has(ip6) {
		a.in, a.ip6 = a.in|familyIPv6, uint16(lead+c.chosen[ip6].offset)
	}
	return a
}

// has reports whether a field was chosen for a place.
func (c *compiler) has(to place) bool { return c.chosen[to].element != nil }

// hasField reports whether one was for a field of decoder.Extension.
func (c *compiler) hasField(f decoder.Field) bool { return c.has(firstField + place(f)) }

// counters settles which kind of counters the template has. One without counters at
// the device's entry has those at its exit instead.
func (c *compiler) counters() {
	for _, n := range []struct {
		at   place
		post decoder.Field
	}{{slotOctets, decoder.FieldPostOctets}, {slotPackets, decoder.FieldPostPackets}} {
		taken, post := &c.chosen[n.at], &c.chosen[firstField+place(n.post)]
		if taken.element == nil && post.element != nil {
			*taken, *post = *post, candidate{}
		}
	}
	counter := c.chosen[slotOctets].element
	if counter == nil {
		counter = c.chosen[slotPackets].element
	}
	if counter != nil && (counter.fill.to == slotOctets || counter.fill.to == slotPackets) {
		c.plan.counterKind = uint64(counter.fill.rank)
	}
}

// times settles which times the template has: the finest absolute one, otherwise the
// uptime.
func (c *compiler) times() {
	pick := func(at, uptime place) clock {
		if e := c.chosen[at].element; e != nil {
			return e.fill.clock
		}
		if c.has(uptime) {
			return clockUptime
		}
		return clockNone
	}
	c.plan.start = pick(slotStart, slotFirst)
	c.plan.end = pick(slotEnd, slotLast)
	c.plan.observed = pick(slotObservation, nowhere)
	c.plan.duration = pick(slotDuration, nowhere)
}

// emit adds the op of the field chosen for a place. Addresses need none.
func (c *compiler) emit(to place) {
	p, f := c.plan, c.chosen[to]
	o := op{mask: ^uint64(0) >> (64 - 8*min(f.length, 8)), end: uint16(f.offset + f.length)}
	switch {
	case f.element.kind == ipv4Address || f.element.kind == ipv6Address:
	case to < firstField:
		o.to = uint8(to)
		c.narrow(&o, f, bitsOf(to))
		p.slots = append(p.slots, o)
	case to >= firstLabel:
		p.labels = append(p.labels, o)
	case to == firstField+place(decoder.FieldForwardingStatus):
		o.to, o.mask = uint8(to-firstField), 0xff
		p.values = append(p.values, o)
		p.present |= 1 << decoder.FieldForwardingStatus
	default:
		o.to = uint8(to - firstField)
		c.narrow(&o, f, bitsOf(to))
		p.values = append(p.values, o)
		p.present |= 1 << o.to
	}
}

// narrow keeps of a number the bits that its field can hold, and has the others looked
// at.
func (c *compiler) narrow(o *op, f candidate, width int) {
	if f.element.kind == float64Type {
		return
	}
	low := ^uint64(0) >> (64 - width)
	if excess := o.mask &^ low; excess != 0 {
		c.plan.wide = append(c.plan.wide, op{mask: excess, end: o.end})
		o.mask = low
	}
	if f.length > 8 {
		c.plan.wide = append(c.plan.wide, op{mask: ^uint64(0) >> (64 - 8*(f.length-8)), end: o.end - 8})
	}
}

// flags says which rare work the fields chosen make.
func (c *compiler) flags() (f flags) {
	set := func(when bool, flag flags) {
		if when {
			f |= flag
		}
	}
	set(c.hasField(decoder.FieldFlowDirection), flagDirection)
	set(c.has(slotICMPType) || c.has(slotICMPCode), flagICMPParts)
	set(c.plan.observed != clockNone, flagObservation)
	set(c.hasField(decoder.FieldSamplerID), flagSampler)
	for to := slotSamplingInterval; to <= slotSamplingProbability; to++ {
		set(c.has(to), flagOwnSampling)
	}
	set(c.has(slotPacketSpace), flagPacketSpace)
	four := c.has(slotSourceLength4) || c.has(slotDestinationLength4)
	six := c.has(slotSourceLength6) || c.has(slotDestinationLength6)
	set(four && six, flagLengthsBoth)
	set(four && !six, flagLengths4Only)
	set(six && !four, flagLengths6Only)
	return f
}
