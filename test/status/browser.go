package page

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/flowpub/flowpub/internal/status"
)

// Patience is how long one step in the browser may take, also on a busy machine.
const Patience = 60 * time.Second

// Browser is a Chromium.
type Browser struct {
	ctx   context.Context
	close []func()
}

// Start starts one. Close ends it.
func Start() (*Browser, error) {
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, // it opens pages of this program only, in a container often as root
		chromedp.DisableGPU,
		chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("force-color-profile", "srgb"),
		chromedp.WSURLReadTimeout(Patience),
	)
	ctx, endAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, end := chromedp.NewContext(ctx)
	b := &Browser{ctx, []func(){end, endAllocator}}
	if err := chromedp.Run(ctx); err != nil {
		b.Close()
		return nil, fmt.Errorf("page: Chromium does not start: %w: install Debian's package chromium", err)
	}
	return b, nil
}

// Close ends the browser and all tabs.
func (b *Browser) Close() {
	for _, end := range b.close {
		end()
	}
}

// Tab is a page in the browser. What it complains of is kept.
type Tab struct {
	ctx   context.Context
	Close func()

	mu         sync.Mutex
	complaints []string
}

// Look is how a page is looked at.
type Look struct {
	Width, Height int64
	Dark          bool
}

// Open opens an address in a new tab, and waits until the page has shown a report.
func (b *Browser) Open(address string, look Look) (*Tab, error) {
	ctx, cancel := chromedp.NewContext(b.ctx)
	t := &Tab{ctx: ctx, Close: cancel}
	chromedp.ListenTarget(ctx, t.listen)
	// The tab ends with the context of what runs first in it: not with a deadline.
	if err := chromedp.Run(ctx); err != nil {
		t.Close()
		return nil, err
	}
	theme := "light"
	if look.Dark {
		theme = "dark"
	}
	err := t.Run(
		log.Enable(),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: theme}, {Name: "prefers-reduced-motion", Value: "reduce"},
		}),
		emulation.SetDeviceMetricsOverride(look.Width, look.Height, 1, false),
		chromedp.Navigate(address),
		chromedp.Poll(`document.getElementById("live")?.dataset.live === "yes"`, nil),
	)
	if err != nil {
		t.Close()
		return nil, fmt.Errorf("page: opening %s: %w: %v", address, err, t.Complaints())
	}
	return t, nil
}

// Run does something in the tab.
func (t *Tab) Run(actions ...chromedp.Action) error {
	ctx, cancel := context.WithTimeout(t.ctx, Patience)
	defer cancel()
	return chromedp.Run(ctx, actions...)
}

// listen keeps exceptions, errors on the console, and what the policy refused.
func (t *Tab) listen(event any) {
	var text string
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		text = e.ExceptionDetails.Error()
	case *log.EventEntryAdded:
		if e.Entry.Level == log.LevelError {
			text = e.Entry.Text + " " + e.Entry.URL
		}
	}
	if text != "" {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.complaints = append(t.complaints, text)
	}
}

// Complaints returns what the page complained of.
func (t *Tab) Complaints() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string{}, t.complaints...)
}

// Serve serves the page with reports that a function makes.
func Serve(report func(exporters bool) *status.Report) *httptest.Server {
	mux := http.NewServeMux()
	mux.Handle("/", status.Handler(report))
	return httptest.NewServer(mux)
}
