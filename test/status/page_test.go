package page

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/flowpub/flowpub/internal/status"
)

func awaitPromise(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }

func few(now time.Time) *status.Report      { return Busy(now, 3) }
func usual(now time.Time) *status.Report    { return Busy(now, 12) }
func thousand(now time.Time) *status.Report { return Busy(now, 5000) }

// contains checks a part of the page for texts.
func contains(t *testing.T, tab *Tab, id string, wants ...string) {
	t.Helper()
	text := strings.Join(strings.Fields(eval[string](t, tab, fmt.Sprintf("document.getElementById(%q).innerText", id))), " ")
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in #%s: %s", want, id, text)
		}
	}
}

// The page says what the report does.
func TestContent(t *testing.T) {
	tab := show(t, usual, desk)
	contains(t, tab, "verdict", "Nothing is being lost", "Nothing has been lost since the start, 26 h ago.", "1 exporter is silent")
	contains(t, tab, "stops", "Exporters 10 are heard", "datagrams/s", "NetFlow v9", "IPFIX", "NetFlow v5", "sFlow", "3,901 flows", "of 256 MiB", "not a known format 1,204", "oldest waits 118 ms")
	contains(t, tab, "exporters", "10 heard, 1 silent, 1 refused", "1–12 of 12", "edge-fra-1", "198.51.100.3", "1 in 512", "by file", "3 min behind",
		"start after end", "NetFlow v8 refused: 1,204", "37 min ago")
	contains(t, tab, "kafka", "kafka-2.example.net:9092", "6,200 flows", "zstd, 4.1:1", "5 ms", "1: 4, 2: 4, 3: 4", "Last error, 3 h ago", "none: the new leader is asked for")
	contains(t, tab, "store", "State in use flowpub-templates", "Templates 2,214 31 provisional", "Records read 3,204 read at the start in 412 ms",
		"Records written 96 the last one 4 min ago", "Records skipped 118 old: 118", "Room for 49,152 templates in all")
	contains(t, tab, "settings", "FLOWPUB_KAFKA_SASL_PASSWORD (hidden)", "FLOWPUB_EXPORTERS_FILE")
	if n := eval[int](t, tab, `document.querySelectorAll(".plot canvas").length`); n != 4 {
		t.Errorf("%d plots are drawn, want 4", n)
	}
	if title := eval[string](t, tab, "document.title"); title != "flowpub: Nothing is being lost" {
		t.Errorf("the title is %q", title)
	}
	if strings.Contains(eval[string](t, tab, `document.getElementById("setting-rows").innerText`), "FLOWPUB_LISTEN") {
		t.Error("settings that have their default are shown unasked")
	}
	run(t, tab, chromedp.Click("#all-settings"))
	contains(t, tab, "setting-rows", "FLOWPUB_LISTEN :2055 default")
}

// What is wrong comes with why, since when and the cure.
func TestTrouble(t *testing.T) {
	tests := []struct {
		name   string
		report func(time.Time) *status.Report
		level  string
		wants  []string
	}{
		{"nothing arrives", Quiet, "idle", []string{"Nothing has arrived yet", "Let an exporter send"}},
		{"Kafka is away", Away, "risk", []string{"Nothing is being lost yet", "Kafka takes no flows", "2.41M", "since", "connection refused", "start the broker", "full in about 64 s"}},
		{"flows are lost", Losing, "loss", []string{"Flows are being lost", "The kernel drops datagrams 18,211", "Flows do not arrive 437,064", "raise net.core.rmem_max"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			tab := show(t, test.report, desk)
			contains(t, tab, "verdict", test.wants...)
			if level := eval[string](t, tab, `document.getElementById("verdict").dataset.level`); level != test.level {
				t.Errorf("the level is %q, want %q", level, test.level)
			}
		})
	}
}

// Of the topic for templates the page shows what there is to know: that it is failing, with the cure; that there
// is none, to whom has templates.
func TestTemplateStore(t *testing.T) {
	without := func(templates int64) func(time.Time) *status.Report {
		return func(now time.Time) *status.Report {
			r := usual(now)
			r.TemplateStore = status.TemplateStore{State: status.StoreOff, Skipped: map[string]uint64{}, Templates: templates, Room: 49_152}
			return r
		}
	}
	tab := show(t, Away, desk)
	contains(t, tab, "store", "Failing since", "connection refused", "start the broker", "State failing flowpub-templates", "14 changes wait")
	tab = show(t, without(7), desk)
	contains(t, tab, "store", "State none templates end with the process: set FLOWPUB_KAFKA_TEMPLATE_TOPIC", "Templates 7 0 provisional")
	tab = show(t, without(0), desk)
	if height := eval[int](t, tab, `document.getElementById("store").offsetHeight`); height != 0 {
		t.Errorf("without a topic and without templates %d px tell of it", height)
	}
	tab = show(t, func(now time.Time) *status.Report {
		r := usual(now)
		s := &r.TemplateStore
		s.State, s.Load, s.LastWritten, s.RecordsWritten, s.RecordsRefused, s.Templates = status.StoreReading, 0, nil, 0, 2, 60_000
		s.Skipped["limit"] = 9_000
		return r
	}, desk)
	contains(t, tab, "store", "State being read", "not all that there was at the start", "Records written 0 none yet, 2 refused", "Records skipped 9,118 limit: 9,000, old: 118",
		"templates in all: no more are taken from the topic")
}

// Nothing is cut off or has to be scrolled to the side, whatever the width and however
// long the texts.
func TestWidths(t *testing.T) {
	for name, report := range map[string]func(time.Time) *status.Report{"idle": Quiet, "busy": usual, "losing": Losing, "long texts": Hostile} {
		t.Run(name, func(t *testing.T) {
			tab := show(t, report, desk)
			for _, width := range []int64{320, 360, 480, 600, 768, 981, 1024, 1280, 1600, 1920} {
				run(t, tab, emulation.SetDeviceMetricsOverride(width, 900, 1, false))
				await(t, tab, fmt.Sprintf(`innerWidth === %d`, width))
				wide := eval[[]string](t, tab, `[...document.querySelectorAll("body *")].filter((e) => {
					const box = e.getBoundingClientRect();
					return box.width > 1 && (box.right > innerWidth + 1 || box.left < 0) && !e.closest(".skip, .cards thead, .pipe, .plot-box");
				}).map((e) => e.tagName + "#" + e.id + "." + e.className + " to " + e.getBoundingClientRect().right)`)
				if scroll := eval[int64](t, tab, "document.scrollingElement.scrollWidth"); scroll > width || len(wide) > 0 {
					t.Errorf("at %d px the page is %d px wide: %q", width, scroll, wide)
				}
			}
		})
	}
}

// The system's colours hold, unless somebody chooses others.
func TestThemes(t *testing.T) {
	const background = `getComputedStyle(document.body).backgroundColor`
	light, dark := show(t, usual, desk), show(t, usual, Look{Width: 1280, Height: 900, Dark: true})
	isLight, isDark := eval[string](t, light, background), eval[string](t, dark, background)
	if isLight != "rgb(244, 246, 249)" || isDark != "rgb(13, 19, 27)" {
		t.Errorf("the background is %s by day and %s by night", isLight, isDark)
	}
	run(t, dark, chromedp.Click("#theme")) // light
	if got := eval[string](t, dark, background); got != isLight {
		t.Errorf("the light theme has the background %s", got)
	}
	run(t, light, chromedp.Click("#theme"), chromedp.Click("#theme")) // dark
	if got := eval[string](t, light, background); got != isDark {
		t.Errorf("the dark theme has the background %s", got)
	}
}

// Five thousand exporters are found and sorted among all, and fifty of them are there.
func TestExporters(t *testing.T) {
	const firsts = `[...document.querySelectorAll("#exporter-rows tr")].map((r) => r.querySelector("th small, th b:only-child")?.innerText ?? r.innerText)`
	tab := show(t, func(now time.Time) *status.Report { return Busy(now, 0) }, desk)
	contains(t, tab, "exporter-rows", "No exporter has been heard yet.")

	tab = show(t, few, desk)
	if rows := eval[[]string](t, tab, firsts); len(rows) != 3 {
		t.Errorf("%q, want 3 exporters", rows)
	}

	list := thousand(time.Now()).Exporters.List
	tab = show(t, thousand, desk)
	contains(t, tab, "page", "1–50 of 5,000")
	slices.SortStableFunc(list, func(a, b status.Exporter) int {
		return cmp.Or(cmp.Compare(b.FlowsPerSecond, a.FlowsPerSecond), cmp.Compare(len(a.Address), len(b.Address)))
	})
	if rows := eval[[]string](t, tab, firsts); len(rows) != 50 || rows[0] != list[0].Address || rows[40] != list[40].Address {
		t.Errorf("the first are %q, want those with the most flows a second: %s", rows, list[0].Address)
	}
	run(t, tab, chromedp.Click("#next"))
	contains(t, tab, "page", "51–100 of 5,000")
	run(t, tab, chromedp.SendKeys("#find", "leaf-0124"))
	contains(t, tab, "page", "1–1 of 1")
	contains(t, tab, "exporter-rows", "leaf-0124 198.51.100.125")
	run(t, tab, chromedp.Evaluate(`document.getElementById("find").select(); true`, nil), chromedp.SendKeys("#find", "ipfix"))
	ipfix := 0
	for _, e := range list {
		if slices.Contains(e.Formats, "ipfix") {
			ipfix++
		}
	}
	contains(t, tab, "page", fmt.Sprintf("1–50 of %d,%03d", ipfix/1000, ipfix%1000))
	run(t, tab, chromedp.Click(`#exporter-head th:first-child button`))
	if sort := eval[string](t, tab, `document.querySelector("#exporter-head th:first-child").getAttribute("aria-sort")`); sort != "ascending" {
		t.Errorf("names are sorted %q", sort)
	}
}

// What others choose is text.
func TestNothingIsMarkup(t *testing.T) {
	tab := show(t, Hostile, desk)
	if title := eval[string](t, tab, "document.title"); title == "owned" {
		t.Error("a script of a sender ran")
	}
	if n := eval[int](t, tab, `document.querySelectorAll("main img, main script, main iframe, [onerror]").length`); n != 0 {
		t.Errorf("%d elements are of a sender's making", n)
	}
	for _, id := range []string{"verdict", "stops", "exporter-rows", "kafka-error", "broker-rows", "topic-rows", "store-error", "store-facts", "setting-rows"} {
		contains(t, tab, id, "<script>document.title='owned'</script>")
	}
}

// With the keyboard alone: past the head to the exporters, sort, change colours.
func TestKeyboard(t *testing.T) {
	tab := show(t, usual, desk)
	const focused = `document.activeElement.id || document.activeElement.innerText`
	run(t, tab, chromedp.KeyEvent(kb.Tab))
	if got := eval[string](t, tab, focused); got != "Go to the exporters" {
		t.Errorf("the first stop is %q", got)
	}
	var order []string
	for range 12 {
		run(t, tab, chromedp.KeyEvent(kb.Tab))
		order = append(order, eval[string](t, tab, focused))
	}
	want := []string{"Path", "Exporters", "Kafka", "Settings", "theme", "find", "state", "Exporter", "Format", "Heard", "Flows/s", "Missed"}
	if !slices.Equal(order, want) {
		t.Errorf("the stops are %q, want %q", order, want)
	}
	run(t, tab, chromedp.KeyEvent(kb.Enter))
	if sort := eval[string](t, tab, `document.activeElement.closest("th").getAttribute("aria-sort")`); sort != "descending" {
		t.Errorf("after Enter on a column it is sorted %q", sort)
	}
	if outline := eval[string](t, tab, `getComputedStyle(document.activeElement).outlineStyle`); outline != "solid" {
		t.Errorf("what has the focus is outlined %q", outline)
	}
	// A new report leaves the focus where it is.
	await(t, tab, `performance.getEntriesByType("resource").filter((e) => e.name.endsWith("/status")).length >= 2`)
	if got := eval[string](t, tab, focused); got != "Missed" {
		t.Errorf("a new report moved the focus to %q", got)
	}
}

// When the collector does not answer any more, the page does not go on saying that all is
// well.
func TestNoAnswer(t *testing.T) {
	web := Serve(func(bool) *status.Report { return usual(time.Now()) })
	b, err := browser()
	if err != nil {
		t.Fatal(err)
	}
	tab, err := b.Open(web.URL, desk)
	if err != nil {
		t.Fatal(err)
	}
	defer tab.Close()
	contains(t, tab, "verdict", "Nothing is being lost")
	web.CloseClientConnections()
	web.Close()
	await(t, tab, `document.getElementById("verdict").dataset.level === "unknown"`)
	contains(t, tab, "verdict", "The collector does not answer")
}
