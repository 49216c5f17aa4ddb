package variable_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"

	"github.com/flowpub/flowpub/internal/config"
	"github.com/flowpub/flowpub/internal/config/variable"
)

// The constants are the variables that the configuration has, in their order.
func TestConstantsAreTheVariables(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "variable.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	ast.Inspect(file, func(n ast.Node) bool {
		if sum, ok := n.(*ast.BinaryExpr); ok {
			if name, ok := sum.Y.(*ast.BasicLit); ok {
				text, err := strconv.Unquote(name.Value)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, variable.Prefix+text)
			}
		}
		return true
	})
	for _, v := range config.Variables() {
		want = append(want, v.Name)
	}
	if !slices.Equal(got, want) {
		t.Errorf("constants\n     %q\nwant %q", got, want)
	}
}
