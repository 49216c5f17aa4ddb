package decoder

import (
	"fmt"
	"iter"
	"math/bits"
	"slices"
	"strings"
	"time"
)

// Anomalies is a set of oddities found in an export packet. The bits are a
// published contract: they are the values of the anomalies field of
// proto/flow/v1, and its enumeration Anomaly. Bits are added, never changed.
type Anomalies uint32

// The first five and AnomalyMalformedSet concern a packet and hold for all its
// records, the others a single record.
const (
	// AnomalyCountAbovePresent: the header announces more records than the
	// datagram holds whole; those present were decoded.
	AnomalyCountAbovePresent Anomalies = 1 << iota
	// AnomalyPartialRecord: the datagram ends in the middle of an announced
	// record. AnomalyCountAbovePresent is set, too.
	AnomalyPartialRecord
	// AnomalyTrailingBytes: bytes follow the last announced record, be it a
	// few or whole records; they were not read. Never together with the two
	// above.
	AnomalyTrailingBytes
	// AnomalyCountAbove30: more records are announced than the format's
	// specification allows, whether present or not.
	AnomalyCountAbove30
	// AnomalyNanosecondsOutOfRange: the header's nanoseconds are 1e9 or more;
	// they were carried into the seconds.
	AnomalyNanosecondsOutOfRange
	// AnomalyStartUnset: the start time lies at or before 1970-01-01 and is
	// given as 0.
	AnomalyStartUnset
	// AnomalyEndUnset: the same of the end time.
	AnomalyEndUnset
	// AnomalyStartAfterEnd: both times are set and the start is the later one.
	AnomalyStartAfterEnd
	// AnomalyTimeFarFromExport: the start or the end is set and lies more than
	// 24 hours from the export time, before or after. It is given as computed.
	AnomalyTimeFarFromExport
	// AnomalyTemplateProvisional: the record was decoded with a template, or its
	// sampling is one, that was stored by another process or before, and that its
	// exporter has not sent since.
	AnomalyTemplateProvisional
	// AnomalyWaited: the record came before its template, and was decoded when
	// that came.
	AnomalyWaited
	// AnomalyMalformedSet: a set of the packet, or a sample or a record in one,
	// breaks the format's rules. What came before it was decoded; behind it, what
	// does not depend on it.
	AnomalyMalformedSet
	// AnomalyFieldWidth: an element was exported wider than its field, and holds
	// more than the field can. Its low bits were taken, or its first entries.
	AnomalyFieldWidth
	// AnomalyDuplicateElement: the template has an element twice, and the first
	// was taken.
	AnomalyDuplicateElement
	// AnomalyValueOutOfRange: a value is not one that its element can have. It is
	// given as exported.
	AnomalyValueOutOfRange
	// AnomalyTruncatedHeader: the sampled packet's header was cut before all of
	// its fields.
	AnomalyTruncatedHeader
)

// anomalyNames holds the name of bit i at index i.
var anomalyNames = [...]string{
	"count_above_present",
	"partial_record",
	"trailing_bytes",
	"count_above_30",
	"nanoseconds_out_of_range",
	"start_unset",
	"end_unset",
	"start_after_end",
	"time_far_from_export",
	"template_provisional",
	"waited",
	"malformed_set",
	"field_width",
	"duplicate_element",
	"value_out_of_range",
	"truncated_header",
}

// AnomalyKinds returns every kind that exists, each a set of one bit, lowest
// first. The slice is the caller's.
func AnomalyKinds() []Anomalies {
	return slices.Collect(Anomalies(1<<len(anomalyNames) - 1).Kinds())
}

// Kinds yields the kinds in a one by one, each a set of one bit, lowest first.
func (a Anomalies) Kinds() iter.Seq[Anomalies] {
	return func(yield func(Anomalies) bool) {
		for rest := a; rest != 0; rest &= rest - 1 {
			if !yield(rest & -rest) {
				return
			}
		}
	}
}

// String returns the names of the kinds in a joined by "|", "none" when a is
// empty. The name of one kind, such as count_above_present, is stable: metrics
// use it as a label. A bit without a name is written as a number, as in 0x100.
func (a Anomalies) String() string {
	if a == 0 {
		return "none"
	}
	var names []string
	for kind := range a.Kinds() {
		names = append(names, kind.name())
	}
	return strings.Join(names, "|")
}

// name returns the name of the one bit in a.
func (a Anomalies) name() string {
	if i := bits.TrailingZeros32(uint32(a)); i < len(anomalyNames) {
		return anomalyNames[i]
	}
	return fmt.Sprintf("%#x", uint32(a))
}

// maxFromExport is how far a flow's times may lie from its export without
// remark.
const maxFromExport = UnixNano(24 * time.Hour)

// TimeAnomalies judges the times of a record that was exported at the time
// export. An unset export time has nothing far from it.
func TimeAnomalies(start, end, export UnixNano) (a Anomalies) {
	if start == 0 {
		a |= AnomalyStartUnset
	} else if far(start, export) {
		a |= AnomalyTimeFarFromExport
	}
	if end == 0 {
		return a | AnomalyEndUnset
	}
	if far(end, export) {
		a |= AnomalyTimeFarFromExport
	}
	if start > end {
		a |= AnomalyStartAfterEnd
	}
	return a
}

// far reports whether t lies more than maxFromExport from export, on either
// side. Unsigned, t-export+maxFromExport is small exactly when it does not.
func far(t, export UnixNano) bool {
	return export != 0 && t-export+maxFromExport > 2*maxFromExport
}
