package telemetry

import (
	"strconv"
	"strings"
	"testing"
)

// number returns the value of a metric without labels on a metrics page.
func number(t *testing.T, page, name string) float64 {
	t.Helper()
	_, after, found := strings.Cut(page, "\n"+name+" ")
	text, _, _ := strings.Cut(after, "\n")
	value, err := strconv.ParseFloat(text, 64)
	if !found || err != nil {
		t.Errorf("the page has no %s: %v", name, err)
	}
	return value
}
