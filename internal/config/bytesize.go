package config

import (
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/flowpub/flowpub/publisher"
)

// ByteSize is a number of bytes, written as a number and a unit: 32MiB, 1.5GiB,
// 512KiB, 64MB. A number alone is bytes.
//
// Units are B, the powers of 1,000 kB, MB, GB, TB, and the powers of 1,024 KiB,
// MiB, GiB, TiB. They are case-sensitive; a space before one is allowed.
type ByteSize int

// byteUnits from large to small, binary ones first: an unknown unit is likely to
// mean one of them.
var byteUnits = []struct {
	name  string
	bytes int64
}{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3},
	{"B", 1}, {"", 1},
}

// String returns the size in the largest power of 1,024 that divides it.
func (s ByteSize) String() string { return publisher.ByteSize(s).String() }

// UnmarshalText reads a size. A fraction is taken when it comes to whole bytes.
func (s *ByteSize) UnmarshalText(text []byte) error {
	number, unit := splitUnit(string(text))
	if strings.HasPrefix(number, "-") {
		return errors.New("a size must not be negative: write it as 32MiB")
	}
	bytes, err := unitBytes(number, unit)
	if err != nil {
		return err
	}
	amount, ok := new(big.Rat).SetString(number)
	if !ok {
		return errors.New("a size is a number and a unit: write it as 32MiB")
	}
	amount.Mul(amount, new(big.Rat).SetInt64(bytes))
	if !amount.IsInt() {
		return errors.New("that is not a whole number of bytes: use a smaller unit")
	}
	size := ByteSize(amount.Num().Int64())
	if !amount.Num().IsInt64() || int64(size) != amount.Num().Int64() {
		return errors.New("that is more than this machine can address: use a smaller size")
	}
	*s = size
	return nil
}

// splitUnit cuts text after its last digit or decimal point.
func splitUnit(text string) (number, unit string) {
	end := strings.LastIndexAny(text, "0123456789.") + 1
	return text[:end], strings.TrimPrefix(text[end:], " ")
}

// unitBytes returns the bytes of one unit. number is what stands before it.
func unitBytes(number, unit string) (int64, error) {
	if strings.Trim(number, "0123456789.") != "" || number == "" {
		return 0, errors.New("a size is a number and a unit: write it as 32MiB")
	}
	for _, known := range byteUnits {
		if unit == known.name {
			return known.bytes, nil
		}
	}
	for _, known := range byteUnits[:4] {
		if strings.EqualFold(unit[:1], known.name[:1]) {
			return 0, fmt.Errorf("unit %q is not known: write %s%s", unit, number, known.name)
		}
	}
	return 0, fmt.Errorf("unit %q is not known: use B, KiB, MiB, GiB, TiB, kB, MB, GB or TB", unit)
}
