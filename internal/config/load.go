package config

import (
	"github.com/caarlos0/env/v11"

	"github.com/flowpub/flowpub/collector"
)

// Config is everything the environment says.
type Config struct {
	// Collector lacks its Version and its Logger, which are not configured.
	Collector collector.Config
	// Log is for the logger to be made.
	Log LogConfig
}

// Load reads the variables in environ, a list of NAME=value as os.Environ
// returns it. A variable that is set to nothing counts as not set, save
// FLOWPUB_HTTP_LISTEN, where nothing means no HTTP.
//
// On error nothing of the configuration is to be used. The error tells every
// mistake, each in a line that begins with the variable's name; it holds no
// secret.
func Load(environ []string) (Config, error) {
	environment := env.ToMap(environ)
	variables := Variables()
	found := newMistakes(environment, variables)

	s := parse(environment, variables, found)
	checkTogether(&s, found)
	cfg := s.config()
	others := blame(cfg.Collector, found)
	others = append(others, unknown(environment, variables)...)
	if err := found.err(variables, others); err != nil {
		return Config{}, err
	}
	return cfg, nil
}
