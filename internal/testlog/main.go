// Testlog makes a short report of the output of go test -json, which it reads
// from standard input: a line a package, all that a failed test printed, and at
// the end the totals and the slowest tests.
//
// It ends with status 1 when a test failed or was skipped. In a run that is to
// prove that the program works, a skipped test proves nothing.
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// slowest is how many tests the report names as such.
const slowest = 5

// longestLine bounds a line of input; longer ones end the program with an error.
const longestLine = 16 << 20

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "testlog:", err)
		os.Exit(1)
	}
}

// event is a line of go test -json, see "go doc test2json" and, for the
// build- actions, "go help buildjson".
type event struct {
	Action     string
	Package    string
	Test       string // empty when the event is the package's
	Elapsed    float64
	Output     string
	ImportPath string // of the build- actions, in place of Package
}

// test names a test; one without a name stands for its package.
type test struct{ pkg, name string }

func (t test) String() string { return strings.TrimSpace(t.pkg + " " + t.name) }

type timing struct {
	test
	seconds float64
}

// report is what was learned from the events so far.
type report struct {
	out     io.Writer
	printed map[test]*strings.Builder // by tests that have not ended
	passed  []timing
	failed  []test
	skipped []test
}

// run copies what is not an event to out as it is, and reports on the rest.
func run(in io.Reader, out io.Writer) error {
	r := &report{out: out, printed: map[test]*strings.Builder{}}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, longestLine)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil || e.Action == "" {
			fmt.Fprintln(out, lines.Text())
			continue
		}
		r.add(e)
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("reading events: %w", err)
	}
	r.summarise()
	return r.verdict()
}

func (r *report) add(e event) {
	t := test{e.Package, e.Test}
	switch e.Action {
	case "output":
		r.keep(t, e.Output)
	case "build-output":
		fmt.Fprint(r.out, e.Output)
	case "build-fail":
		r.failed = append(r.failed, test{e.ImportPath, "(build)"})
	case "pass", "fail", "skip":
		r.end(t, e)
	}
}

func (r *report) keep(t test, output string) {
	b := r.printed[t]
	if b == nil {
		b = new(strings.Builder)
		r.printed[t] = b
	}
	b.WriteString(output)
}

// end takes note of how a test or a package ended. A package without tests
// counts as skipped for go test, but not here.
func (r *report) end(t test, e event) {
	if e.Action == "fail" {
		r.failed = append(r.failed, t)
		r.show(t)
	}
	switch {
	case t.name == "":
		r.endPackage(t.pkg, e)
	case e.Action == "skip":
		r.skipped = append(r.skipped, t)
		r.show(t)
	case e.Action == "pass":
		r.passed = append(r.passed, timing{t, e.Elapsed})
	}
	delete(r.printed, t)
}

// endPackage prints a package's line. Tests of a failed package that never
// ended, as after a panic or a time-out, show what they printed.
func (r *report) endPackage(pkg string, e event) {
	for _, t := range r.unfinished(pkg) {
		if e.Action == "fail" {
			r.show(t)
		}
		delete(r.printed, t)
	}
	elapsed := time.Duration(e.Elapsed * float64(time.Second)).Round(10 * time.Millisecond)
	fmt.Fprintf(r.out, "%-4s  %8s  %s\n", e.Action, elapsed, pkg)
}

func (r *report) unfinished(pkg string) []test {
	var all []test
	for t := range r.printed {
		if t.pkg == pkg && t.name != "" {
			all = append(all, t)
		}
	}
	slices.SortFunc(all, func(a, b test) int { return cmp.Compare(a.name, b.name) })
	return all
}

func (r *report) show(t test) {
	if b := r.printed[t]; b != nil {
		fmt.Fprint(r.out, b.String())
	}
}

func (r *report) summarise() {
	slices.SortStableFunc(r.passed, func(a, b timing) int { return cmp.Compare(b.seconds, a.seconds) })
	for _, t := range r.passed[:min(slowest, len(r.passed))] {
		fmt.Fprintf(r.out, "slow  %7.2fs  %v\n", t.seconds, t.test)
	}
	for _, t := range r.skipped {
		fmt.Fprintf(r.out, "skipped         %v\n", t)
	}
	fmt.Fprintf(r.out, "%d tests passed, %d skipped\n", len(r.passed), len(r.skipped))
}

func (r *report) verdict() error {
	switch {
	case len(r.failed) > 0:
		return fmt.Errorf("%d tests and packages failed, first: %v", len(r.failed), r.failed[0])
	case len(r.skipped) > 0:
		return fmt.Errorf("%d tests were skipped: give them what they ask for", len(r.skipped))
	case len(r.passed) == 0:
		return errors.New("no test ran")
	}
	return nil
}
