package decoder

// Anomalies is a set of oddities found in an export packet. The bits are a
// published contract: they are the values of the anomalies field of
// proto/flow/v1.
type Anomalies uint32

// The first five concern a packet and hold for all its records, the last three
// a single record.
const (
	// AnomalyCountAbovePresent: the header announces more records than the
	// datagram holds; those present were decoded.
	AnomalyCountAbovePresent Anomalies = 1 << iota
	// AnomalyPartialRecord: the announced records end in the middle of one.
	AnomalyPartialRecord
	// AnomalyTrailingBytes: bytes follow the last announced record.
	AnomalyTrailingBytes
	// AnomalyCountAbove30: more records are announced than the format's
	// specification allows.
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
)
