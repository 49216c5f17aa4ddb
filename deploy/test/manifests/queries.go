package manifests

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/flowpub/flowpub/collector"
	"github.com/flowpub/flowpub/internal/telemetry"
)

// grafana matches the variables that stand for a duration or a label's value.
var grafana = regexp.MustCompile(`\$(__\w+|\{[^}]*\}|\w+)`)

// checkQueries checks what rules and dashboards ask for.
func (in *installation) checkQueries() []string {
	known, err := knownMetrics()
	if err != nil {
		return []string{err.Error()}
	}
	var findings []string
	for _, r := range in.rules {
		for _, group := range r.Spec.Groups {
			for _, rule := range group.Rules {
				findings = append(findings, checkQuery("rule "+rule.Alert+rule.Record, rule.Expr.String(), known)...)
			}
		}
	}
	for _, c := range in.configs {
		for name, text := range c.Data {
			if strings.HasSuffix(name, ".json") {
				findings = append(findings, checkDashboard(name, text, known)...)
			}
		}
	}
	return findings
}

// metrics holds the values of each label of each metric that the program has, by
// metric and label.
type metrics map[string]map[string][]string

// knownMetrics is programMetrics, asked once.
var knownMetrics = sync.OnceValues(programMetrics)

// programMetrics asks a collector that was just made: all label values are there
// from the start.
func programMetrics() (metrics, error) {
	cfg := collector.DefaultConfig()
	cfg.Listen = []string{"127.0.0.1:0"}
	cfg.HTTPListen = ""
	cfg.Publisher.Brokers = []string{"127.0.0.1:1"}
	c, err := collector.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("manifests: the program's metrics: %w", err)
	}
	families, err := telemetry.NewRegistry(c.Snapshot).Gather()
	ended, end := context.WithCancel(context.Background())
	end()
	if err := errors.Join(err, c.Run(ended)); err != nil {
		return nil, fmt.Errorf("manifests: the program's metrics: %w", err)
	}
	known := make(metrics)
	for _, f := range families {
		labels := make(map[string][]string)
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = append(labels[l.GetName()], l.GetValue())
			}
		}
		for _, suffix := range []string{"", "_bucket", "_sum", "_count"} {
			known[f.GetName()+suffix] = labels
		}
	}
	return known, nil
}

// check returns what is wrong with a selector of one of the program's metrics.
func (known metrics) check(s *parser.VectorSelector) string {
	labels, found := known[s.Name]
	if !found {
		return "the program has no metric " + s.Name
	}
	for _, m := range s.LabelMatchers {
		values := labels[m.Name]
		if m.Name == "version" || values == nil { // any version; a label that scraping adds
			continue
		}
		if !slices.ContainsFunc(values, m.Matches) {
			return fmt.Sprintf("no %s of the program matches %s", s.Name, m)
		}
	}
	return ""
}

// checkQuery parses a query and looks up the metrics of ours in it.
func checkQuery(where, query string, known metrics) []string {
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(grafana.ReplaceAllString(query, "5m"))
	if err != nil {
		return []string{fmt.Sprintf("query of %s: %v", where, err)}
	}
	var findings []string
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		if s, ok := node.(*parser.VectorSelector); ok && strings.HasPrefix(s.Name, "flowpub_") {
			if wrong := known.check(s); wrong != "" {
				findings = append(findings, "query of "+where+": "+wrong)
			}
		}
		return nil
	})
	return findings
}

// panel is a panel of a dashboard, or a row of panels.
type panel struct {
	Title   string
	Targets []struct{ Expr string }
	Panels  []panel
}

func checkDashboard(name, text string, known metrics) []string {
	var dashboard panel
	if err := json.Unmarshal([]byte(text), &dashboard); err != nil {
		return []string{fmt.Sprintf("dashboard %s: %v", name, err)}
	}
	return dashboard.check(known)
}

func (p panel) check(known metrics) []string {
	var findings []string
	for _, target := range p.Targets {
		if target.Expr != "" {
			findings = append(findings, checkQuery("panel "+p.Title, target.Expr, known)...)
		}
	}
	for _, below := range p.Panels {
		findings = append(findings, below.check(known)...)
	}
	return findings
}
