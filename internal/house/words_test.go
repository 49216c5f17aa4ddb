package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/flowpub/flowpub/internal/config"
)

// longestRow is how many characters a row of a document, or a line of code, may have: tables
// are for looking up, prose stands under them.
const longestRow = 500

func TestRowsAreShort(t *testing.T) {
	t.Parallel()
	for _, file := range tree(t, ".md", ".go", ".proto", ".yaml", ".yml", ".sh", ".py", ".java", ".sql", "Makefile", "Dockerfile") {
		if strings.HasSuffix(file, ".pb.go") || strings.Contains(file, "testdata/") {
			continue
		}
		number := 0
		for line := range strings.Lines(read(t, file)) {
			number++
			if n := utf8.RuneCountInString(line); n > longestRow {
				t.Errorf("%s:%d has %d characters, %d at most", file, number, n, longestRow)
			}
		}
	}
}

// Settings in documents may go into a file as they are: to systemd and kustomize a comment
// behind a value is part of it.
func TestSettingsHaveNoComments(t *testing.T) {
	t.Parallel()
	setting := regexp.MustCompile(`(?m)^ *FLOWPUB_[A-Z_]+=\S+ +#.*`)
	for _, file := range tree(t, ".md", ".env") {
		for _, line := range setting.FindAllString(read(t, file), -1) {
			t.Errorf("%s: put the comment on a line of its own: %s", file, line)
		}
	}
}

// mayName are the folders whose code names variables: package config, what starts a
// flowpub with an environment, and help texts.
var mayName = []string{
	"internal/config/", "internal/testproc/", "test/", "examples/", "deploy/test/",
	"cmd/flowgen/usage.go", "cmd/flowtail/usage.go",
}

// Variables are named in package config only, so that no error, no cure and no log line
// names one that is not there: others take the name from its package variable.
func TestVariablesAreNamedInConfig(t *testing.T) {
	t.Parallel()
	files := 0
	for _, file := range tree(t, ".go") {
		if strings.HasSuffix(file, "_test.go") || slices.ContainsFunc(mayName, func(prefix string) bool { return strings.HasPrefix(file, prefix) }) {
			continue
		}
		files++
		parsed, err := parser.ParseFile(token.NewFileSet(), "../../"+file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if literal, ok := n.(*ast.BasicLit); ok && strings.Contains(literal.Value, "FLOWPUB_") {
				t.Errorf("%s: %s names a variable", file, literal.Value)
			}
			return true
		})
	}
	if files < 200 {
		t.Errorf("only %d files were read", files)
	}
}

// Functions report whether something is so: that is how Go says it.
var otherwise = regexp.MustCompile(`(?m)^// \w+ (tells|says|returns|determines) (whether|if) `)

func TestFunctionsReportWhether(t *testing.T) {
	t.Parallel()
	for _, file := range tree(t, ".go") {
		for _, found := range otherwise.FindAllString(read(t, file), -1) {
			t.Errorf("%s: %q: Go says \"reports whether\"", file, found)
		}
	}
}

// Whatever names a variable names one that is there, or what several begin with.
func TestVariablesAreThere(t *testing.T) {
	t.Parallel()
	variables := config.Variables()
	name := regexp.MustCompile(`\bFLOWPUB_[A-Z0-9_]*[A-Z0-9]\b(_?\*|…)?`)
	named := 0
	for _, file := range tree(t, ".md", ".go", ".yaml", ".yml", ".sh", ".env", ".service", ".proto", ".js", ".html", "Makefile") {
		if strings.HasSuffix(file, "_test.go") {
			continue // tests name some that are not
		}
		for _, found := range name.FindAllString(read(t, file), -1) {
			named++
			stem := strings.TrimRight(found, "*…")
			if !slices.ContainsFunc(variables, func(v config.Variable) bool {
				return v.Name == stem || stem != found && strings.HasPrefix(v.Name, stem)
			}) {
				t.Errorf("%s names %s, which is no variable", file, found)
			}
		}
	}
	if named < 400 {
		t.Errorf("variables are named %d times, want 400 at least", named)
	}
}
