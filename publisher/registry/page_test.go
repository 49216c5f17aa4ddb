package registry

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
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

// The registry's port has to be added to the network policy, which has DNS and Kafka.
func TestPageOfNetworkPolicy(t *testing.T) {
	t.Parallel()
	path := testpage.Read(t, "values.md").Section(t, "confluent").Find(t, "the network policy of `([a-z/]+)` lets flowpub reach Kafka's ports only: add the registry's")[0]
	b, err := os.ReadFile("../../" + path + "/networkpolicy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, egress, _ := strings.Cut(string(b), "\n  egress:\n")
	var ports []string
	for _, m := range regexp.MustCompile(`(?:port|endPort): ([0-9]+)`).FindAllStringSubmatch(egress, -1) {
		ports = append(ports, m[1])
	}
	if fmt.Sprint(ports) != "[53 53 9092 9094]" {
		t.Errorf("flowpub reaches the ports %v", ports)
	}
}
