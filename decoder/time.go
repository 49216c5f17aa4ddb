package decoder

import "time"

// Uptime is a reading of an exporter's system uptime clock: milliseconds since
// the exporter booted, modulo 2^32 (it wraps every 49.7 days). Only
// differences of two readings of one exporter mean anything.
type Uptime uint32

const (
	// uptimePeriod is the time after which Uptime repeats.
	uptimePeriod = (1 << 32) * time.Millisecond
	// maxAhead is how far a record's uptime may lie ahead of its header's. Real
	// routers send such records; nfdump, too, allows 100 s.
	maxAhead = 100 * time.Second
)

// Since returns the time that passed from earlier to u, modulo 2^32 ms. It lies
// between -100 s and 2^32 ms - 100 s: an age of 2^32 - 100,000 ms or more means that
// earlier is really the later one, by up to 100 s, and is negative.
func (u Uptime) Since(earlier Uptime) time.Duration {
	age := time.Duration(u-earlier) * time.Millisecond
	if age >= uptimePeriod-maxAhead {
		age -= uptimePeriod
	}
	return age
}

// UnixNano is a wall-clock time in nanoseconds since 1970-01-01 00:00 UTC.
// Zero means unset.
type UnixNano uint64

// Time returns t in UTC, or the zero Time when t is unset. Times after the
// year 2262 are out of its range; no export format can express one.
func (t UnixNano) Time() time.Time {
	if t == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(t)).UTC()
}

// ExportTime returns the exporter's wall clock when it sent the packet.
// Nanoseconds of 1e9 or more are carried into the seconds. Unset (zero) when
// the header holds neither: the exporter has no clock.
func (h *Header) ExportTime() UnixNano {
	return UnixNano(h.ExportSeconds)*UnixNano(time.Second) + UnixNano(h.ExportNanoseconds)
}

// WallTime converts an uptime found in one of the packet's records to a
// wall-clock time: the export time less the uptime's age, which is
// h.SystemUptime.Since(u). It is unset (zero) when it would lie at or before
// 1970-01-01, as it does when the exporter has no clock.
func (h *Header) WallTime(u Uptime) UnixNano {
	return WallTime(h.ExportTime(), h.SystemUptime, u)
}

// WallTime is [Header.WallTime] for many uptimes of one packet: the exporter's
// clock read export when its uptime read now.
func WallTime(export UnixNano, now, u Uptime) UnixNano {
	// At most (2^32-1) * (1e9+1) + 1e14 ns, which fits into 63 bits.
	return UnixNano(max(0, int64(export)-int64(now.Since(u))))
}
