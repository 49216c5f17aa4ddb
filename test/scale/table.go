package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// table is one of the page's.
type table struct {
	name string
	head []string
	rows [][]string
}

// add adds a row of numbers and texts.
func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// markdown returns the table as the page has it.
func (t *table) markdown() string {
	var b strings.Builder
	line := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	line(t.head)
	b.WriteString(strings.Repeat("|---", len(t.head)) + "|\n")
	for _, row := range t.rows {
		line(row)
	}
	return b.String()
}

// random returns a source of numbers of one table's own.
func (o options) random(table uint64) *rand.Rand { return rand.New(rand.NewPCG(o.seed, table)) }

// count prints a whole number with commas.
func count[N int | float64](n N) string {
	digits := strconv.FormatInt(int64(math.Round(float64(n))), 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// short prints a number with two digits that count, or more before the point.
func short(x float64) string {
	switch {
	case x == 0:
		return "0"
	case x < 0.95:
		return strconv.FormatFloat(x, 'f', 2, 64)
	case x < 9.95:
		return strconv.FormatFloat(x, 'f', 1, 64)
	default:
		return count(x)
	}
}

// median returns the middle one of some numbers.
func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}
