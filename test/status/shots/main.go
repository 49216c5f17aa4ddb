// Command shots takes the pictures of the status page for the documentation: of synthetic reports,
// in a Chromium without a screen.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/flowpub/flowpub/internal/status"
	statuspage "github.com/flowpub/flowpub/test/status"
)

func main() {
	into := flag.String("into", ".", "directory for the pictures")
	flag.Parse()
	if err := run(*into); err != nil {
		fmt.Fprintln(os.Stderr, "shots:", err)
		os.Exit(1)
	}
}

// shot is a picture.
type shot struct {
	name   string
	report func(time.Time) *status.Report
	look   statuspage.Look
	from   string // the id of the part that is at the top; empty: the whole page
}

func busy(now time.Time) *status.Report { return statuspage.Busy(now, 12) }

func run(into string) error {
	browser, err := statuspage.Start()
	if err != nil {
		return err
	}
	defer browser.Close()
	desk, dark, phone := statuspage.Look{Width: 1280, Height: 940}, statuspage.Look{Width: 1280, Height: 940, Dark: true}, statuspage.Look{Width: 390, Height: 844}
	for _, s := range []shot{
		{"status.png", busy, desk, ""},
		{"status-exporters.png", busy, desk, "exporters"},
		{"status-kafka-away.png", statuspage.Away, desk, ""},
		{"status-loss.png", statuspage.Losing, dark, ""},
		{"status-phone.png", busy, phone, ""},
	} {
		if err := take(browser, &s, filepath.Join(into, s.name)); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

func take(browser *statuspage.Browser, s *shot, path string) error {
	web := statuspage.Serve(func(bool) *status.Report { return s.report(time.Now()) })
	defer web.Close()
	tab, err := browser.Open(web.URL, s.look)
	if err != nil {
		return err
	}
	defer tab.Close()
	scroll := "true"
	if s.from != "" {
		scroll = fmt.Sprintf(`document.querySelector(".top").style.position = "static"; document.getElementById(%q).scrollIntoView({behavior: "instant"}); true`, s.from)
	}
	var picture []byte
	if err := tab.Run(
		chromedp.Evaluate(scroll, nil),
		chromedp.ActionFunc(func(ctx context.Context) (err error) {
			picture, err = page.CaptureScreenshot().Do(ctx)
			return err
		}),
	); err != nil {
		return err
	}
	return os.WriteFile(path, picture, 0o600) // git keeps no more of the mode than whether it can be run
}
