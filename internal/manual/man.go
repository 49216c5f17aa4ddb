package manual

import (
	"fmt"
	"strings"
)

// titles are sections' titles in a manual page.
var titles = map[string]string{
	"":                      "DESCRIPTION",
	"Flags":                 "OPTIONS",
	"Environment variables": "ENVIRONMENT",
}

// Man returns the manual page, in the section of the manual: 1 for commands, 8 for what
// administrators run. Version and date, which it shows, are the release's.
func (p *Page) Man(section int, version, date string) string {
	var page strings.Builder
	fmt.Fprintf(&page, ".TH %s %d %s %s\n", quoted(strings.ToUpper(p.Name())), section, quoted(date), quoted("flowpub "+version))
	// No hyphens: what is to be typed is found and copied as it is.
	page.WriteString(".nh\n.ad l\n")
	fmt.Fprintf(&page, ".SH NAME\n%s \\- %s\n", escaped(p.Name()), escaped(p.Summary))
	page.WriteString(".SH SYNOPSIS\n")
	writeLines(&page, p.Synopsis)
	written := ""
	for _, s := range p.Sections {
		heading := titles[s.Title]
		if heading == "" {
			heading = strings.ToUpper(s.Title)
		}
		if heading != written {
			fmt.Fprintf(&page, ".SH %s\n", quoted(heading))
			written = heading
		}
		for _, b := range s.Blocks {
			b.man(&page)
		}
	}
	page.WriteString(".SH SEE ALSO\nhttps://github.com/flowpub/flowpub\n")
	return page.String()
}

func (b Block) man(page *strings.Builder) {
	if b.Text != "" {
		fmt.Fprintf(page, ".PP\n%s\n", escaped(b.Text))
	}
	if len(b.Lines) > 0 {
		page.WriteString(".PP\n")
		writeLines(page, b.Lines)
	}
	for _, item := range b.Items {
		fmt.Fprintf(page, ".TP\n\\fB%s\\fR", escaped(item.Name))
		if item.Value != "" {
			fmt.Fprintf(page, " \\fI%s\\fR", escaped(item.Value))
		}
		page.WriteString("\n")
		for _, line := range item.Text {
			// What a variable's value looks like is a line of its own in the help.
			if strings.HasPrefix(line, "value: ") {
				page.WriteString(".br\n")
			}
			fmt.Fprintf(page, "%s\n", escaped(line))
		}
	}
}

// writeLines keeps lines as they are.
func writeLines(page *strings.Builder, lines []string) {
	page.WriteString(".nf\n")
	for _, line := range lines {
		fmt.Fprintf(page, "%s\n", escaped(line))
	}
	page.WriteString(".fi\n")
}

// escaped is text that troff prints as it is: backslashes, dashes that are to be typed,
// quotes that stay upright, and lines that would be requests.
func escaped(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(text)
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	return text
}

// quoted is an argument of a request.
func quoted(text string) string { return `"` + strings.ReplaceAll(escaped(text), `"`, `\(dq`) + `"` }
