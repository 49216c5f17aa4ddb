package config

import (
	"strings"

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
// FLOWPUB_HTTP_LISTEN, where nothing means no HTTP. What surrounds a value by
// accident is no part of it: white space, of a secret line breaks at its end.
//
// On error nothing of the configuration is to be used. The error tells every
// mistake, each in a line that begins with the variable's name; it holds no
// secret.
func Load(environ []string) (Config, error) {
	return read(environ, collector.Config.Validate)
}

// read is Load with rules of the caller's.
func read(environ []string, validate func(collector.Config) error) (Config, error) {
	variables := Variables()
	environment := trimmed(env.ToMap(environ), variables)
	found := newMistakes(environment, variables)

	s := parse(environment, variables, found)
	checkTogether(&s, found)
	cfg := s.config()
	others := judge(validate(cfg.Collector), found)
	others = append(others, unknown(environment, variables)...)
	if err := found.err(variables, others); err != nil {
		return Config{}, err
	}
	return cfg, nil
}

// trimmed returns environment with the values of variables as they are meant: a
// value from a file or a Secret often ends in a line break. Of a secret, spaces
// may be a part.
func trimmed(environment map[string]string, variables []Variable) map[string]string {
	for _, v := range variables {
		value, set := environment[v.Name]
		switch {
		case !set:
		case v.Secret:
			environment[v.Name] = strings.TrimRight(value, "\r\n")
		default:
			environment[v.Name] = strings.TrimSpace(value)
		}
	}
	return environment
}
