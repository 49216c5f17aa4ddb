package manual

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Page is what a help text says.
type Page struct {
	// Command is the program, and its command if the text is of one: "flowgen replay".
	Command string
	// Summary is what it does: the first sentence without the program's name.
	Summary string
	// Synopsis has the forms of the command line.
	Synopsis []string
	// Sections are in the order of the text. The first has no title.
	Sections []Section
}

// Section is what stands below a title.
type Section struct {
	Title  string
	Blocks []Block
}

// Block is a paragraph, lines as they are, or items that are explained.
type Block struct {
	Text  string
	Lines []string
	Items []Item
}

// Item is a flag or a variable.
type Item struct {
	// Name is the flag with its dash, or the variable.
	Name string
	// Value is what follows a flag; it may be empty.
	Value string
	// Text explains it, in one line a sentence or more.
	Text []string
}

// Name is the name of the manual page.
func (p *Page) Name() string { return strings.ReplaceAll(p.Command, " ", "-") }

// Flags returns the flags of all sections.
func (p *Page) Flags() []Item {
	var flags []Item
	for _, section := range p.Sections {
		for _, block := range section.Blocks {
			for _, item := range block.Items {
				if strings.HasPrefix(item.Name, "-") {
					flags = append(flags, item)
				}
			}
		}
	}
	return flags
}

// Commands returns the commands of a program, which the synopsis names.
func (p *Page) Commands() []string {
	var commands []string
	for _, form := range p.Synopsis {
		words := strings.Fields(form)
		if len(words) > 1 && words[0] == p.Command && plainWord.MatchString(words[1]) {
			commands = append(commands, words[1])
		}
	}
	return commands
}

// TakesFiles reports whether the command line ends with files.
func (p *Page) TakesFiles() bool { return strings.Contains(strings.Join(p.Synopsis, "\n"), "FILE") }

var (
	plainWord = regexp.MustCompile(`^[a-z]+$`)
	// A title ends with a colon and stands alone; what is behind a comma explains it.
	title = regexp.MustCompile(`^([A-Z][a-z]+(?: [a-z]+){0,3})(,[^:]*)?:$`)
	// A flag, one space before its value, more before its text if it has none.
	flagLine = regexp.MustCompile(`^  (-[a-z0-9-]+)(?: (\S+))?(?: +(\S.*))?$`)
	// A variable stands alone; its text is below.
	variableLine = regexp.MustCompile(`^  ([A-Z][A-Z0-9_]+)$`)
	// A flag in a form of the command line, not a hyphen in a word.
	bracketed = regexp.MustCompile(`\B-[a-z]+`)
)

// Parse reads the help text of a command. What it does not understand is an error: a
// page that leaves something out is worse than none.
func Parse(command, help string) (*Page, error) {
	p := &Page{Command: command, Sections: []Section{{}}}
	for block := range strings.SplitSeq(strings.Trim(help, "\n"), "\n\n") {
		if err := p.add(strings.Split(block, "\n")); err != nil {
			return nil, fmt.Errorf("manual: help of %s: %w", command, err)
		}
	}
	if p.Summary == "" || len(p.Synopsis) == 0 || len(p.Flags()) == 0 {
		return nil, fmt.Errorf("manual: help of %s: it lacks a first sentence, a form of the command line or flags", command)
	}
	if err := p.explained(); err != nil {
		return nil, err
	}
	return p, nil
}

// explained is an error when the command line has a flag without a text.
func (p *Page) explained() error {
	texts := make(map[string]bool)
	for _, flag := range p.Flags() {
		texts[flag.Name] = len(flag.Text) > 0
	}
	for _, form := range p.Synopsis {
		for _, flag := range bracketed.FindAllString(form, -1) {
			if !texts[flag] {
				texts[flag] = false
			}
		}
	}
	for flag, explained := range texts {
		if !explained {
			return fmt.Errorf("manual: help of %s: nothing explains %s", p.Command, flag)
		}
	}
	return nil
}

// add adds a block of the text, which an empty line ends.
func (p *Page) add(lines []string) error {
	if match := title.FindStringSubmatch(lines[0]); match != nil {
		p.Sections = append(p.Sections, Section{Title: match[1]})
		if lines = lines[1:]; len(lines) == 0 {
			return nil
		}
	}
	section := &p.Sections[len(p.Sections)-1]
	switch {
	case strings.HasPrefix(lines[0], "Usage: "):
		p.addForm(strings.TrimPrefix(lines[0], "Usage: "))
		return only(lines)
	case strings.HasPrefix(lines[0], "Exit status: "):
		lines[0] = strings.TrimPrefix(lines[0], "Exit status: ")
		p.Sections = append(p.Sections, Section{Title: "Exit status", Blocks: []Block{{Text: strings.Join(lines, " ")}}})
		return nil
	case !strings.HasPrefix(lines[0], " "):
		return p.addParagraph(section, lines)
	case flagLine.MatchString(lines[0]) || variableLine.MatchString(lines[0]):
		items, err := readItems(lines)
		section.Blocks = append(section.Blocks, Block{Items: items})
		return err
	case strings.HasPrefix(lines[0], "    "+p.Command) && section.Title == "":
		for _, line := range lines {
			form, _, _ := strings.Cut(strings.TrimSpace(line), "  ")
			if !strings.HasPrefix(form, p.Command) {
				return fmt.Errorf("%q is no form of the command line", line)
			}
			p.addForm(form)
		}
		return nil
	}
	section.Blocks = append(section.Blocks, Block{Lines: lines})
	return nil
}

// only is an error when there are more lines than one.
func only(lines []string) error {
	if len(lines) > 1 {
		return fmt.Errorf("%q has a line below that does not belong there", lines[0])
	}
	return nil
}

// addForm adds a form of the command line, and those of its flags that are explained
// nowhere since every program has them. The flags' own text follows.
func (p *Page) addForm(form string) {
	p.Synopsis = append(p.Synopsis, form)
	var items []Item
	for _, flag := range bracketed.FindAllString(form, -1) {
		if known[flag] != "" {
			items = append(items, Item{Name: flag, Text: []string{known[flag]}})
		}
	}
	if len(items) > 0 {
		p.Sections = append(p.Sections, Section{Title: "Flags", Blocks: []Block{{Items: items}}})
	}
}

// known are flags that every program has.
var known = map[string]string{"-h": "print a summary of this page", "-version": "print the version"}

// addParagraph adds sentences. Lines that they announce by a colon are kept as they are.
func (p *Page) addParagraph(section *Section, lines []string) error {
	sentences := len(lines)
	for i, line := range lines {
		switch indented := strings.HasPrefix(line, " "); {
		case indented && sentences > i && strings.HasSuffix(lines[i-1], ":"):
			sentences = i
		case indented != (i >= sentences):
			return fmt.Errorf("%q is indented in a paragraph, or follows lines that are", line)
		}
	}
	text := strings.Join(lines[:sentences], " ")
	if p.Summary == "" {
		return p.addSummary(section, text)
	}
	section.Blocks = append(section.Blocks, Block{Text: text})
	if sentences < len(lines) {
		section.Blocks = append(section.Blocks, Block{Lines: lines[sentences:]})
	}
	return nil
}

// addSummary takes the first paragraph, which begins with the program's name.
func (p *Page) addSummary(section *Section, text string) error {
	if !strings.EqualFold(text[:min(len(text), len(p.Command))], p.Command) {
		return errors.New("it does not begin with the program's name")
	}
	sentence, _, _ := strings.Cut(text[len(p.Command)+1:], ". ")
	p.Summary = strings.TrimSuffix(sentence, ".")
	section.Blocks = append(section.Blocks, Block{Text: text})
	return nil
}

// readItems reads flags or variables, each with its text behind or below it.
func readItems(lines []string) ([]Item, error) {
	var items []Item
	for _, line := range lines {
		switch flag, variable := flagLine.FindStringSubmatch(line), variableLine.FindStringSubmatch(line); {
		case flag != nil:
			items = append(items, Item{Name: flag[1], Value: flag[2]})
			if flag[3] != "" {
				items[len(items)-1].Text = []string{flag[3]}
			}
		case variable != nil:
			items = append(items, Item{Name: variable[1]})
		case strings.HasPrefix(line, "        ") && len(items) > 0:
			last := &items[len(items)-1]
			last.Text = append(last.Text, strings.TrimSpace(line))
		default:
			return nil, fmt.Errorf("%q is neither a flag nor its text", line)
		}
	}
	return items, nil
}
