package manual

import (
	"reflect"
	"strings"
	"testing"
)

const help = `Tool does one thing, well. It needs no other.

    tool [flags]            once
    tool again [flags] FILE
                            see tool again -h

More about it's
dashes - and 'quotes'. There is:
  this  and
  that

How to do it:
  -form table|json   how to print
                     it (table)
  -to host:port      where; and more
  -by octets|packets what counts
  -h                 print this

Environment variables, each with what a value looks like:

  TOOL_NAME
        its name
        value: text

Examples:
  tool -form json     first
  tool again a\b

Exit status: 0 or
1.
`

func TestParse(t *testing.T) {
	t.Parallel()
	if _, err := Parse("tool", help); err == nil {
		t.Fatal("a form of the command line that goes on below was taken for another form")
	}
	got, err := Parse("tool", strings.Replace(help, "FILE\n                            see", "FILE   see", 1))
	if err != nil {
		t.Fatal(err)
	}
	want := &Page{
		Command: "tool", Summary: "does one thing, well",
		Synopsis: []string{"tool [flags]", "tool again [flags] FILE"},
		Sections: []Section{
			{Blocks: []Block{{Text: "Tool does one thing, well. It needs no other."}, {Text: "More about it's dashes - and 'quotes'. There is:"}, {Lines: []string{"  this  and", "  that"}}}},
			{Title: "How to do it", Blocks: []Block{{Items: []Item{
				{"-form", "table|json", []string{"how to print", "it (table)"}}, {"-to", "host:port", []string{"where; and more"}}, {"-by", "octets|packets", []string{"what counts"}}, {"-h", "", []string{"print this"}},
			}}}},
			{Title: "Environment variables", Blocks: []Block{{Items: []Item{{"TOOL_NAME", "", []string{"its name", "value: text"}}}}}},
			{Title: "Examples", Blocks: []Block{{Lines: []string{"  tool -form json     first", `  tool again a\b`}}}},
			{Title: "Exit status", Blocks: []Block{{Text: "0 or 1."}}},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("page\n %+v\nnot\n %+v", *got, *want)
	}
	if commands := got.Commands(); !reflect.DeepEqual(commands, []string{"again"}) {
		t.Errorf("commands %q", commands)
	}
}

// Help that is not understood is refused.
func TestParseRefuses(t *testing.T) {
	t.Parallel()
	const form, flag = "\n\n    tool [flags]\n", "\nFlags:\n  -h   print this\n"
	for name, text := range map[string]string{
		"nothing":               "",
		"another program":       "Other does." + form + flag,
		"no form":               "Tool does.\n" + flag,
		"no flags":              "Tool does." + form,
		"flag without text":     "Tool does." + form + "\nFlags:\n  -h\n",
		"flag of the form only": "Tool does.\n\n    tool [-h | -secret]\n",
		"something among flags": "Tool does." + form + flag + "   and so on\n",
		"indent in a paragraph": "Tool does." + form + flag + "\nThis is\n   odd.\n",
		"back in a paragraph":   "Tool does." + form + flag + "\nThere are 2 of it:\n   odd\nand on.\n",
	} {
		if page, err := Parse("tool", text); err == nil {
			t.Errorf("%s: taken as %+v", name, *page)
		}
	}
}

func TestMan(t *testing.T) {
	t.Parallel()
	page, err := Parse("tool again", "Tool again does it.\n\n    tool again FILE\n\n.Dots and \\ and ' stay-ing.\n\nFlags:\n  -to host:port  where\n"+
		"\nEnvironment variables:\n\n  TOOL_NAME\n        its name\n        value: text; default: none\n")
	if err != nil {
		t.Fatal(err)
	}
	const want = `.TH "TOOL\-AGAIN" 1 "2026\-11\-29" "flowpub v1.2.3"
.nh
.ad l
.SH NAME
tool\-again \- does it
.SH SYNOPSIS
.nf
tool again FILE
.fi
.SH "DESCRIPTION"
.PP
Tool again does it.
.PP
\&.Dots and \e and \(aq stay\-ing.
.SH "OPTIONS"
.TP
\fB\-to\fR \fIhost:port\fR
where
.SH "ENVIRONMENT"
.TP
\fBTOOL_NAME\fR
its name
.br
value: text; default: none
.SH SEE ALSO
https://github.com/flowpub/flowpub
`
	if got := page.Man(1, "v1.2.3", "2026-11-29"); got != want {
		t.Errorf("manual page\n%s\nnot\n%s", got, want)
	}
}
