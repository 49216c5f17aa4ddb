package config

import (
	"strings"
	"testing"
)

// Programs beside the collector are told mistakes in what they read, and are held to
// nothing that is the collector's: its memory, for one.
func TestSecurityIsJudgedAlone(t *testing.T) {
	t.Parallel()
	cfg, err := LoadSecurity([]string{"FLOWPUB_KAFKA_TLS=true", "FLOWPUB_SOCKETS=many"})
	if err != nil || cfg.TLS == nil {
		t.Errorf("LoadSecurity returned %+v, error %v: want TLS", cfg, err)
	}
	const tooMany = "FLOWPUB_SOCKETS=100000"
	environ := []string{"FLOWPUB_KAFKA_BROKERS=a:9092", tooMany}
	if _, err := Load(environ); err == nil {
		t.Fatalf("the collector takes %s: this test shows nothing", tooMany)
	}
	if _, err := read(environ, validateSecurity); err != nil {
		t.Errorf("a mistake of the collector's is told: %v", err)
	}
	_, err = LoadSecurity([]string{"FLOWPUB_KAFKA_SASL_MECHANISM=plain"})
	if err == nil || !strings.Contains(err.Error(), "FLOWPUB_KAFKA_SASL_USERNAME is not set") {
		t.Errorf("a mechanism without a user: error %v", err)
	}
}
