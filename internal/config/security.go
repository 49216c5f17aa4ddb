package config

import (
	"strings"

	"github.com/flowpub/flowpub/publisher"
)

// LoadSecurity reads those variables in environ that say how connections to Kafka
// are encrypted and authenticated, for programs beside the collector. Either
// configuration may be nil. Its error is as that of Load.
func LoadSecurity(environ []string) (*publisher.TLSConfig, *publisher.SASLConfig, error) {
	// Load wants to know brokers. These are asked nothing.
	kept := []string{Prefix + "KAFKA_BROKERS=localhost:9092"}
	for _, entry := range environ {
		if strings.HasPrefix(entry, Prefix+"KAFKA_TLS") || strings.HasPrefix(entry, Prefix+"KAFKA_SASL") {
			kept = append(kept, entry)
		}
	}
	cfg, err := Load(kept)
	return cfg.Collector.Publisher.TLS, cfg.Collector.Publisher.SASL, err
}
