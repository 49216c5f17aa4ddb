package template

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Limits of the elements copied into a record.
const (
	maxElements      = 32  // a record
	maxElementOctets = 512 // a record, all values together
)

// allUnknown selects each element that fills no field.
const allUnknown = "all-unknown"

// Selection says which elements are copied into decoder.Extension.Elements. The
// zero value selects none.
type Selection struct {
	unknown bool
	wanted  []elementNumber
}

type elementNumber struct {
	enterprise uint32
	id         uint16
}

// ParseSelection reads a list such as "82,25461/56701": numbers of elements,
// those of an enterprise behind its number and a slash, separated by commas. The word
// all-unknown stands for all that fill no field. An empty list selects none.
func ParseSelection(list string) (*Selection, error) {
	s := &Selection{}
	if strings.TrimSpace(list) == "" {
		return s, nil
	}
	for item := range strings.SplitSeq(list, ",") {
		item = strings.TrimSpace(item)
		if item == allUnknown {
			s.unknown = true
			continue
		}
		n, err := parseElement(item)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(s.wanted, n) {
			s.wanted = append(s.wanted, n)
		}
	}
	if len(s.wanted) > maxElements {
		return nil, fmt.Errorf("%d elements are too many: name at most %d, or %s", len(s.wanted), maxElements, allUnknown)
	}
	return s, nil
}

// parseElement reads the number of an element.
func parseElement(item string) (n elementNumber, err error) {
	if several := strings.FieldsFunc(item, func(r rune) bool { return unicode.IsSpace(r) || r == ';' || r == '|' }); len(several) > 1 {
		return n, fmt.Errorf("%q is not one element but %d: separate them by commas, as in %s", item, len(several), strings.Join(several, ","))
	}
	if item == "" {
		return n, errors.New("an element is missing beside a comma: remove the comma")
	}
	id := item
	enterprise, after, found := strings.Cut(item, "/")
	if found {
		pen, err := strconv.ParseUint(enterprise, 10, 32)
		if err != nil {
			return n, fmt.Errorf("%q is no enterprise number: write an element as its number, 0 to 65535, or as enterprise/element", item)
		}
		n.enterprise, id = uint32(pen), after
	}
	number, err := strconv.ParseUint(id, 10, 16)
	if err != nil {
		return n, fmt.Errorf("%q is no element: write its number, 0 to 65535, or enterprise/element, or %s", item, allUnknown)
	}
	n.id = uint16(number)
	return n, nil
}

// has reports whether the field f is to be copied, which fills a field if known.
func (s *Selection) has(f fieldSpec, known bool) bool {
	if s == nil {
		return false
	}
	return s.unknown && !known || slices.Contains(s.wanted, elementNumber{f.enterprise, f.id})
}
