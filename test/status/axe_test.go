package page

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/flowpub/flowpub/internal/status"
)

// axe returns the source of axe-core, which `make test-status` fetches.
func axe(t *testing.T) string {
	t.Helper()
	path := os.Getenv("AXE")
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("axe-core is not in AXE=%q: %v: run make test-status", path, err)
	}
	return string(source)
}

// axe-core finds nothing that keeps somebody from using the page: in either theme, on a
// desk and on a phone, whatever is going on.
func TestAccessibility(t *testing.T) {
	source := axe(t)
	for name, report := range map[string]func(time.Time) *status.Report{"idle": Quiet, "busy": usual, "away": Away, "losing": Losing} {
		for _, look := range []Look{{1280, 900, false}, {1280, 900, true}, {360, 800, false}, {360, 800, true}} {
			t.Run(fmt.Sprintf("%s/%d/dark=%t", name, look.Width, look.Dark), func(t *testing.T) {
				tab := show(t, report, look)
				run(t, tab, chromedp.Evaluate(source+"; true", nil))
				var result struct {
					Violations []struct {
						ID, Impact, Help string
						Nodes            []struct {
							HTML           string
							FailureSummary string
						}
					}
					Passes []json.RawMessage
				}
				evalPromise(t, tab, "axe.run(document, {resultTypes: ['violations', 'passes']})", &result)
				if len(result.Passes) < 20 {
					t.Errorf("only %d rules passed: was the page there?", len(result.Passes))
				}
				for _, v := range result.Violations {
					var nodes []string
					for _, n := range v.Nodes[:min(3, len(v.Nodes))] {
						nodes = append(nodes, n.HTML+"\n"+n.FailureSummary)
					}
					t.Errorf("%s (%s): %s\n%s", v.ID, v.Impact, v.Help, strings.Join(nodes, "\n"))
				}
			})
		}
	}
}
