package config_test

import (
	"fmt"

	"github.com/flowpub/flowpub/internal/config"
)

func ExampleLoad() {
	_, err := config.Load([]string{
		"FLOWPUB_KAFKA_BROKER=kafka:9092",
		"FLOWPUB_KAFKA_LINGER=100",
	})
	fmt.Println(err)
	// Output:
	// FLOWPUB_KAFKA_BROKERS is not set: it is required, as host:port, comma-separated
	// FLOWPUB_KAFKA_LINGER is "100": a duration needs a unit: write it as 100ms or 100s
	// FLOWPUB_KAFKA_BROKER is not known: did you mean FLOWPUB_KAFKA_BROKERS? Otherwise remove it
}
