package config

import (
	"bufio"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// The names and defaults users were promised, by hand.
func TestVariables(t *testing.T) {
	t.Parallel()
	want := [][2]string{
		{"FLOWPUB_LISTEN", ":2055"},
		{"FLOWPUB_SOCKETS", "min(GOMAXPROCS, 8)"},
		{"FLOWPUB_RECEIVE_BUFFER", "32MiB"},
		{"FLOWPUB_RECEIVE_DELAY", "10ms"},
		{"FLOWPUB_EXPORTERS_ALLOW", "empty: all"},
		{"FLOWPUB_EXPORTERS_FILE", "none"},
		{"FLOWPUB_FORMATS", "empty: all"},
		{"FLOWPUB_ELEMENTS", "none"},
		{"FLOWPUB_HTTP_LISTEN", ":8080"},
		{"FLOWPUB_HTTP_PPROF", "false"},
		{"FLOWPUB_METRICS_EXPORTERS", "0"},
		{"FLOWPUB_DRAIN_LINGER", "0s"},
		{"FLOWPUB_SHUTDOWN_TIMEOUT", "15s"},
		{"FLOWPUB_LOG_LEVEL", "info"},
		{"FLOWPUB_LOG_FORMAT", "text"},
		{"FLOWPUB_LOG_SUMMARY", "0s"},
		{"FLOWPUB_KAFKA_BROKERS", "required"},
		{"FLOWPUB_KAFKA_TOPIC", "flows"},
		{"FLOWPUB_KAFKA_TOPIC_ROUTES", "none"},
		{"FLOWPUB_KAFKA_SPREAD", "none"},
		{"FLOWPUB_KAFKA_DEAD_LETTER_TOPIC", "none"},
		{"FLOWPUB_KAFKA_TEMPLATE_TOPIC", "none"},
		{"FLOWPUB_KAFKA_CREATE_TOPIC", "none"},
		{"FLOWPUB_KAFKA_VALUE", "protobuf"},
		{"FLOWPUB_KAFKA_VALUE_HEADER", "none"},
		{"FLOWPUB_KAFKA_CLIENT_ID", "flowpub"},
		{"FLOWPUB_KAFKA_COMPRESSION", "zstd-fast"},
		{"FLOWPUB_KAFKA_LINGER", "100ms"},
		{"FLOWPUB_KAFKA_BATCH_BYTES", "512KiB"},
		{"FLOWPUB_KAFKA_BUFFER_BYTES", "256MiB, or 40 % of the container's memory limit if less"},
		{"FLOWPUB_KAFKA_PARTITIONER", "murmur2"},
		{"FLOWPUB_KAFKA_ACKS", "all"},
		{"FLOWPUB_KAFKA_IDEMPOTENT", "true when acks=all, else false"},
		{"FLOWPUB_KAFKA_TLS", "false"},
		{"FLOWPUB_KAFKA_TLS_CA_FILE", "the system's authorities"},
		{"FLOWPUB_KAFKA_TLS_CERT_FILE", "none"},
		{"FLOWPUB_KAFKA_TLS_KEY_FILE", "none"},
		{"FLOWPUB_KAFKA_TLS_SERVER_NAME", "each broker's host"},
		{"FLOWPUB_KAFKA_TLS_INSECURE", "false"},
		{"FLOWPUB_KAFKA_SASL_MECHANISM", "none"},
		{"FLOWPUB_KAFKA_SASL_USERNAME", "none"},
		{"FLOWPUB_KAFKA_SASL_PASSWORD", "none"},
		{"FLOWPUB_KAFKA_SASL_PASSWORD_FILE", "none"},
		{"FLOWPUB_KAFKA_SASL_OAUTH_TOKEN_FILE", "none"},
		{"FLOWPUB_KAFKA_SASL_OAUTH_TOKEN_URL", "none"},
		{"FLOWPUB_KAFKA_SASL_OAUTH_CLIENT_ID", "none"},
		{"FLOWPUB_KAFKA_SASL_OAUTH_CLIENT_SECRET_FILE", "none"},
		{"FLOWPUB_KAFKA_SASL_OAUTH_SCOPE", "none"},
		{"FLOWPUB_KAFKA_SASL_OAUTH_CA_FILE", "the system's authorities"},
		{"FLOWPUB_KAFKA_SASL_OAUTH_EXTENSIONS", "none"},
		{"FLOWPUB_SCHEMA_REGISTRY_URL", "none"},
		{"FLOWPUB_SCHEMA_REGISTRY_USERNAME", "none"},
		{"FLOWPUB_SCHEMA_REGISTRY_PASSWORD_FILE", "none"},
		{"FLOWPUB_SCHEMA_REGISTRY_CA_FILE", "the system's authorities"},
	}
	var got [][2]string
	for _, v := range Variables() {
		got = append(got, [2]string{v.Name, v.Default})
	}
	if !slices.Equal(got, want) {
		t.Errorf("variables and defaults:\n got %q\nwant %q", got, want)
	}
}

func TestVariablesAreWhole(t *testing.T) {
	t.Parallel()
	// A URL may hold a password, or a key as a parameter.
	secrets := map[string]bool{"FLOWPUB_KAFKA_SASL_PASSWORD": true, "FLOWPUB_KAFKA_SASL_OAUTH_TOKEN_URL": true, "FLOWPUB_SCHEMA_REGISTRY_URL": true}
	known := map[string]bool{"env": true, "envDefault": true, "default": true, "unit": true, "help": true, "secret": true}
	for _, v := range Variables() {
		field, found := reflect.TypeFor[settings]().FieldByName(v.field)
		if !found {
			t.Fatalf("%s: there is no field %q", v.Name, v.field)
		}
		if v.Default == "" || v.Unit == "" || v.Help == "" {
			t.Errorf("%s lacks its default, unit or help: %+v", v.Name, v)
		}
		if v.Secret != secrets[v.Name] {
			t.Errorf("%s: secret is %t, want %t", v.Name, v.Secret, secrets[v.Name])
		}
		if fromKubernetes(v.Name, "tcp://10.96.0.1:9092") {
			t.Errorf("%s could be set by Kubernetes for a Service", v.Name)
		}
		for key := range strings.FieldsSeq(string(field.Tag)) {
			if name, _, isKey := strings.Cut(key, `:"`); isKey && !known[name] {
				t.Errorf("%s: the tag %q means nothing", v.Name, name)
			}
		}
	}
}

// The tables of the documentation have the names, defaults and units of the
// code, in its order.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	got := tableRows(t, "../../docs/configuration.md", "| `"+Prefix)
	var want [][]string
	for _, v := range Variables() {
		want = append(want, []string{v.Name, v.Default, v.Unit})
	}
	for i := range max(len(got), len(want)) {
		var documented, coded []string
		if i < len(got) {
			if len(got[i]) != 4 || got[i][3] == "" {
				t.Fatalf("docs/configuration.md: row %q must have a name, a default, a unit and a meaning", got[i])
			}
			documented = got[i][:3]
		}
		if i < len(want) {
			coded = want[i]
		}
		if !slices.Equal(documented, coded) {
			t.Fatalf("docs/configuration.md: row %d\n is %q\nnot %q", i+1, documented, coded)
		}
	}
}

// tableRows returns the cells of the Markdown table rows that begin with
// prefix, without the marks of code.
func tableRows(t *testing.T, path, prefix string) [][]string {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var rows [][]string
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if !strings.HasPrefix(lines.Text(), prefix) {
			continue
		}
		cells := strings.Split(strings.Trim(lines.Text(), "| "), " | ")
		for i := range cells {
			cells[i] = strings.ReplaceAll(strings.TrimSpace(cells[i]), "`", "")
		}
		rows = append(rows, cells)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return rows
}
