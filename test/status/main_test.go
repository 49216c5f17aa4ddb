package page

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/flowpub/flowpub/internal/status"
)

// browser is started once, for all tests.
var browser = sync.OnceValues(Start)

func TestMain(m *testing.M) {
	code := m.Run()
	if b, err := browser(); err == nil {
		b.Close()
	}
	os.Exit(code)
}

var desk = Look{Width: 1280, Height: 900}

// open opens the page of an address. When the test ends it must not have complained.
func open(t *testing.T, address string, look Look) *Tab {
	t.Helper()
	b, err := browser()
	if err != nil {
		t.Fatal(err)
	}
	tab, err := b.Open(address, look)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if complaints := tab.Complaints(); len(complaints) > 0 && !t.Failed() {
			t.Errorf("the page complains: %q", complaints)
		}
		tab.Close()
	})
	return tab
}

// show opens the page with a report.
func show(t *testing.T, report func(time.Time) *status.Report, look Look) *Tab {
	t.Helper()
	web := Serve(func(exporters bool) *status.Report {
		r := report(time.Now())
		if !exporters {
			r.Exporters.List = []status.Exporter{}
		}
		return r
	})
	t.Cleanup(web.Close)
	return open(t, web.URL, look)
}

// run does something in the tab.
func run(t *testing.T, tab *Tab, actions ...chromedp.Action) {
	t.Helper()
	if err := tab.Run(actions...); err != nil {
		t.Fatal(err)
	}
}

// eval returns the value of an expression.
func eval[T any](t *testing.T, tab *Tab, expression string) (value T) {
	t.Helper()
	run(t, tab, chromedp.Evaluate(expression, &value))
	return value
}

// await waits until an expression is true.
func await(t *testing.T, tab *Tab, expression string) {
	t.Helper()
	err := tab.Run(chromedp.Poll(expression, nil, chromedp.WithPollingTimeout(Patience)))
	if err != nil {
		t.Fatalf("waiting for %s: %v; the page says:\n%s", expression, err, eval[string](t, tab, "document.body.innerText"))
	}
}

// awaitPromise has an expression's promise waited for.
func evalPromise(t *testing.T, tab *Tab, expression string, value any) {
	t.Helper()
	var text string
	err := tab.Run(chromedp.ActionFunc(func(ctx context.Context) error {
		return chromedp.Evaluate(fmt.Sprintf("(%s).then((v) => JSON.stringify(v))", expression), &text, chromedp.EvalAsValue, awaitPromise).Do(ctx)
	}))
	if err == nil {
		err = json.Unmarshal([]byte(text), value)
	}
	if err != nil {
		t.Fatal(err)
	}
}
