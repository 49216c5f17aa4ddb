//go:build examples

package examples_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// Each format that docs/values.md names for ClickHouse reads its form, and the table
// shown for JSON is one that works.
func (h *house) valuesInClickHouse(t *testing.T) {
	t.Parallel()
	octets := uint64(0)
	for f, n := range h.sent(t, fewFlows) {
		octets += uint64(n) * uint64(f.octets)
	}
	few := strconv.Itoa(fewFlows)
	want := []string{few, few, strconv.FormatUint(octets, 10), "::ffff:127.1.0.1"}
	t.Run("Delimited", func(t *testing.T) {
		t.Parallel()
		answers := h.query(t, []string{"--topic", "delimited", "--group", "delimited", "--format", "Protobuf", "--rows", few},
			"SELECT countIf(source != '::'), countIf(start > now() - 7200 AND start < now()), sum(octets), min(exporter) FROM flows")
		if !slices.Equal(answers[0][0], want) {
			t.Errorf("of protobuf-delimited it answers %v, want %v", answers[0][0], want)
		}
	})
	t.Run("JSON", func(t *testing.T) {
		t.Parallel()
		answers := h.query(t, []string{"--topic", "json", "--sql", h.shownForJSON(t), "--until", "(SELECT count() FROM flows) = " + few},
			"SELECT countIf(sourceAddress != '::'), countIf(startTime > now() - 7200 AND startTime < now()), sum(octets), min(exporterAddress) FROM flows")
		if !slices.Equal(answers[0][0], want) {
			t.Errorf("of JSON it answers %v, want %v", answers[0][0], want)
		}
	})
}

// shownForJSON writes a file with the statement that docs/values.md shows, and a table
// that keeps what it reads.
func (h *house) shownForJSON(t *testing.T) (file string) {
	t.Helper()
	b, err := os.ReadFile(root + "/docs/values.md")
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(b), "```sql\n")
	if len(parts) != 2 {
		t.Fatalf("docs/values.md shows %d statements of SQL, want one", len(parts)-1)
	}
	shown, _, _ := strings.Cut(parts[1], "```")
	sql := strings.NewReplacer("kafka-1:9092", h.brokers, "'flows'", "'json'", "'clickhouse'", "'values'").Replace(shown) +
		"CREATE TABLE flows AS flows_queue ENGINE = Memory;\nCREATE MATERIALIZED VIEW flows_view TO flows AS SELECT * FROM flows_queue;\n"
	file = filepath.Join(t.TempDir(), "json.sql")
	if err := os.WriteFile(file, []byte(sql), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// A reader of another form fails on every value, and on nearly every delimited one, as
// docs/consumers.md says.
func (h *house) wrongForms(t *testing.T) {
	t.Parallel()
	values := map[string][][]byte{"json": nil, "delimited": nil, "confluent": nil, "protobuf": nil}
	for _, form := range []string{"json", "delimited"} {
		for _, m := range h.read(t, form, fewFlows) {
			values[form] = append(values[form], m.value)
		}
	}
	for _, m := range h.flows {
		values["confluent"] = append(values["confluent"], append([]byte{0, 0, 0, 0, 1, 0}, m.value...))
		values["protobuf"] = append(values["protobuf"], m.value)
	}
	for form, least := range map[string]float64{"json": 1, "delimited": 0.9, "confluent": 1, "protobuf": 0} {
		failed := 0
		for _, v := range values[form] {
			if proto.Unmarshal(v, new(flowv1.FlowRecord)) != nil {
				failed++
			}
		}
		if share := float64(failed) / float64(len(values[form])); share < least || least == 0 && share > 0 {
			t.Errorf("of %s a reader of protobuf refuses %d of %d values", form, failed, len(values[form]))
		}
		t.Logf("of %s a reader of protobuf refuses %d of %d values", form, failed, len(values[form]))
	}
	for _, form := range []string{"protobuf", "delimited", "confluent"} {
		for _, v := range values[form] {
			if json.Valid(v) {
				t.Fatalf("a value of %s is JSON: %q", form, v)
			}
		}
	}
}
