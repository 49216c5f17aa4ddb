package telemetry_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Paths of what belongs to monitoring, from this folder.
const (
	rulesFile      = "../../deploy/prometheus/rules.yaml"
	rulesTestFile  = "../../deploy/prometheus/rules_test.yaml"
	dashboardFile  = "../../deploy/kubernetes/components/monitoring/flowpub.json"
	monitoringFile = "../../docs/monitoring.md"
	runbooks       = "../../docs/runbooks"
)

// Every alert has its runbook, which begins with its name, and a line in
// docs/monitoring.md; and there is neither for any other.
func TestRunbooks(t *testing.T) {
	t.Parallel()
	alerts := readAlerts(t)
	compare(t, "a link in docs/monitoring.md", alerts, allMatches(t, monitoringFile, `\]\(runbooks/(\w+)\.md\)`))
	var files []string
	for _, path := range runbookPaths(t) {
		name := strings.TrimSuffix(filepath.Base(path), ".md")
		files = append(files, name)
		if titles := allMatches(t, path, `(?m)^# ([A-Z].*)$`); !slices.Equal(titles, []string{name}) {
			t.Errorf("%s has the titles %q, not %q", path, titles, name)
		}
	}
	compare(t, "a runbook", alerts, files)
}

// Every rule leads to the runbook of its alert.
func TestRunbookURLs(t *testing.T) {
	t.Parallel()
	want := readAlerts(t)
	for i, alert := range want {
		want[i] = "https://github.com/flowpub/flowpub/blob/main/docs/runbooks/" + alert + ".md"
	}
	if got := allMatches(t, rulesFile, `(?m)^          runbook_url: (.*)$`); !slices.Equal(got, want) {
		t.Errorf("the rules' runbook_url are\n%q\nnot\n%q", got, want)
	}
}

// Every alert has a test in which it fires, and one in which it does not.
func TestAlertsAreTested(t *testing.T) {
	t.Parallel()
	const nothing = `\{alertname: (\w+), eval_time: \w+, exp_alerts: \[\]\}`
	const something = `- alertname: (\w+)\n +eval_time: \w+\n +exp_alerts:\n +- exp_labels:`
	alerts := readAlerts(t)
	compare(t, "a test in which it does not fire", alerts, allMatches(t, rulesTestFile, nothing))
	compare(t, "a test in which it fires", alerts, allMatches(t, rulesTestFile, something))
}

// Alerts, dashboard and their documents name only metrics that there are.
func TestMonitoringNamesMetrics(t *testing.T) {
	t.Parallel()
	known := gather(t)
	for _, path := range append([]string{rulesFile, rulesTestFile, dashboardFile, monitoringFile}, runbookPaths(t)...) {
		for _, name := range allMatches(t, path, `\b((?:flowpub|process|go)_[a-z][a-z0-9_]*)`) {
			_, found := known[name]
			histogram := known[strings.TrimSuffix(name, "_bucket")].kind == "histogram"
			if !found && !histogram {
				t.Errorf("%s names the metric %s, which does not exist", path, name)
			}
		}
	}
}

// readAlerts returns the alerts of the rules in order; two rules may be one alert
// of two severities.
func readAlerts(t *testing.T) []string {
	t.Helper()
	alerts := allMatches(t, rulesFile, `(?m)^ +- alert: (.*)$`)
	if len(alerts) == 0 {
		t.Fatalf("%s has no alerts", rulesFile)
	}
	return alerts
}

func runbookPaths(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob(runbooks + "/*.md")
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s has no runbooks: %v", runbooks, err)
	}
	return paths
}

// allMatches returns what the group of the pattern matched in the file, in order.
func allMatches(t *testing.T, path, pattern string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1) {
		all = append(all, match[1])
	}
	return all
}

// compare reports the alerts that lack something, and what there is for none.
func compare(t *testing.T, what string, alerts, have []string) {
	t.Helper()
	for _, alert := range alerts {
		if !slices.Contains(have, alert) {
			t.Errorf("%s lacks %s", alert, what)
		}
	}
	for _, alert := range have {
		if !slices.Contains(alerts, alert) {
			t.Errorf("there is %s for %s, which is no alert", what, alert)
		}
	}
}
