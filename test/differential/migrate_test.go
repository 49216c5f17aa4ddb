package differential

import (
	"os"
	"regexp"
	"strings"
	"testing"

	flowpb "github.com/netsampler/goflow2/v2/pb"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// The fields of goflow2 that docs/migrate.md has beside ours are there.
func TestMigrationNamesFields(t *testing.T) {
	content, err := os.ReadFile("../../docs/migrate.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(content), "\n| FlowRecord | goflow2 |")
	if !found {
		t.Fatal("docs/migrate.md has no table of fields")
	}
	table, _, _ = strings.Cut(table, "\n\n")
	fields := new(flowpb.FlowMessage).ProtoReflect().Descriptor().Fields()
	names := 0
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[2], -1) {
			names++
			if fields.ByName(protoreflect.Name(name[1])) == nil {
				t.Errorf("goflow2 has no field %s", name[1])
			}
		}
	}
	if names < 30 {
		t.Errorf("%d fields are looked up, want 30 at least", names)
	}
}
