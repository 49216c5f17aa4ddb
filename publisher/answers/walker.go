package answers

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

// walker reads the fields of an answer one after the other, as Kafka's protocol guide
// encodes them. After the first that is not true of the bytes every read gives zero
// values, so that loops end. Where the guide says that a version is flexible, lengths
// are variable and fields may be tagged.
type walker struct {
	b        []byte
	at       int
	flexible bool
	err      error

	// What the walk has found, for those that have it.
	asked      time.Duration // to be left alone
	code       int16         // the error of the whole answer
	broker     bool          // it takes messages
	mechanisms []string
}

func (w *walker) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf(format, args...)
	}
}

func (w *walker) left() int { return len(w.b) - w.at }

// take returns the next n bytes; nil if there are not so many.
func (w *walker) take(n int) []byte {
	if w.err != nil || n < 0 || n > w.left() {
		w.fail("it ends too early: %d bytes are missing", n-w.left())
		return nil
	}
	w.at += n
	return w.b[w.at-n : w.at]
}

func (w *walker) int8() {
	w.take(1)
}

func (w *walker) int16() int16 {
	b := w.take(2)
	if b == nil {
		return 0
	}
	return int16(binary.BigEndian.Uint16(b))
}

func (w *walker) int32() int32 {
	b := w.take(4)
	if b == nil {
		return 0
	}
	return int32(binary.BigEndian.Uint32(b))
}

func (w *walker) int64() int64 {
	b := w.take(8)
	if b == nil {
		return 0
	}
	return int64(binary.BigEndian.Uint64(b))
}

// varint reads an unsigned number of at most 32 bits.
func (w *walker) varint() int {
	var n uint64
	for shift := 0; shift < 35; shift += 7 {
		b := w.take(1)
		if b == nil {
			return 0
		}
		n |= uint64(b[0]&0x7f) << shift
		if b[0] < 0x80 {
			if n > math.MaxInt32 {
				break
			}
			return int(n)
		}
	}
	w.fail("a number is out of range")
	return 0
}

// text reads a string, which may be null, of at most so many bytes.
func (w *walker) text(most int) []byte {
	var n int
	if w.flexible {
		n = w.varint() - 1
	} else {
		n = int(w.int16())
	}
	if n < -1 || n > most {
		w.fail("a text has the length %d: at most %d is taken", n, most)
	}
	return w.take(max(n, 0))
}

// bytes reads bytes, which may be null.
func (w *walker) bytes() {
	n := int(w.int32())
	if n < -1 {
		w.fail("bytes have the length %d", n)
	}
	w.take(max(n, 0))
}

// list reads how many elements follow, of which there may be no more than most, and
// which take at least so many bytes each. Null is none.
func (w *walker) list(what string, most, least int) int {
	var n int
	if w.flexible {
		n = w.varint() - 1
	} else {
		n = int(w.int32())
	}
	switch {
	case w.err != nil:
		return 0
	case n < -1 || n > w.left()/least:
		w.fail("%d %s are in %d bytes", n, what, w.left())
		return 0
	case n > most:
		w.fail("it has %d %s: at most %d are taken", n, what, most)
		return 0
	}
	return max(n, 0)
}

// tags reads the tagged fields, if the version has them. The client takes none of
// them, so it does not matter what is in them.
func (w *walker) tags() {
	if !w.flexible {
		return
	}
	n := w.varint()
	if n > w.left()/2 {
		w.fail("%d tagged fields are in %d bytes", n, w.left())
	}
	for i := 0; i < n && w.err == nil; i++ {
		w.varint()
		w.take(w.varint())
	}
}

// throttle reads a throttle time. One that is out of bounds is corrected there.
func (w *walker) throttle() {
	b := w.take(4)
	if b == nil {
		return
	}
	w.asked = time.Duration(int32(binary.BigEndian.Uint32(b))) * time.Millisecond
	binary.BigEndian.PutUint32(b, uint32(min(max(w.asked, 0), MaxThrottle).Milliseconds()))
}

// replicas reads a list of brokers' ids.
func (w *walker) replicas() {
	w.take(4 * w.list("replicas", maxReplicas, 4))
}

// host reads the name or address of a broker. The client takes a comma for a list of
// them, and breaks.
func (w *walker) host() {
	name := w.text(maxHost)
	if bytes.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == ',' || r == 0x7f }) {
		w.fail("a broker's host has a comma, a space or a control character: %q", name)
	}
}
