package template

import (
	"errors"
	"math/bits"

	"github.com/flowpub/flowpub/decoder"
)

// Limits of a template.
const (
	maxFields       = 512
	maxRecordLength = 4096
	// lead is how many bytes must precede a record, so that loads that end in it begin
	// in the same slice. A packet's and a set's header are longer.
	lead = 8
	// numberLength is what a number of variable length has in a record of fixed length.
	numberLength = 8
)

// Why a definition is not taken.
var (
	errEmptyRecord = errors.New("template: its records have no length")
	errLimit       = errors.New("template: it has more fields, or longer records, than are taken")
	errFull        = errors.New("template: there is no room for another definition")
	errScopes      = errors.New("template: it has more scopes than fields")
)

// Plan is a definition compiled into what decoding its records takes. It never
// changes; all templates with one definition share it.
type Plan struct {
	definition Definition
	refs       int // guarded by plans.mu

	minimum  int // of a record's length; all of it unless variable
	variable bool
	steps    []step // how to copy a record of variable length into one of fixed
	options  []optionStep

	values []op // into decoder.Extension.Values
	slots  []op // into slots
	labels []op
	wide   []op // bits that the value's field cannot hold
	spans  []span

	source, destination, nextHop address
	addresses                    []addressField

	start, end, duration, observed clock

	present     decoder.FieldSet
	counterKind uint64
	anomalies   decoder.Anomalies
	flags       flags
	special     bool // rare has something to do
}

// op loads the eight bytes that end with a field's last one, and masks what belongs to
// others: no branch by width. The record begins lead bytes into its slice, so that
// end, the field's end in the record, is where the load begins.
type op struct {
	mask uint64
	end  uint16
	to   uint8
}

// span is a field that is copied as bytes.
type span struct {
	element             elementNumber
	wanted, application bool // as an element, as the application
	variable            bool // its place in the record is not the plan's to know
	offset, length      int
}

// families says in which families a template has an address.
type families uint8

const (
	familyNone families = 0
	familyIPv4 families = 1
	familyIPv6 families = 2
	familyBoth families = familyIPv4 | familyIPv6
)

// address is where an address of either family is in a record that begins lead bytes into
// its slice.
type address struct {
	in       families
	ip4, ip6 uint16
}

// addressField is an address of decoder.Extension.
type addressField struct {
	field decoder.Field
	address
}

// flags say which rare work a record needs.
type flags uint16

const (
	flagDirection flags = 1 << iota
	flagICMPParts
	flagObservation
	flagSampler     // the record says which sampler it was chosen by
	flagOwnSampling // the record says itself how it was sampled
	flagPacketSpace
	flagLengths4Only
	flagLengths6Only
	flagLengthsBoth
)

// step copies a run of fields of fixed length, then sees to one of variable length.
type step struct {
	fixed uint16
	span  uint16 // where the field's bytes are noted, if at all
	then  stepKind
}

// stepKind says what becomes of a field of variable length: a set of what follows.
type stepKind uint8

const (
	stepSkip   stepKind = 1 << iota // the field's bytes are passed, as always
	stepNumber                      // it is a number, which becomes one of eight bytes
	stepBytes                       // its bytes are noted

	stepEnd stepKind = 0 // there is no field of variable length
)

// optionStep is a field of an options record that is looked at, behind bytes that are not. A
// record has at least as many bytes as its plan has steps, but for the last: otherwise fields
// without length would make one of few bytes the work of hundreds.
type optionStep struct {
	skip    uint16
	length  uint16 // none where the record ends
	element uint16 // 0: its length is all that counts
}

// probabilityBits returns how many bits the field has that holds the sampling probability, 0 when there is
// none.
func (p *Plan) probabilityBits() int {
	for _, o := range p.slots {
		if place(o.to) == slotSamplingProbability {
			return bits.Len64(o.mask)
		}
	}
	return 0
}
