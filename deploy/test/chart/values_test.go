package chart

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

const dir = "../../helm/flowpub"

// README's table has every value with its default, and the schema knows each.
func TestValuesAreDocumented(t *testing.T) {
	t.Parallel()
	values := flatten("", read[map[string]any](t, dir+"/values.yaml"))
	readme, err := os.ReadFile(dir + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := make(map[string]string)
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (.*?) \\|").FindAllStringSubmatch(string(readme), -1) {
		documented[row[1]] = strings.Trim(row[2], "`")
	}
	schema := schemaNames("", read[map[string]any](t, dir+"/values.schema.json"))
	for name, value := range values {
		stated, found := documented[name]
		switch {
		case !found:
			t.Errorf("README.md lacks %s", name)
		case value != "" && stated != value:
			t.Errorf("README.md says that %s is %q by default; it is %q", name, stated, value)
		}
		if !slices.Contains(schema, name) {
			t.Errorf("values.schema.json lacks %s", name)
		}
	}
	for name := range documented {
		if _, found := values[name]; !found {
			t.Errorf("README.md has %s, which is no value", name)
		}
	}
	for _, name := range schema {
		if _, found := values[name]; !found && name != "global" {
			t.Errorf("values.schema.json has %s, which is no value", name)
		}
	}
}

func read[T any](t *testing.T, file string) T {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var value T
	if err := yaml.Unmarshal(text, &value); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return value
}

// flatten names values by their paths. What is empty has no text, since the table says
// in words what that means.
func flatten(prefix string, values map[string]any) map[string]string {
	all := make(map[string]string)
	for name, value := range values {
		name = prefix + name
		switch value := value.(type) {
		case map[string]any:
			maps.Copy(all, flatten(name+".", value))
			if len(value) == 0 {
				all[name] = ""
			}
		case []any:
			all[name] = ""
		default:
			all[name] = fmt.Sprint(value)
		}
	}
	return all
}

// schemaNames returns the paths of the values that a schema describes.
func schemaNames(prefix string, schema map[string]any) []string {
	var names []string
	properties, _ := schema["properties"].(map[string]any)
	for name, inner := range properties {
		inner, _ := inner.(map[string]any)
		if below := schemaNames(prefix+name+".", inner); len(below) > 0 {
			names = append(names, below...)
		} else {
			names = append(names, prefix+name)
		}
	}
	return names
}
