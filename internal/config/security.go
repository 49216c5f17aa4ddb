package config

import (
	"strings"

	"github.com/flowpub/flowpub/collector"
	"github.com/flowpub/flowpub/publisher/auth"
)

// LoadSecurity reads those variables in environ that say how connections to Kafka
// are encrypted and authenticated, for programs beside the collector. Its error is
// as that of Load.
func LoadSecurity(environ []string) (auth.Config, error) {
	// Brokers are required. These are asked nothing.
	kept := []string{Prefix + "KAFKA_BROKERS=localhost:9092"}
	for _, entry := range environ {
		if strings.HasPrefix(entry, Prefix+"KAFKA_TLS") || strings.HasPrefix(entry, Prefix+"KAFKA_SASL") {
			kept = append(kept, entry)
		}
	}
	cfg, err := read(kept, validateSecurity)
	return security(cfg.Collector), err
}

func security(c collector.Config) auth.Config {
	return auth.Config{TLS: c.Publisher.TLS, SASL: c.Publisher.SASL}
}

// validateSecurity leaves the rest alone: a small program may run where the collector
// has too little memory.
func validateSecurity(c collector.Config) error { return security(c).Validate() }
