package filter

import (
	"fmt"
	"strings"

	"github.com/flowpub/flowpub/internal/tail/flow"
)

// Filter says which flows are wanted. The zero Filter wants all.
type Filter struct {
	text string
	want test
}

// test reports whether a flow is wanted.
type test func(*flow.Flow) bool

// Match reports whether f is wanted.
func (w *Filter) Match(f *flow.Flow) bool { return w.want == nil || w.want(f) }

// String returns the expression.
func (w *Filter) String() string { return w.text }

// Parse reads an expression. The empty one wants all flows. Its error is a *SyntaxError.
func Parse(text string) (Filter, error) {
	words, err := split(text)
	if err != nil {
		return Filter{}, err
	}
	if len(words) == 1 { // the end
		return Filter{}, nil
	}
	p := parser{text: text, words: words}
	want, err := p.expression()
	if err == nil && p.word().kind != endOfText {
		err = p.mistake(p.word(), "%s does not go on the expression: join tests with and, or", p.word())
	}
	if err != nil {
		return Filter{}, err
	}
	return Filter{text, want}, nil
}

// SyntaxError is a mistake in an expression.
type SyntaxError struct {
	// Text is the expression, and At where in it the mistake is, in bytes.
	Text string
	At   int
	// Problem says what is wrong, and what to write.
	Problem string
}

// Error shows the expression, and points at the mistake.
func (e *SyntaxError) Error() string {
	text := strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, e.Text)
	return fmt.Sprintf("filter: %s\n    %s\n    %s^", e.Problem, text, strings.Repeat(" ", len([]rune(e.Text[:e.At]))))
}
