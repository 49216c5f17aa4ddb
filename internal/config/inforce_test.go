package config

import (
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/flowpub/flowpub/internal/status"
)

// Every variable is there: as it is set, else by its default, and secrets never.
func TestInForce(t *testing.T) {
	t.Parallel()
	environ := []string{
		"FLOWPUB_KAFKA_BROKERS= kafka:9092 ", "FLOWPUB_HTTP_LISTEN=", "FLOWPUB_KAFKA_TOPIC=",
		"FLOWPUB_KAFKA_ACKS=1", "FLOWPUB_KAFKA_TLS=true",
		"FLOWPUB_KAFKA_SASL_MECHANISM=plain", "FLOWPUB_KAFKA_SASL_USERNAME=collector", "FLOWPUB_KAFKA_SASL_PASSWORD=hunter2",
	}
	cfg, err := Load(environ)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]status.Setting)
	for _, s := range InForce(environ, &cfg) {
		if strings.Contains(s.Value, "hunter2") {
			t.Errorf("%s shows a secret: %q", s.Name, s.Value)
		}
		got[strings.TrimPrefix(s.Name, Prefix)] = s
	}
	if len(got) != len(Variables()) {
		t.Errorf("%d variables, want all %d", len(got), len(Variables()))
	}
	for name, want := range map[string]status.Setting{
		"KAFKA_BROKERS":              {Value: "kafka:9092", Set: true},
		"HTTP_LISTEN":                {Value: "", Set: true},
		"KAFKA_TOPIC":                {Value: "flows"},
		"KAFKA_ACKS":                 {Value: "1", Set: true},
		"KAFKA_IDEMPOTENT":           {Value: "false"},
		"SOCKETS":                    {Value: strconv.Itoa(min(runtime.GOMAXPROCS(0), 8))},
		"KAFKA_SASL_USERNAME":        {Value: "collector", Set: true},
		"KAFKA_SASL_PASSWORD":        {Value: "(hidden)", Set: true, Secret: true},
		"KAFKA_SASL_OAUTH_TOKEN_URL": {Value: "none", Secret: true},
	} {
		want.Name = Prefix + name
		if got[name] != want {
			t.Errorf("got  %+v,\nwant %+v", got[name], want)
		}
	}
}
