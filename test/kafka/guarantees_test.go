package kafka_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// packages are where the tests are that docs/guarantees.md names: those with a
// real Apache Kafka by their name alone, the others behind their package's.
var packages = map[string]string{
	"":           ".",
	"auth.":      "../../publisher/auth",
	"cluster.":   "../../publisher/cluster",
	"publisher.": "../../publisher",
	"registry.":  "../../publisher/registry",
	"collector.": "../../collector",
	"e2e.":       "../../internal/e2e",
	"inventory.": "../../internal/inventory",
	"listener.":  "../../listener",
	"telemetry.": "../../internal/telemetry",
}

// matrixFiles hold tests of failures only. Each of those has a row.
var matrixFiles = []string{"faults_test.go", "restart_test.go", "templates_test.go", "publisher.faults_test.go", "publisher.frozen_test.go", "e2e.outage_test.go", "e2e.templates_store_test.go"}

// A row of the failure matrix, by column.
const (
	columnWhat = iota
	columnEffect
	columnSeen
	columnLoad
	columnTests
	matrixColumns
)

// docs/guarantees.md names tests that exist, and each test of a failure is in it.
func TestFailureMatrix(t *testing.T) {
	rows := readMatrix(t)
	named := make(map[string]bool)
	all, owed := listTests(t)
	for _, row := range rows {
		names := codes(row[columnTests])
		if len(names) == 0 {
			t.Errorf("docs/guarantees.md: %q names no test", row[columnWhat])
		}
		for _, name := range names {
			if named[name] = true; !all[name] {
				t.Errorf("docs/guarantees.md: %q names the test %s, which does not exist", row[columnWhat], name)
			}
		}
	}
	for _, name := range owed {
		if !named[name] {
			t.Errorf("docs/guarantees.md has no row for the test %s", name)
		}
	}
}

// The metrics, label values and log lines of the matrix exist.
func TestFailureMatrixTellsWhatIsSeen(t *testing.T) {
	metrics := read(t, "../../docs/metrics.md") // which a test holds equal to the program
	program := programSource(t)
	for _, row := range readMatrix(t) {
		for _, name := range codes(row[columnSeen]) {
			if !strings.Contains(metrics, "`"+name+"`") {
				t.Errorf("docs/guarantees.md: %q has %s, which docs/metrics.md has not", row[columnWhat], name)
			}
		}
		for _, line := range quoted.FindAllString(row[columnSeen], -1) {
			if !strings.Contains(program, line) {
				t.Errorf("docs/guarantees.md: %q has the log line %s, which the program does not have", row[columnWhat], line)
			}
		}
	}
}

var (
	code   = regexp.MustCompile("`([^`]+)`")
	quoted = regexp.MustCompile(`"[^"]+"`)
)

// codes returns what a cell has between backticks.
func codes(cell string) []string {
	var found []string
	for _, match := range code.FindAllStringSubmatch(cell, -1) {
		found = append(found, match[1])
	}
	return found
}

// readMatrix returns the rows of all tables under the heading of the matrix.
func readMatrix(t *testing.T) [][]string {
	t.Helper()
	_, matrix, found := strings.Cut(read(t, "../../docs/guarantees.md"), "\n## The failure matrix\n")
	if !found {
		t.Fatal("docs/guarantees.md has no section called The failure matrix")
	}
	matrix, _, _ = strings.Cut(matrix, "\n## ")
	var rows [][]string
	for line := range strings.Lines(matrix) {
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|---") || strings.HasPrefix(line, "| what happens ") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|\n"), "|")
		if len(cells) != matrixColumns {
			t.Fatalf("docs/guarantees.md: a row has %d cells, want %d: %s", len(cells), matrixColumns, line)
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, cells)
	}
	if len(rows) == 0 {
		t.Fatal("docs/guarantees.md has no rows")
	}
	return rows
}

// listTests returns the names of all tests of the packages, with those of their
// subtests that are constant, and the names that the matrix must have.
func listTests(t *testing.T) (all map[string]bool, owed []string) {
	t.Helper()
	all = make(map[string]bool)
	unseen := slices.Clone(matrixFiles)
	for prefix, dir := range packages {
		files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			inMatrix := slices.Contains(matrixFiles, prefix+filepath.Base(file))
			unseen = slices.DeleteFunc(unseen, func(name string) bool { return name == prefix+filepath.Base(file) })
			for name, subtests := range testsOf(t, file) {
				for _, each := range append(subtests, name) {
					all[prefix+each] = true
				}
				if len(subtests) == 0 { // else each of those is owed
					subtests = []string{name}
				}
				for i := 0; inMatrix && i < len(subtests); i++ {
					owed = append(owed, prefix+subtests[i])
				}
			}
		}
	}
	if len(unseen) > 0 {
		t.Errorf("matrixFiles names files that do not exist: %v", unseen)
	}
	return all, owed
}

// testsOf returns the names of a file's tests, each with those of its subtests
// that are constant.
func testsOf(t *testing.T, file string) map[string][]string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	tests := make(map[string][]string)
	for _, decl := range parsed.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || f.Recv != nil || !strings.HasPrefix(f.Name.Name, "Test") {
			continue
		}
		tests[f.Name.Name] = nil
		ast.Inspect(f, func(n ast.Node) bool {
			if name := subtest(n); name != "" {
				tests[f.Name.Name] = append(tests[f.Name.Name], f.Name.Name+"/"+name)
			}
			return true
		})
	}
	return tests
}

// subtest returns the name, as -run takes it, of the subtest that n runs; empty
// if it runs none, or one with a name that is no constant.
func subtest(n ast.Node) string {
	call, ok := n.(*ast.CallExpr)
	if !ok || len(call.Args) != 2 {
		return ""
	}
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || method.Sel.Name != "Run" {
		return ""
	}
	literal, ok := call.Args[0].(*ast.BasicLit)
	if !ok {
		return ""
	}
	name, err := strconv.Unquote(literal.Value)
	if err != nil {
		return ""
	}
	return strings.ReplaceAll(name, " ", "_")
}

// programSource is the text of all packages that may log, without their tests.
func programSource(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, dir := range []string{"publisher", "collector", "listener", "internal"} {
		err := filepath.WalkDir("../../"+dir, func(file string, _ fs.DirEntry, err error) error {
			if err == nil && filepath.Ext(file) == ".go" && !strings.HasSuffix(file, "_test.go") {
				all.WriteString(read(t, file))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all.String()
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
