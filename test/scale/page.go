package main

import (
	"fmt"
	"os"
	"strings"
)

// place returns where a table's lines are in the page: behind a comment with its name, up
// to the next empty line.
func place(text string, t *table) (from, to int, err error) {
	mark := "<!-- table: " + t.name + " -->\n"
	at := strings.Index(text, mark)
	if at < 0 {
		return 0, 0, fmt.Errorf("%s has no line %q", page, strings.TrimSpace(mark))
	}
	from = at + len(mark)
	length := strings.Index(text[from:], "\n\n")
	if length < 0 {
		return 0, 0, fmt.Errorf("%s has no empty line behind the table %q", page, t.name)
	}
	return from, from + length + 1, nil
}

// rewritten returns the page's text with the tables in it.
func rewritten(text string, tables []table) (string, error) {
	for i := range tables {
		from, to, err := place(text, &tables[i])
		if err != nil {
			return "", err
		}
		text = text[:from] + tables[i].markdown() + text[to:]
	}
	return text, nil
}

// rewrite puts the tables into the page.
func rewrite(tables []table) error {
	content, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	text, err := rewritten(string(content), tables)
	if err != nil {
		return err
	}
	return os.WriteFile(page, []byte(text), 0o600) //nolint:gosec // the text is that of the page
}
