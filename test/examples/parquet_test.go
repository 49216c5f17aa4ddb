//go:build examples

package examples_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// What the example writes is read by DuckDB, all of it and once, and nothing else is
// in the folder.
func (h *house) parquet(t *testing.T) {
	t.Parallel()
	environ := pythonEnvironment(t)
	t.Run("OtherForms", func(t *testing.T) {
		t.Parallel()
		h.refuses(t, "protobuf in Python", "Error parsing message", environ, "python", "examples/parquet/flows_to_parquet.py", t.TempDir())
	})
	for topic, want := range map[string]string{"flows": lake(h.flows), "events": "8,4,21060,0,1\n"} {
		t.Run(topic, func(t *testing.T) {
			t.Parallel()
			directory := filepath.Join(t.TempDir(), "lake")
			p := start(t, environ, "python", "examples/parquet/flows_to_parquet.py", directory,
				"--brokers", h.brokers, "--topic", topic, "--group", "parquet-"+topic, "--flows", "20000", "--seconds", "1")
			flows := map[string]int{"flows": allFlows, "events": 8}[topic]
			members{p}.awaitFlows(t, flows)
			p.leaves = true
			if status := p.signal(t, syscall.SIGTERM); status != 0 {
				t.Errorf("it ended with status %d", status)
			}
			query := fmt.Sprintf(`SELECT count(*), count_if(traffic), (sum((octets + reverse_octets) * scale) FILTER (traffic))::UBIGINT,
				count_if(source IS NULL), count_if(source LIKE '%%::1') FROM read_parquet('%s/*/*.parquet', hive_partitioning = true)
				WHERE hour::VARCHAR >= '%s'`, directory, eventTime.Format("2006-01-02T15"))
			got := run(t, nil, "python", "-c", "import duckdb, sys; print(*duckdb.sql(sys.argv[1]).fetchall()[0], sep=',')", query)
			if topic == "flows" {
				got = got[:strings.LastIndex(got, ",")+1] + "\n"
			}
			if got != want {
				t.Errorf("DuckDB answers %s, want %s", got, want)
			}
			if answer := run(t, nil, "bash", "-c", "cd "+filepath.Dir(directory)+"\n"+readmeQuery(t)); topic == "events" && !strings.Contains(answer, "198.18.0.1") {
				t.Errorf("the README's query answers\n%s", answer)
			}
			if left, err := filepath.Glob(filepath.Join(directory, "*", ".*")); err != nil || len(left) > 0 {
				t.Errorf("%v is left, %v", left, err)
			}
		})
	}
}

// readmeQuery is the command of the README that asks the files.
func readmeQuery(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(root + "/examples/parquet/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, query, found := strings.Cut(string(text), "    venv/bin/python -c ")
	query, _, ends := strings.Cut(query, "\n\n")
	if !found || !ends {
		t.Fatal("the README of Parquet has no query")
	}
	return "python -c " + query
}

// lake is what the query answers of flows that are all traffic.
func lake(flows []message) string {
	octets, none := uint64(0), 0
	for _, m := range flows {
		octets += m.flow.GetOctets() * scale(m.flow)
		if len(m.flow.GetSourceAddress()) == 0 {
			none++
		}
	}
	return fmt.Sprintf("%d,%d,%d,%d,\n", len(flows), len(flows), octets, none)
}
