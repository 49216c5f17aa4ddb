package config

import (
	"strings"
	"testing"

	"github.com/flowpub/flowpub/internal/testca"
	"github.com/flowpub/flowpub/internal/testpage"
	"github.com/flowpub/flowpub/publisher"
)

// What docs/values.md shows for a schema registry is a whole configuration, and each form in its
// first table is one that FLOWPUB_KAFKA_VALUE takes; the first is the default.
func TestPageOfValues(t *testing.T) {
	t.Parallel()
	page := testpage.Read(t, "values.md")
	shown := page.Section(t, "confluent").Blocks(t, "sh")[0]
	const password = "/etc/flowpub/registry/password"
	if !strings.Contains(shown, "="+password+"\n") {
		t.Fatalf("it names another file:\n%s", shown)
	}
	shown = strings.Replace(shown, password, testca.File(t, "password", []byte("hunter2")), 1)
	confluent := strings.Split(strings.TrimSpace(shown), "\n")
	cfg, err := Load(append(confluent, "FLOWPUB_KAFKA_BROKERS=kafka:9092"))
	if err != nil {
		t.Fatal(err)
	}
	if r := cfg.Collector.Publisher.Registry; cfg.Collector.Publisher.Value != publisher.ValueConfluent || r == nil || r.URL != "https://registry:8081" || r.Username != "flowpub" {
		t.Errorf("it is %+v", cfg.Collector.Publisher)
	}
	for i, row := range page.Rows(t) {
		form, isDefault, _ := strings.Cut(row[0], ",")
		form = strings.Trim(form, "`")
		environ := []string{"FLOWPUB_KAFKA_BROKERS=kafka:9092"}
		if form == "confluent" {
			environ = append(environ, confluent...)
		} else if isDefault == "" {
			environ = append(environ, "FLOWPUB_KAFKA_VALUE="+form)
		}
		cfg, err := Load(environ)
		if err != nil || cfg.Collector.Publisher.Value.String() != form || (i == 0) != (isDefault != "") {
			t.Errorf("%s: %v, %v", row[0], cfg.Collector.Publisher.Value, err)
		}
	}
	header := page.Section(t, "A header that tells the form").Find(t, "With `(FLOWPUB_KAFKA_VALUE_HEADER)=([a-z-]+)`")
	if cfg, err := Load([]string{"FLOWPUB_KAFKA_BROKERS=kafka:9092", header[0] + "=" + header[1]}); err != nil || cfg.Collector.Publisher.ValueHeader != header[1] {
		t.Errorf("the header is %+v, %v", cfg.Collector.Publisher, err)
	}
}
