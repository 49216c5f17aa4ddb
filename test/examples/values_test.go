//go:build examples

package examples_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/flowpub/flowpub/internal/testpage"
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
	formats := map[string]string{}
	for _, row := range testpage.Read(t, "values.md").Section(t, "ClickHouse").Rows(t) {
		form, _, _ := strings.Cut(row[0], ",")
		formats[strings.Trim(form, "`")] = strings.Trim(row[1], "`")
	}
	if want := map[string]string{"protobuf": "ProtobufSingle", "protobuf-delimited": "Protobuf", "json": "JSONEachRow"}; !maps.Equal(formats, want) {
		t.Errorf("docs/values.md has the formats %v; tried are %v", formats, want) // ProtobufSingle in all tests of flows.sql
	}
	want := []string{few, few, strconv.FormatUint(octets, 10), "::ffff:127.1.0.1"}
	t.Run("Delimited", func(t *testing.T) {
		t.Parallel()
		answers := h.query(t, []string{"--topic", "delimited", "--group", "delimited", "--format", formats["protobuf-delimited"], "--rows", few},
			"SELECT countIf(source != '::'), countIf(start > now() - 7200 AND start < now()), sum(octets), min(exporter) FROM flows",
			"SELECT flow_address(unhex('c0000201')), flow_address(unhex('20010db8000000000000000000000001')), flow_address('')")
		if !slices.Equal(answers[0][0], want) {
			t.Errorf("of protobuf-delimited it answers %v, want %v", answers[0][0], want)
		}
		if addresses := []string{"::ffff:192.0.2.1", "2001:db8::1", "::"}; !slices.Equal(answers[1][0], addresses) {
			t.Errorf("addresses are %v, want %v", answers[1][0], addresses)
		}
	})
	t.Run("Times", func(t *testing.T) {
		t.Parallel()
		const query = `import chdb, sys
print(chdb.query("""SELECT startTime FROM format(JSONEachRow, 'startTime DateTime64(9, ''UTC'')', '{"startTime":"2008-12-20T14:22:18.247303441Z"}') """ + sys.argv[1], "TSVRaw"))`
		if out := run(t, nil, "python", "-c", query, "SETTINGS date_time_input_format = 'best_effort'"); strings.TrimSpace(out) != "2008-12-20 14:22:18.247303441" {
			t.Errorf("the time is read as %s", out)
		}
		if out := failing(t, nil, "python", "-c", query, ""); !strings.Contains(out, "startTime") {
			t.Errorf("without the setting it says\n%s", out)
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
	shown := testpage.Read(t, "values.md").Section(t, "ClickHouse").Blocks(t, "sql")[0]
	sql := strings.NewReplacer("kafka-1:9092", h.brokers, "'flows'", "'json'", "'clickhouse'", "'values'").Replace(shown) +
		"CREATE TABLE flows AS flows_queue ENGINE = Memory;\nCREATE MATERIALIZED VIEW flows_view TO flows AS SELECT * FROM flows_queue;\n"
	file = filepath.Join(t.TempDir(), "json.sql")
	if err := os.WriteFile(file, []byte(sql), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// otherForms are topics whose values are not protobuf.
var otherForms = []string{"json", "delimited", "framed"}

// refuses runs an example on topics of other forms: it ends, and says what docs/consumers.md
// has of its reader.
func (h *house) refuses(t *testing.T, reader, symptom string, environ []string, command ...string) {
	t.Helper()
	for _, topic := range otherForms {
		out := failing(t, environ, command[0], append(command[1:], "--brokers", h.brokers, "--topic", topic, "--group", strings.Join(command, " ")+topic)...)
		sees(t, ofOtherForms, reader, symptom, out)
		if !strings.Contains(out, topic+"/") || !strings.Contains(out, "no FlowRecord: is FLOWPUB_KAFKA_VALUE protobuf?") {
			t.Errorf("of %s it says\n%s", topic, out)
		}
	}
}

// Readers of protobuf fail on every value of another form, delimited ones included, and readers of JSON
// on every one that is not JSON, as docs/consumers.md says.
func (h *house) wrongForms(t *testing.T) {
	t.Parallel()
	values := map[string][][]byte{}
	for _, form := range otherForms {
		for _, m := range h.read(t, form, fewFlows) {
			values[form] = append(values[form], m.value)
		}
	}
	for _, m := range h.flows[:10*fewFlows] {
		values["protobuf"] = append(values["protobuf"], m.value)
	}
	var texts []string
	var notJSON error
	for form, values := range values {
		for _, v := range values {
			err := proto.Unmarshal(v, new(flowv1.FlowRecord))
			if (err == nil) != (form == "protobuf") {
				t.Fatalf("of %s a reader of protobuf says %v of %x", form, err, v)
			}
			if form != "json" {
				if notJSON = json.Unmarshal(v, new(any)); notJSON == nil {
					t.Fatalf("a value of %s is JSON: %q", form, v)
				}
				texts = append(texts, hex.EncodeToString(v))
			}
		}
	}
	sees(t, ofOtherForms, "JSON in Go", "invalid character", fmt.Sprint(notJSON))
	file := filepath.Join(t.TempDir(), "values")
	if err := os.WriteFile(file, []byte(strings.Join(texts, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	out := run(t, nil, "python", "-c", `import json, sys
for line in open(sys.argv[1]):
    try:
        json.loads(bytes.fromhex(line))
    except ValueError as e:
        print(type(e).__name__)
    else:
        sys.exit("this is JSON: " + line)`, file)
	if n := strings.Count(out, "UnicodeDecodeError\n"); n != len(texts) {
		t.Errorf("of %d values Python refuses %d as no text: %.200s", len(texts), n, out)
	}
	sees(t, ofOtherForms, "JSON in Python", "UnicodeDecodeError", out)
}

// Every folder is in the table of symptoms.
func TestSymptomsOfAllExamples(t *testing.T) {
	t.Parallel()
	readers := ""
	for _, row := range testpage.Read(t, "consumers.md").Section(t, ofOtherForms).Rows(t) {
		readers += row[0] + "\n"
	}
	folders, err := filepath.Glob(root + "/examples/*/README.md")
	if err != nil || len(folders) < 8 {
		t.Fatalf("the examples are %v, %v", folders, err)
	}
	for _, f := range folders {
		if name := filepath.Base(filepath.Dir(f)); !strings.Contains(readers, "(../examples/"+name+"/README.md)") {
			t.Errorf("docs/consumers.md has no symptom of %s", name)
		}
	}
}
