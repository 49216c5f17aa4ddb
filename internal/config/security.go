package config

import (
	"strings"

	"github.com/flowpub/flowpub/publisher/auth"
)

// LoadSecurity reads those variables in environ that say how connections to Kafka
// are encrypted and authenticated, for programs beside the collector. Its error is
// as that of Load.
func LoadSecurity(environ []string) (auth.Config, error) {
	// Load wants to know brokers. These are asked nothing.
	kept := []string{Prefix + "KAFKA_BROKERS=localhost:9092"}
	for _, entry := range environ {
		if strings.HasPrefix(entry, Prefix+"KAFKA_TLS") || strings.HasPrefix(entry, Prefix+"KAFKA_SASL") {
			kept = append(kept, entry)
		}
	}
	cfg, err := Load(kept)
	return auth.Config{TLS: cfg.Collector.Publisher.TLS, SASL: cfg.Collector.Publisher.SASL}, err
}
