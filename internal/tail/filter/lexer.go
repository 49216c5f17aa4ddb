package filter

import "strings"

// wordKind is what a word is.
type wordKind uint8

const (
	plainWord wordKind = iota
	symbol             // a parenthesis, a comparison, a comma
	quoted             // text between quotes
	endOfText
)

// word is a word of an expression, and where it begins.
type word struct {
	kind wordKind
	text string
	at   int
}

// String shows the word in a message.
func (w word) String() string {
	if w.kind == endOfText {
		return "the end"
	}
	return `"` + w.text + `"`
}

// is reports whether it is a word without quotes, in any case of letters.
func (w word) is(texts ...string) bool {
	if w.kind == quoted || w.kind == endOfText {
		return false
	}
	for _, text := range texts {
		if strings.EqualFold(w.text, text) {
			return true
		}
	}
	return false
}

// symbols are those of two characters first.
var symbols = []string{"&&", "||", "==", "!=", ">=", "<=", "(", ")", "[", "]", ",", "!", "=", ">", "<"}

// split returns the words of a text, the last one of which is its end.
func split(text string) ([]word, error) {
	var words []word
	for at := 0; at < len(text); {
		rest := text[at:]
		switch {
		case strings.IndexByte(" \t\r\n", rest[0]) >= 0:
			at++
			continue
		case rest[0] == '"' || rest[0] == '\'':
			end := strings.IndexByte(rest[1:], rest[0])
			if end < 0 {
				return nil, &SyntaxError{text, at, "the quote has no end: close it"}
			}
			words = append(words, word{quoted, rest[1 : 1+end], at})
			at += end + 2
			continue
		}
		w := next(rest)
		w.at = at
		words = append(words, w)
		at += len(w.text)
	}
	return append(words, word{endOfText, "", len(text)}), nil
}

// next returns the symbol or word that rest begins with.
func next(rest string) word {
	for _, s := range symbols {
		if strings.HasPrefix(rest, s) {
			return word{kind: symbol, text: s}
		}
	}
	if end := strings.IndexAny(rest, " \t\r\n\"'()[],!=<>&|"); end > 0 {
		rest = rest[:end]
	} else if end == 0 {
		rest = rest[:1]
	}
	return word{text: rest}
}
