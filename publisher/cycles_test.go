package publisher

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A type refers only to types of its own file, or to ones that do not lead back to
// it: who holds whom can be read in one direction.
func TestTypesOfFilesFormNoCircle(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	home := make(map[string]string)       // a type's file
	mentions := make(map[string][]string) // the names in its declaration
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if ok {
				home[spec.Name.Name] = name
				mentions[spec.Name.Name] = namesIn(spec.Type)
			}
			return !ok
		})
	}
	if home["Publisher"] == "" || !slices.Contains(mentions["Publisher"], "topic") {
		t.Fatalf("the types were not read: %v", mentions)
	}
	for from := range home {
		var path []string
		if leadsBack(from, from, home, mentions, make(map[string]bool), &path) {
			t.Errorf("%s leads back to itself by way of %v", from, path)
		}
	}
}

// namesIn lists the names in a type that may be those of types of this package.
func namesIn(t ast.Expr) []string {
	var names []string
	ast.Inspect(t, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr: // of another package
			return false
		case *ast.Field:
			names = append(names, namesIn(n.Type)...)
			return false
		case *ast.Ident:
			names = append(names, n.Name)
		}
		return true
	})
	return names
}

// leadsBack reports whether types lead from one to another, through a file that is
// not the other's.
func leadsBack(from, to string, home map[string]string, mentions map[string][]string, seen map[string]bool, path *[]string) bool {
	for _, next := range mentions[from] {
		if home[next] == "" || seen[next] {
			continue
		}
		if next == to {
			if home[from] != home[to] {
				return true
			}
			continue
		}
		seen[next] = true
		if leadsBack(next, to, home, mentions, seen, path) {
			*path = append(*path, next)
			return true
		}
	}
	return false
}
