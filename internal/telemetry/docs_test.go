package telemetry_test

import (
	"context"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/flowpub/flowpub/collector"
	"github.com/flowpub/flowpub/internal/telemetry"
)

// documented is what the documentation says of a metric: its type, and its
// label with all values.
type documented struct{ kind, label string }

// docs/metrics.md has every metric of a collector that has just started, with
// its type and every value of its label, and no other.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	got, want := readDocumentation(t), gather(t)
	maps.DeleteFunc(want, func(name string, _ documented) bool { return !strings.HasPrefix(name, "flowpub_") })
	for _, name := range slices.Sorted(maps.Keys(want)) {
		switch have, found := got[name]; {
		case !found:
			t.Errorf("docs/metrics.md lacks %s, a %s with the labels %q", name, want[name].kind, want[name].label)
		case have != want[name]:
			t.Errorf("docs/metrics.md: %s\n is %q\nnot %q", name, have, want[name])
		}
		delete(got, name)
	}
	for name := range got {
		t.Errorf("docs/metrics.md has %s, which does not exist", name)
	}
}

// labelsOf returns what a row says of a metric's labels: where there are too many values for a
// row, those that a paragraph lists.
func labelsOf(text, metric, cell string) string {
	label, below := strings.CutSuffix(cell, ", listed below")
	if !below {
		return cell
	}
	_, list, _ := strings.Cut(text, "\n"+label+" of `"+metric+"`:")
	list, _, _ = strings.Cut(list, ".\n")
	return label + ": " + strings.Join(strings.Fields(list), " ")
}

func readDocumentation(t *testing.T) map[string]documented {
	t.Helper()
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]documented)
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| `flowpub_") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|\n"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if len(cells) != 5 || cells[3] == "" || cells[4] == "" {
			t.Fatalf("docs/metrics.md: a row must have five cells, only that of labels may be empty: %q", line)
		}
		name := strings.Trim(cells[0], "`")
		if _, twice := all[name]; twice {
			t.Errorf("docs/metrics.md has %s twice", name)
		}
		all[name] = documented{cells[1], labelsOf(string(text), name, cells[2])}
	}
	return all
}

// gather asks a collector for its metrics, those of Go and the process included.
func gather(t *testing.T) map[string]documented {
	t.Helper()
	cfg := collector.DefaultConfig()
	cfg.Listen = []string{"127.0.0.1:0"}
	cfg.HTTPListen = ""
	cfg.Publisher.Brokers = []string{"127.0.0.1:1"}
	c, err := collector.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	// Those of single exporters are there when one is.
	families, err := telemetry.NewRegistry(func() telemetry.Snapshot {
		s := c.Snapshot()
		s.ByExporter = []telemetry.ExporterNumbers{{}}
		return s
	}).Gather()
	ctx, end := context.WithCancel(t.Context())
	end()
	if runErr := c.Run(ctx); err != nil || runErr != nil {
		t.Fatal(err, runErr)
	}
	all := make(map[string]documented)
	for _, family := range families {
		var name string
		var values []string
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				name = label.GetName()
				values = append(values, "`"+label.GetValue()+"`")
			}
		}
		all[family.GetName()] = documented{strings.ToLower(family.GetType().String()), labelText(name, values)}
	}
	return all
}

// labelText writes a label as the documentation does.
func labelText(name string, values []string) string {
	switch name {
	case "":
		return ""
	case "exporter_name":
		return "`exporter`, `exporter_name`"
	case "version":
		return "`version`: the program's"
	default:
		slices.Sort(values)
		return "`" + name + "`: " + strings.Join(values, ", ")
	}
}
