package dissect

import (
	"encoding/binary"
	"encoding/hex"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// value shows what a field holds, by the type of its element and the length it has.
func (f *fieldSpec) value(b []byte, version uint16) string {
	_, kind := describe(f.enterprise, f.id)
	if f.scope && version == 9 {
		kind = "unsigned32"
	}
	switch {
	case len(b) == 0:
		return "-"
	case strings.HasSuffix(kind, "Address") && len(b) == 6:
		return net.HardwareAddr(b).String()
	case strings.HasSuffix(kind, "Address") && (len(b) == 4 || len(b) == 16):
		addr, _ := netip.AddrFromSlice(b)
		return addr.String()
	case kind == "dateTimeSeconds" && len(b) == 4:
		return moment(binary.BigEndian.Uint32(b), 0)
	case kind == "dateTimeMilliseconds" && len(b) == 8:
		ms := binary.BigEndian.Uint64(b)
		return withTime(ms, time.UnixMilli(int64(ms)))
	case (kind == "dateTimeMicroseconds" || kind == "dateTimeNanoseconds") && len(b) == 8:
		n := binary.BigEndian.Uint64(b)
		if n == 0 { // no time
			return "0"
		}
		return withTime(n, ntp(n))
	case strings.HasPrefix(kind, "unsigned") && len(b) <= 8:
		return strconv.FormatUint(number(b), 10)
	case kind == "" && len(b) > 2 && printable(b):
		return strconv.Quote(strings.TrimRight(string(b), "\x00"))
	default:
		return "0x" + hex.EncodeToString(b[:min(len(b), maxHex)])
	}
}

func withTime(n uint64, t time.Time) string {
	return strconv.FormatUint(n, 10) + " (" + t.UTC().Format("2006-01-02 15:04:05.999999999") + ")"
}

// ntp reads a time as NTP has it: seconds since 1900, and a fraction of 32 bits. Seconds without
// the highest bit have begun anew in 2036.
func ntp(n uint64) time.Time {
	const secondsTo1970 = 2_208_988_800
	seconds := int64(n >> 32)
	if seconds < 1<<31 {
		seconds += 1 << 32
	}
	return time.Unix(seconds-secondsTo1970, int64((n&(1<<32-1))*1e9>>32))
}

// number reads up to 8 bytes.
func number(b []byte) (n uint64) {
	for _, v := range b {
		n = n<<8 | uint64(v)
	}
	return n
}

// printable reports whether bytes are text, perhaps with zeros behind it.
func printable(b []byte) bool {
	text := strings.TrimRight(string(b), "\x00")
	for _, c := range []byte(text) {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return text != ""
}
