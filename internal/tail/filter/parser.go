package filter

import (
	"fmt"

	"github.com/flowpub/flowpub/internal/tail/flow"
)

// maxDepth bounds how deep expressions may be nested.
const maxDepth = 200

// parser makes a test of the words of an expression.
type parser struct {
	text  string
	words []word
	at    int // of words
	depth int
}

// word is the one that comes next.
func (p *parser) word() word { return p.words[p.at] }

// take returns the next word, and goes on behind it, unless it is the end.
func (p *parser) take() word {
	w := p.words[p.at]
	if w.kind != endOfText {
		p.at++
	}
	return w
}

// accept takes the next word if it is one of these.
func (p *parser) accept(texts ...string) bool {
	if p.word().is(texts...) {
		p.at++
		return true
	}
	return false
}

func (p *parser) mistake(w word, format string, args ...any) error {
	return &SyntaxError{p.text, w.at, fmt.Sprintf(format, args...)}
}

// expression reads tests that are joined by or.
func (p *parser) expression() (test, error) {
	left, err := p.conjunction()
	for err == nil && p.accept("or", "||") {
		var right test
		if right, err = p.conjunction(); err == nil {
			left = either(left, right)
		}
	}
	return left, err
}

// conjunction reads tests that are joined by and.
func (p *parser) conjunction() (test, error) {
	left, err := p.negation()
	for err == nil && p.accept("and", "&&") {
		var right test
		if right, err = p.negation(); err == nil {
			left = both(left, right)
		}
	}
	return left, err
}

// negation reads a test with not before it, or an expression in parentheses.
func (p *parser) negation() (test, error) {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxDepth {
		return nil, p.mistake(p.word(), "the expression is nested deeper than %d: write it with fewer parentheses", maxDepth)
	}
	if p.accept("not", "!") {
		inner, err := p.negation()
		return not(inner), err
	}
	open := p.word()
	if !p.accept("(") {
		return p.primary()
	}
	inner, err := p.expression()
	if err == nil && !p.accept(")") {
		if p.word().kind == endOfText {
			return nil, p.mistake(open, "the parenthesis is not closed: add ) behind what belongs together")
		}
		return nil, p.mistake(p.word(), "%s does not go on the expression: join tests with and, or; or close the parenthesis", p.word())
	}
	return inner, err
}

func both(a, b test) test   { return func(f *flow.Flow) bool { return a(f) && b(f) } }
func either(a, b test) test { return func(f *flow.Flow) bool { return a(f) || b(f) } }
func not(a test) test       { return func(f *flow.Flow) bool { return !a(f) } }
