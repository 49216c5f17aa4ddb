package template

import (
	"math"
	"slices"

	"github.com/flowpub/flowpub/decoder"
)

// Where a record's sampling was found: the values of flow.v1.SamplingSource.
const (
	sampledByRecord   = 1
	sampledBySampler  = 2
	sampledByTemplate = 3
	sampledByDomain   = 4
	sampledByExporter = 5
)

// Sampling is how an exporter says that it samples.
type Sampling struct {
	// Interval is of how many packets one is counted: 0 is not known.
	Interval uint32
	// Algorithm is as exported, 0 when it was not.
	Algorithm uint32
	// PacketInterval packets are counted, then PacketSpace are not. Zero unless
	// PacketInterval is above 1.
	PacketInterval, PacketSpace uint32
}

// apply publishes s, found at source.
func (s *Sampling) apply(x *decoder.Extension, source uint64) {
	x.Set(decoder.FieldSamplingInterval, uint64(s.Interval))
	x.Set(decoder.FieldSamplingSource, source)
	if s.Algorithm != 0 && !x.Present.Has(decoder.FieldSamplingAlgorithm) {
		x.Set(decoder.FieldSamplingAlgorithm, uint64(s.Algorithm))
	}
	if s.PacketInterval > 1 {
		x.Set(decoder.FieldSamplingPacketInterval, uint64(s.PacketInterval))
		x.Set(decoder.FieldSamplingPacketSpace, uint64(s.PacketSpace))
	}
}

// samplingValues are the elements about sampling in a record, 0 where it has none.
type samplingValues struct {
	interval, randomInterval, packetInterval, packetSpace, size, population uint64
	hasSpace                                                                bool
	probability                                                             float64
}

// resolve returns what the values say, the plainest first.
func (v *samplingValues) resolve() (s Sampling) {
	switch {
	case v.interval != 0:
		s.Interval = uint32(v.interval)
	case v.randomInterval != 0:
		s.Interval = uint32(v.randomInterval)
	case v.packetInterval != 0 && !v.hasSpace:
		s.Interval = uint32(v.packetInterval)
	case v.packetInterval != 0:
		s.Interval = ratio(v.packetInterval+v.packetSpace, v.packetInterval)
		s.setRun(v.packetInterval, v.packetSpace)
	case v.size != 0 && v.population != 0:
		s.Interval = ratio(v.population, v.size)
		s.setRun(v.size, v.population-min(v.size, v.population))
	case v.probability > 0:
		s.Interval = uint32(min(math.Round(1/v.probability), math.MaxUint32))
	}
	return s
}

func (s *Sampling) setRun(counted, skipped uint64) {
	if counted > 1 {
		s.PacketInterval, s.PacketSpace = uint32(counted), uint32(skipped)
	}
}

// ratio returns a/b, rounded.
func ratio(a, b uint64) uint32 { return uint32(min((a+b/2)/b, math.MaxUint32)) }

// sampled sets the sampling of a record that may say itself how it was sampled.
func (r *Reader) sampled(p *Plan, out *decoder.Record, x *decoder.Extension) {
	if p.flags&flagOwnSampling != 0 {
		if own := r.ownSampling(p); own.Interval != 0 {
			own.apply(x, sampledByRecord)
			return
		}
	}
	named := x.Present.Has(decoder.FieldSamplerID)
	id := x.Values[decoder.FieldSamplerID]
	switch {
	case named && r.named(id):
		r.sampler.apply(x, r.samplerSource)
	case r.state.find(samplerKey{scopeInput, uint64(out.InputInterface)}, &r.hit),
		r.state.find(samplerKey{scopeOutput, uint64(out.OutputInterface)}, &r.hit):
		r.hit.apply(x, sampledBySampler)
	case named && id != 0 && r.state.hasSamplers():
		// It names a sampler that is not known: what holds for others says nothing.
	case r.fallback.Interval != 0:
		r.fallback.apply(x, r.fallbackSource)
	}
}

// named sets r.sampler to the sampling of a sampler, and reports whether it is known. Records that
// follow each other name the same mostly.
func (r *Reader) named(id uint64) bool {
	if r.samplerState != r.state || r.samplerShared != r.shared || r.samplerID != id {
		r.samplerState, r.samplerShared, r.samplerID = r.state, r.shared, id
		r.samplerKnown, r.samplerSource = r.findSampler(id)
	}
	return r.samplerKnown
}

// findSampler sets r.sampler to the sampling of a sampler and returns where it was found. Some
// routers tell of samplers in another domain than that of the flows: those count where the
// flows' own domain tells of none.
func (r *Reader) findSampler(id uint64) (found bool, source uint64) {
	key := samplerKey{scopeSampler, id}
	if r.state.find(key, &r.sampler) {
		return true, sampledBySampler
	}
	if id == 0 || r.state.hasSamplers() || r.state.byInterface() {
		return false, 0
	}
	return r.shared.find(key, &r.sampler), sampledByExporter
}

// ownSampling returns what the record in the slots says of its sampling.
func (r *Reader) ownSampling(p *Plan) Sampling {
	s := &r.slots
	v := samplingValues{
		interval:       s[slotSamplingInterval],
		randomInterval: s[slotRandomInterval],
		packetInterval: s[slotPacketInterval],
		packetSpace:    s[slotPacketSpace],
		hasSpace:       p.flags&flagPacketSpace != 0,
		size:           s[slotSamplingSize],
		population:     s[slotSamplingPopulation],
	}
	if s[slotSamplingProbability] != 0 {
		v.probability = float(s[slotSamplingProbability], p.probabilityBits())
	}
	if littleEndian(v.interval) {
		r.found |= decoder.AnomalyValueOutOfRange
	}
	return v.resolve()
}

// littleEndian reports whether an interval looks like one that was written in the
// wrong order of bytes, as some exporters do.
func littleEndian(interval uint64) bool {
	const implausible, plausible = 1 << 24, 1 << 16
	v := uint32(interval)
	swapped := v>>24 | v>>8&0xff00 | v<<8&0xff0000 | v<<24
	return v > implausible && swapped <= plausible
}

// float reads a probability of 32 or 64 bits.
func float(v uint64, width int) float64 {
	if width <= 32 {
		return float64(math.Float32frombits(uint32(v)))
	}
	return math.Float64frombits(v)
}

// scope is what a sampling holds for.
type scope uint8

const (
	scopeDomain scope = iota
	scopeTemplate
	scopeSampler
	scopeInput
	scopeOutput
	numScopes
)

// samplerKey names what a sampling holds for; id is 0 for the domain.
type samplerKey struct {
	scope scope
	id    uint64
}

func (k samplerKey) compare(other samplerKey) int {
	switch {
	case k.scope != other.scope:
		return int(k.scope) - int(other.scope)
	case k.id < other.id:
		return -1
	case k.id > other.id:
		return 1
	}
	return 0
}

// sampler is a sampling and what it holds for.
type sampler struct {
	key samplerKey
	Sampling
}

// maxSamplers bounds the samplings of a domain in each scope.
const maxSamplers = 64

// state is what the options of a domain have told. It never changes: who learns more
// makes another. A nil state knows nothing.
type state struct {
	samplers []sampler // in order of their keys
	counts   [numScopes]uint8
	boot     uint64 // element 160: ms since 1970; 0 is not known
}

// find sets *s to the sampling of a key and reports whether it is known.
func (st *state) find(key samplerKey, s *Sampling) bool {
	if st == nil || st.counts[key.scope] == 0 {
		return false
	}
	i, found := slices.BinarySearchFunc(st.samplers, key, func(a sampler, k samplerKey) int { return a.key.compare(k) })
	if found {
		*s = st.samplers[i].Sampling
	}
	return found
}

// domain returns the sampling of the whole domain.
func (st *state) domain() (s Sampling) {
	st.find(samplerKey{}, &s)
	return s
}

// len returns how many samplings are known.
func (st *state) len() int {
	if st == nil {
		return 0
	}
	return len(st.samplers)
}

// initTime returns when the exporter booted, in ms since 1970.
func (st *state) initTime() uint64 {
	if st == nil {
		return 0
	}
	return st.boot
}

// byInterface reports whether some samplings hold for interfaces.
func (st *state) byInterface() bool {
	return st != nil && st.counts[scopeInput]|st.counts[scopeOutput] != 0
}

// hasSamplers reports whether some samplings hold for samplers.
func (st *state) hasSamplers() bool { return st != nil && st.counts[scopeSampler] != 0 }

// ofSamplers returns the samplings that hold for samplers.
func (st *state) ofSamplers() []sampler {
	if !st.hasSamplers() {
		return nil
	}
	from := int(st.counts[scopeDomain]) + int(st.counts[scopeTemplate])
	return st.samplers[from : from+int(st.counts[scopeSampler])]
}

// with returns a state that knows the updates, too, which is st itself if it did, and
// how many samplings were left out for want of room: it has at most room more than st.
func (st *state) with(updates []update, room int) (*state, int) {
	if st == nil {
		st = &state{}
	}
	next, left, most := st, 0, len(st.samplers)+room
	for i := range updates {
		u := &updates[i]
		switch {
		case !next.changedBy(u):
			continue
		case !next.hasRoom(u, most):
			left++
			continue
		case next == st:
			next = &state{samplers: slices.Clone(st.samplers), counts: st.counts, boot: st.boot}
		}
		next.apply(u)
	}
	return next, left
}

// changedBy reports whether an update tells something new.
func (st *state) changedBy(u *update) bool {
	var known Sampling
	if u.boot != 0 && u.boot != st.boot {
		return true
	}
	return u.Interval != 0 && (!st.find(u.key, &known) || known != u.Sampling)
}

// hasRoom reports whether there is room for what an update tells, where there may be so many samplings at most.
func (st *state) hasRoom(u *update, most int) bool {
	var known Sampling
	return u.Interval == 0 || st.counts[u.key.scope] < maxSamplers && len(st.samplers) < most || st.find(u.key, &known)
}

// apply changes st, which nobody else sees yet and has room.
func (st *state) apply(u *update) {
	if u.boot != 0 {
		st.boot = u.boot
	}
	if u.Interval == 0 {
		return
	}
	i, found := slices.BinarySearchFunc(st.samplers, u.key, func(a sampler, k samplerKey) int { return a.key.compare(k) })
	if found {
		st.samplers[i].Sampling = u.Sampling
		return
	}
	st.counts[u.key.scope]++
	st.samplers = slices.Insert(st.samplers, i, sampler{u.key, u.Sampling})
}

// update is what an options record tells.
type update struct {
	key samplerKey
	Sampling
	boot uint64
}
