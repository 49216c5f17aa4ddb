package main

import (
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		input  string
		want   []string // parts of the report, in this order
		absent string
		err    string // empty: no error
	}{
		{
			name: "passed tests stay silent",
			input: `{"Action":"start","Package":"p"}
{"Action":"output","Package":"p","Test":"TestA","Output":"chatter\n"}
{"Action":"pass","Package":"p","Test":"TestA","Elapsed":1.5}
{"Action":"pass","Package":"p","Elapsed":1.6}`,
			want:   []string{"pass      1.6s  p\n", "slow     1.50s  p TestA\n", "1 tests passed, 0 skipped\n"},
			absent: "chatter",
		},
		{
			name: "a failed test shows what it printed",
			input: `{"Action":"output","Package":"p","Test":"TestA","Output":"want 1, got 2\n"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"fail","Package":"p"}`,
			want: []string{"want 1, got 2\n", "fail"},
			err:  "2 tests and packages failed, first: p TestA",
		},
		{
			name: "a test that never ended shows what it printed",
			input: `{"Action":"output","Package":"p","Test":"TestHang","Output":"waiting\n"}
{"Action":"output","Package":"p","Output":"panic: test timed out\n"}
{"Action":"fail","Package":"p"}`,
			want: []string{"panic: test timed out\n", "waiting\n"},
			err:  "1 tests and packages failed, first: p",
		},
		{
			name: "a skipped test is an error",
			input: `{"Action":"output","Package":"p","Test":"TestA","Output":"no captures\n"}
{"Action":"skip","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p","Test":"TestB"}
{"Action":"pass","Package":"p"}`,
			want: []string{"no captures\n", "skipped         p TestA\n", "1 tests passed, 1 skipped\n"},
			err:  "1 tests were skipped",
		},
		{
			name: "a package without tests is none",
			input: `{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"skip","Package":"q"}`,
			want: []string{"skip        0s  q\n", "1 tests passed, 0 skipped\n"},
		},
		{
			name:  "a failed build shows the compiler's words",
			input: `{"ImportPath":"p","Action":"build-output","Output":"p.go:1: undefined: x\n"}` + "\n" + `{"ImportPath":"p","Action":"build-fail"}`,
			want:  []string{"p.go:1: undefined: x\n"},
			err:   "first: p (build)",
		},
		{
			name:  "other lines pass through",
			input: "go test -json ./...\n" + `{"Action":"pass","Package":"p","Test":"TestA"}`,
			want:  []string{"go test -json ./...\n"},
		},
		{name: "nothing ran", input: "", err: "no test ran"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			err := run(strings.NewReader(tt.input), &out)
			if got := message(err); !strings.Contains(got, tt.err) || (tt.err == "") != (err == nil) {
				t.Errorf("error is %q, want one with %q", got, tt.err)
			}
			checkOrder(t, out.String(), tt.want)
			if tt.absent != "" && strings.Contains(out.String(), tt.absent) {
				t.Errorf("the report should not hold %q:\n%s", tt.absent, out.String())
			}
		})
	}
}

// checkOrder fails unless all parts are in report, each after the one before.
func checkOrder(t *testing.T, report string, parts []string) {
	t.Helper()
	rest := report
	for _, part := range parts {
		_, after, found := strings.Cut(rest, part)
		if !found {
			t.Fatalf("the report lacks %q at its place:\n%s", part, report)
		}
		rest = after
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
