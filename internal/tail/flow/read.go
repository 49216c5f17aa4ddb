package flow

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

var (
	errNoExporter = errors.New("tail: not a flow record: it names no exporter")
	errEncoding   = errors.New("it is no encoded message")
)

// read replaces f with the encoded message b, to which f refers. What parses as a
// message but has no exporter, or addresses that are none, is not a flow record:
// protobuf alone would take the empty message for one. What generated code refuses is
// refused, and what it ignores is ignored.
func (f *Flow) read(b []byte) error {
	if uint64(len(b)) > math.MaxUint32 {
		return errEncoding
	}
	f.value, f.lists, f.fields = b, false, [maxField + 1]uint64{}
	for i := 0; i < len(b); {
		tag, n := varint(b[i:])
		field := tag >> 3
		if n <= 0 || field == 0 || field > maxField {
			tag, field = 0, 0 // of no field
		}
		k := kinds[field]
		if tag&7 != uint64(protowire.VarintType) || k != kindNumber && k != kindNumber4 {
			end, err := f.readOther(tag, k, i, i+n)
			if err != nil {
				return err
			}
			i = end
			continue
		}
		v, m := varint(b[i+n:])
		if m <= 0 {
			return errEncoding
		}
		if k == kindNumber4 {
			v = uint64(uint32(v))
		}
		f.fields[field] = v
		i += n + m
	}
	if f.fields[ExporterAddress] == 0 {
		return errNoExporter
	}
	return nil
}

// readOther takes a field that is no number. It begins at begin, its content at from. It
// returns where the field ends.
func (f *Flow) readOther(tag uint64, k kind, begin, from int) (end int, err error) {
	b, field := f.value, Field(tag>>3)
	switch {
	case tag&7 == uint64(protowire.Fixed64Type) && k == kindFixed:
		if end = from + 8; end > len(b) {
			return 0, errEncoding
		}
		f.fields[field] = binary.LittleEndian.Uint64(b[from:])
		return end, nil
	case tag&7 == uint64(protowire.BytesType) && k >= kindAddress:
		length, n := varint(b[from:])
		from += n
		if n <= 0 || length > uint64(len(b)-from) {
			return 0, errEncoding
		}
		end = from + int(length)
		return end, f.readBytes(field, k, from, end)
	default: // no field, another type than it has, or several numbers that are not packed
		number, _, n := protowire.ConsumeField(b[begin:])
		if n < 0 || number > protowire.MaxValidNumber {
			return 0, errEncoding
		}
		f.lists = f.lists || k == kindNumbers
		return begin + n, nil
	}
}

// readBytes takes the bytes from..to of the value for a field.
func (f *Flow) readBytes(field Field, k kind, from, to int) error {
	size := to - from
	switch k {
	case kindAddress:
		if size != 4 && size != 16 && size != 0 {
			return sizeError(field, size)
		}
	case kindMAC:
		if size != 6 && size != 0 {
			return sizeError(field, size)
		}
	case kindText:
		if !utf8.Valid(f.value[from:to]) {
			return errEncoding
		}
	case kindNumbers:
		f.lists = true
		return checkNumbers(f.value[from:to])
	case kindElement:
		f.lists = true
		return proto.Unmarshal(f.value[from:to], new(flowv1.Element))
	default: // any bytes
	}
	f.fields[field] = uint64(to)<<32 | uint64(from)
	if size == 0 {
		f.fields[field] = 0
	}
	return nil
}

func sizeError(field Field, size int) error {
	return fmt.Errorf("tail: not a flow record: %s has %d bytes", Descriptors.ByNumber(field).Name(), size)
}

// checkNumbers returns an error for packed numbers that are none.
func checkNumbers(b []byte) error {
	for len(b) > 0 {
		_, n := varint(b)
		if n <= 0 {
			return errEncoding
		}
		b = b[n:]
	}
	return nil
}

// varint reads a number and returns how many bytes it takes; not above 0 if there is
// none.
func varint(b []byte) (uint64, int) {
	if len(b) > 0 && b[0] < 1<<7 {
		return uint64(b[0]), 1
	}
	if len(b) > 1 && b[1] < 1<<7 {
		return uint64(b[0])&0x7f | uint64(b[1])<<7, 2
	}
	return binary.Uvarint(b)
}
