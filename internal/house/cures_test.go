package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// wrappers hand on what others say.
var wrappers = []string{
	"internal/notice/notice.go Warn",
	"internal/telemetry/notices.go warn", "internal/telemetry/notices.go Write",
}

// others are not part of the collector.
var others = []string{"internal/sink", "internal/tail"}

// Every warning says what to do, by one key: "cure". It is in the call, or in the function
// that puts its attributes together.
func TestWarningsHaveCures(t *testing.T) {
	t.Parallel()
	warnings := 0
	for _, root := range []string{"collector", "publisher", "listener", "internal", "cmd/flowpub"} {
		err := filepath.WalkDir("../../"+root, func(path string, d fs.DirEntry, err error) error {
			if d != nil && d.IsDir() && slices.Contains(others, strings.TrimPrefix(filepath.ToSlash(path), "../../")) {
				return filepath.SkipDir
			}
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			for _, declaration := range file.Decls {
				f, ok := declaration.(*ast.FuncDecl)
				if !ok || !warns(f) {
					continue
				}
				warnings++
				where := strings.TrimPrefix(filepath.ToSlash(path), "../../") + " " + f.Name.Name
				if !says(f, "cure") && !slices.Contains(wrappers, where) {
					t.Errorf("%s logs a warning without a cure", where)
				}
				for _, other := range []string{"advice", "hint", "fix", "remedy", "help"} {
					if says(f, other) {
						t.Errorf("%s has the key %q; what to do is in cure", where, other)
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if warnings < 20 {
		t.Errorf("only %d functions warn: were they found?", warnings)
	}
}

// warns reports whether a function logs a warning: calls such a method with a message and
// attributes.
func warns(f *ast.FuncDecl) (found bool) {
	ast.Inspect(f, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && len(call.Args) > 1 {
			if s, ok := call.Fun.(*ast.SelectorExpr); ok && (s.Sel.Name == "Warn" || s.Sel.Name == "warn") {
				found = true
			}
		}
		return true
	})
	return found
}

// says reports whether a function has a text.
func says(f *ast.FuncDecl, text string) (found bool) {
	ast.Inspect(f, func(n ast.Node) bool {
		if literal, ok := n.(*ast.BasicLit); ok && literal.Value == `"`+text+`"` {
			found = true
		}
		return true
	})
	return found
}
