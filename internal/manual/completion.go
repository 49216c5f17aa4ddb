package manual

import (
	"fmt"
	"regexp"
	"strings"
)

// choice is a value that is one of several words: table|json|csv.
var choice = regexp.MustCompile(`^[a-z0-9-]+(\|[a-z0-9-]+)+$`)

// words are the words that a flag's value may be; none if it may be anything.
func (i Item) words() []string {
	if !choice.MatchString(i.Value) {
		return nil
	}
	return strings.Split(i.Value, "|")
}

// brief is the first part of an item's text.
func (i Item) brief() string {
	text := strings.Join(i.Text, " ")
	for _, end := range []string{"; ", ". ", " ("} {
		text, _, _ = strings.Cut(text, end)
	}
	return text
}

// Bash returns the completion of a program and of its commands, whose pages are given.
func (p *Page) Bash(commands ...*Page) string {
	var text strings.Builder
	function := "_" + p.Command
	fmt.Fprintf(&text, "# bash completion of %s\n%s() {\n", p.Command, function)
	text.WriteString("  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}\n  COMPREPLY=()\n")
	for _, c := range commands {
		word := strings.TrimPrefix(c.Command, p.Command+" ")
		fmt.Fprintf(&text, "  if ((COMP_CWORD > 1)) && [[ ${COMP_WORDS[1]} == %s ]]; then\n", word)
		c.bashLine(&text, "    ", nil)
		text.WriteString("    return\n  fi\n")
	}
	p.bashLine(&text, "  ", p.Commands())
	fmt.Fprintf(&text, "}\ncomplete -F %s %s\n", function, p.Command)
	return text.String()
}

// bashLine writes the completion of one command line. Commands are its first word.
func (p *Page) bashLine(text *strings.Builder, indent string, commands []string) {
	var names, free []string
	fmt.Fprintf(text, "%scase ${previous/#--/-} in\n", indent)
	for _, flag := range p.Flags() {
		names = append(names, flag.Name)
		if words := flag.words(); words != nil {
			fmt.Fprintf(text, "%s%s)\n%s  mapfile -t COMPREPLY < <(compgen -W '%s' -- \"$current\")\n%s  return\n%s  ;;\n",
				indent, flag.Name, indent, strings.Join(words, " "), indent, indent)
		} else if flag.Value != "" {
			free = append(free, flag.Name)
		}
	}
	if len(free) > 0 {
		fmt.Fprintf(text, "%s%s) return ;;\n", indent, strings.Join(free, " | "))
	}
	fmt.Fprintf(text, "%sesac\n", indent)
	if len(commands) > 0 {
		fmt.Fprintf(text, "%sif ((COMP_CWORD == 1)) && [[ $current != -* ]]; then\n", indent)
		fmt.Fprintf(text, "%s  mapfile -t COMPREPLY < <(compgen -W '%s' -- \"$current\")\n%s  return\n%sfi\n",
			indent, strings.Join(commands, " "), indent, indent)
	}
	if p.TakesFiles() && len(commands) == 0 {
		fmt.Fprintf(text, "%sif [[ $current != -* ]]; then\n%s  mapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n%s  return\n%sfi\n",
			indent, indent, indent, indent)
	}
	fmt.Fprintf(text, "%smapfile -t COMPREPLY < <(compgen -W '%s' -- \"${current/#--/-}\")\n", indent, strings.Join(names, " "))
}

// Zsh returns the completion of a program and of its commands, whose pages are given.
func (p *Page) Zsh(commands ...*Page) string {
	var text strings.Builder
	fmt.Fprintf(&text, "#compdef %s\n# zsh completion of %[1]s\n", p.Command)
	for _, c := range commands {
		word := strings.TrimPrefix(c.Command, p.Command+" ")
		fmt.Fprintf(&text, "if (( CURRENT > 2 )) && [[ $words[2] == %s ]]; then\n  shift words\n  (( CURRENT-- ))\n", word)
		c.zshLine(&text, "  ", nil)
		text.WriteString("  return\nfi\n")
	}
	p.zshLine(&text, "", p.Commands())
	return text.String()
}

// zshLine writes the completion of one command line.
func (p *Page) zshLine(text *strings.Builder, indent string, commands []string) {
	fmt.Fprintf(text, "%s_arguments", indent)
	for _, flag := range p.Flags() {
		spec := fmt.Sprintf("%s[%s]", flag.Name, flag.brief())
		switch words := flag.words(); {
		case words != nil:
			spec += fmt.Sprintf(":%s:(%s)", strings.TrimPrefix(flag.Name, "-"), strings.Join(words, " "))
		case flag.Value != "":
			spec += ":" + strings.NewReplacer(":", `\:`).Replace(flag.Value) + ": "
		}
		fmt.Fprintf(text, " \\\n%s  %s", indent, shellQuoted(spec))
	}
	switch {
	case len(commands) > 0:
		fmt.Fprintf(text, " \\\n%s  %s", indent, shellQuoted("1:command:("+strings.Join(commands, " ")+")"))
	case p.TakesFiles():
		fmt.Fprintf(text, " \\\n%s  %s", indent, shellQuoted("*:file:_files"))
	}
	text.WriteString("\n")
}

// Fish returns the completion of a program and of its commands, whose pages are given.
func (p *Page) Fish(commands ...*Page) string {
	var text strings.Builder
	fmt.Fprintf(&text, "# fish completion of %s\n", p.Command)
	condition := ""
	if len(commands) > 0 {
		condition = " -n __fish_use_subcommand"
	}
	fmt.Fprintf(&text, "complete -c %s -f\n", p.Command)
	for _, c := range commands {
		word := strings.TrimPrefix(c.Command, p.Command+" ")
		fmt.Fprintf(&text, "complete -c %s -n __fish_use_subcommand -a %s -d %s\n", p.Command, word, shellQuoted(c.Summary))
		inside := fmt.Sprintf(" -n '__fish_seen_subcommand_from %s'", word)
		if c.TakesFiles() {
			fmt.Fprintf(&text, "complete -c %s%s -F\n", p.Command, inside)
		}
		c.fishLine(&text, p.Command, inside)
	}
	p.fishLine(&text, p.Command, condition)
	return text.String()
}

// fishLine writes the completion of one command line, where a condition holds.
func (p *Page) fishLine(text *strings.Builder, program, condition string) {
	for _, flag := range p.Flags() {
		fmt.Fprintf(text, "complete -c %s%s -o %s", program, condition, strings.TrimPrefix(flag.Name, "-"))
		switch words := flag.words(); {
		case words != nil:
			fmt.Fprintf(text, " -x -a %s", shellQuoted(strings.Join(words, " ")))
		case flag.Value != "":
			text.WriteString(" -x")
		}
		fmt.Fprintf(text, " -d %s\n", shellQuoted(flag.brief()))
	}
}

// shellQuoted is one word for each of the shells.
func shellQuoted(text string) string {
	return "'" + strings.NewReplacer(`\`, ``, "'", `'"'"'`).Replace(text) + "'"
}
