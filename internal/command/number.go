package command

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// errNumber says how to write a number.
var errNumber = errors.New("give a number, such as 0.5, 1000, 10k or 2M")

// ParseNumber reads a number that may end with k, M or G, in any case of letters.
func ParseNumber(text string) (float64, error) {
	factor := 1.0
	if n := len(text); n > 0 {
		if i := strings.IndexByte("kmg", text[n-1]|0x20); i >= 0 {
			factor, text = math.Pow(1000, float64(i+1)), text[:n-1]
		}
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, errNumber
	}
	return n * factor, nil
}

// ParseWhole is ParseNumber for whole numbers from 0.
func ParseWhole(text string) (uint64, error) {
	n, err := ParseNumber(text)
	if err != nil || n < 0 || n >= 1<<63 || n != math.Trunc(n) {
		return 0, errors.New("give a whole number from 0, such as 20, 10k or 2M")
	}
	return uint64(n), nil
}
