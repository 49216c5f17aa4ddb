package config

import (
	"strconv"

	"github.com/caarlos0/env/v11"

	"github.com/flowpub/flowpub/internal/config/variable"
	"github.com/flowpub/flowpub/internal/status"
	"github.com/flowpub/flowpub/publisher"
)

// hidden stands for a secret.
const hidden = "(hidden)"

// InForce returns every variable as it holds, for people to read: what environ sets, else
// the default, of cfg where that is not a fixed value. Secrets are hidden. Environ is one that Load took.
func InForce(environ []string, cfg *Config) []status.Setting {
	variables := Variables()
	environment := trimmed(env.ToMap(environ), variables)
	computed := map[string]string{
		variable.Sockets:     strconv.Itoa(cfg.Collector.Sockets),
		variable.BufferBytes: publisher.ByteSize(cfg.Collector.Publisher.BufferBytes).String(),
		variable.Idempotent:  strconv.FormatBool(cfg.Collector.Publisher.Idempotent),
	}
	all := make([]status.Setting, 0, len(variables))
	for i := range variables {
		v := &variables[i]
		s := status.Setting{Name: v.Name, Value: v.Default, Secret: v.Secret}
		value, found := environment[v.Name]
		// Only of this one an empty value says something.
		s.Set = value != "" || found && v.Name == variable.HTTPListen
		own, isComputed := computed[v.Name]
		switch {
		case s.Set && s.Secret:
			s.Value = hidden
		case s.Set:
			s.Value = value
		case isComputed:
			s.Value = own
		}
		all = append(all, s)
	}
	return all
}
