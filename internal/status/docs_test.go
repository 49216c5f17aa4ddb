package status

import (
	"maps"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

// kinds are the types of fields, as the documentation names them.
func kindOf(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[Count]():
		return "count"
	case t == reflect.TypeFor[time.Time]():
		return "time"
	case t.Kind() == reflect.Pointer:
		return kindOf(t.Elem()) + " or null"
	case t.Kind() == reflect.Map:
		return kindOf(t.Elem()) + " by name"
	case t.Kind() == reflect.Slice:
		return "list of " + kindOf(t.Elem())
	case t.Kind() == reflect.Struct:
		return "object"
	case t.Kind() == reflect.String:
		return "text"
	case t.Kind() == reflect.Bool:
		return "true or false"
	default:
		return "number"
	}
}

// fieldsOf lists the fields of a struct by their paths in the JSON, in order.
func fieldsOf(t reflect.Type, above string) (paths []string, kinds map[string]string) {
	kinds = make(map[string]string)
	for f := range t.Fields() {
		path := above + f.Tag.Get("json")
		paths = append(paths, path)
		kinds[path] = kindOf(f.Type)
		inner, suffix := f.Type, "."
		if inner.Kind() == reflect.Slice {
			inner, suffix = inner.Elem(), "[]."
		}
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if kindOf(inner) != "object" {
			continue
		}
		if inner == reflect.TypeFor[KafkaError]() && path != "kafka.last_error" {
			continue // it is described there
		}
		below, more := fieldsOf(inner, path+suffix)
		paths = append(paths, below...)
		maps.Copy(kinds, more)
	}
	return paths, kinds
}

// docs/status.md has every field of the JSON in its order, with its type, and no other.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/status.md")
	if err != nil {
		t.Fatal(err)
	}
	paths, kinds := fieldsOf(reflect.TypeFor[Report](), "")
	var documented []string
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 3 {
			t.Errorf("a row has %d cells, want field, type, meaning: %s", len(cells), line)
			continue
		}
		path := strings.Trim(strings.TrimSpace(cells[0]), "`")
		documented = append(documented, path)
		if kind := strings.TrimSpace(cells[1]); kind != kinds[path] {
			t.Errorf("%s is documented as %q, and is %q", path, kind, kinds[path])
		}
		if strings.TrimSpace(cells[2]) == "" {
			t.Errorf("%s has no meaning", path)
		}
	}
	for i := range max(len(paths), len(documented)) {
		var is, says string
		if i < len(paths) {
			is = paths[i]
		}
		if i < len(documented) {
			says = documented[i]
		}
		if is != says {
			t.Fatalf("field %d is %q in the JSON and %q in docs/status.md", i+1, is, says)
		}
	}
}
