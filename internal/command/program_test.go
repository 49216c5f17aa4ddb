package command

import (
	"encoding"
	"errors"
	"flag"
	"strings"
	"testing"
	"time"
)

func TestFinish(t *testing.T) {
	t.Parallel()
	program := Program{Name: "flowx", Linked: "v1.2.3", Usage: "the usage\n", Hint: "the hint"}
	tests := []struct {
		name           string
		err            error
		status         int
		stdout, stderr string
	}{
		{"no error", nil, 0, "", ""},
		{"help", flag.ErrHelp, 0, "the usage\n", ""},
		{"failure", errors.New("no broker"), 1, "", "flowx: no broker\n"},
		{"failure within a failure", errors.New("demo: tail: topic x: tail: it is gone"), 1, "", "flowx: topic x: it is gone\n"},
		{"word that ends like a package", errors.New("cocktail: stirred"), 1, "", "flowx: cocktail: stirred\n"},
		{"two failures", errors.Join(errors.New("a"), errors.New("b")), 1, "", "flowx: a\nflowx: b\n"},
		{"mistake", Mistakef("-n %d: give more", 0), 2, "", "flowx: -n 0: give more\nthe hint\n"},
		{
			"mistakes and a failure", errors.Join(errors.New("a"), Mistakef("b"), Mistakef("c")), 2, "",
			"flowx: a\nflowx: b\nflowx: c\nthe hint\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr strings.Builder
			status := program.Finish(tt.err, &stdout, &stderr)
			if status != tt.status || stdout.String() != tt.stdout || stderr.String() != tt.stderr {
				t.Errorf("status %d, output %q, errors %q; want %d, %q, %q",
					status, stdout.String(), stderr.String(), tt.status, tt.stdout, tt.stderr)
			}
		})
	}
}

// color is a flag's type of another package.
type color struct{}

func (color) MarshalText() ([]byte, error) { return nil, nil }
func (*color) UnmarshalText([]byte) error  { return errors.New("paint: color is not known: use red") }

func flags() *flag.FlagSet {
	f := NewFlags()
	f.Int("n", 0, "")
	f.Uint64("seed", 0, "")
	f.Float64("rate", 0, "")
	f.Bool("wrap", false, "")
	f.Duration("duration", 0, "")
	var c encoding.TextUnmarshaler = new(color)
	f.TextVar(c, "color", color{}, "")
	f.Func("broker", "", func(string) error { return errors.New("give host:port") })
	return f
}

func TestParseSaysTheCure(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, args, want string }{
		{"int", "-n ten", `invalid value "ten" for flag -n: give a whole number, such as 20`},
		{"uint64", "-seed -1", `invalid value "-1" for flag -seed: give a whole number from 0, such as 20`},
		{"float64", "-rate abc", `invalid value "abc" for flag -rate: give a number, such as 0.5 or 1000`},
		{"bool", "-wrap=maybe", `invalid boolean value "maybe" for -wrap: give true or false`},
		{"duration without unit", "-duration 5", `invalid value "5" for flag -duration: write 5s for seconds, or another unit: ms, m, h`},
		{"no duration", "-duration soon", `invalid value "soon" for flag -duration: give a number and a unit, such as 30s or 5m`},
		{"no number", "-duration NaN", `invalid value "NaN" for flag -duration: give a number and a unit, such as 30s or 5m`},
		{"type of a package", "-color blue", `invalid value "blue" for flag -color: color is not known: use red`},
		{"function", "-broker x", `invalid value "x" for flag -broker: give host:port`},
		{"unknown", "-x", `flag provided but not defined: -x`},
		{"argument", "x", `argument "x": there are only flags`},
		{"version and argument", "-version x", `argument "x": there are only flags`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := ParseAll(flags(), strings.Fields(tt.args))
			if _, mistake := errors.AsType[MistakeError](err); !mistake || err.Error() != tt.want {
				t.Errorf("error is\n%v\nwant the mistake\n%s", err, tt.want)
			}
		})
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	f := flags()
	if err := Parse(f, strings.Fields("-n 3 -wrap -duration 2s x")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"n": "3", "wrap": "true", "duration": (2 * time.Second).String()} {
		if got := f.Lookup(name).Value.String(); got != want {
			t.Errorf("-%s is %s, want %s", name, got, want)
		}
	}
	if f.Arg(0) != "x" {
		t.Errorf("arguments are %q, want x", f.Args())
	}
	for arg, want := range map[string]error{"-h": flag.ErrHelp, "-version": errVersion} {
		if err := Parse(flags(), []string{arg}); !errors.Is(err, want) {
			t.Errorf("%s: error is %v, want %v", arg, err, want)
		}
	}
}
