package registry

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/flowpub/flowpub/internal/fakeregistry"
	"github.com/flowpub/flowpub/internal/testpage"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// docs/values.md has each status after which the schema is looked up, and no other.
func TestPageOfStatuses(t *testing.T) {
	t.Parallel()
	said := testpage.Read(t, "values.md").Section(t, "confluent").Find(t, `registering is refused \(status ([0-9]+), ([0-9]+), ([0-9]+) or ([0-9]+)\) it is looked up`)
	var refused []string
	for status := 100; status < 600; status++ {
		if (&Error{status: status}).Refused() {
			refused = append(refused, fmt.Sprint(status))
		}
	}
	if fmt.Sprint(refused) != fmt.Sprint(said) {
		t.Errorf("the schema is looked up after %v, docs/values.md says %v", refused, said)
	}
}

// A look-up finds that very text, and none that has another comment.
func TestLookUpFindsThatVeryText(t *testing.T) {
	t.Parallel()
	testpage.Read(t, "values.md").Section(t, "confluent").Find(t, "The look-up finds that very text")
	r := fakeregistry.Start(t)
	r.ReadOnly = http.StatusForbidden
	r.Add("flows-value", flowv1.Schema+"// of yesterday\n")
	c := Config{URL: r.Server.URL}
	if id, err := c.SchemaID(t.Context(), "flows-value"); err == nil || !strings.Contains(err.Error(), "status 403") {
		t.Errorf("of another text it gives %d, %v", id, err)
	}
	r.Add("flows-value", flowv1.Schema)
	if id, err := c.SchemaID(t.Context(), "flows-value"); err != nil || id != 2 {
		t.Errorf("it gives %d, %v, want 2", id, err)
	}
}
