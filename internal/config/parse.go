package config

import (
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/caarlos0/env/v11"

	"github.com/flowpub/flowpub/collector"
)

// parse reads each variable on its own. Those that are mistaken count as not set.
func parse(environment map[string]string, variables []Variable, found *mistakes) settings {
	s := parseOnce(environment, variables, found)
	if !found.any() {
		return s
	}
	right := maps.Clone(environment)
	maps.DeleteFunc(right, func(name, _ string) bool { return found.made(name) })
	return parseOnce(right, variables, found)
}

func parseOnce(environment map[string]string, variables []Variable, found *mistakes) settings {
	// The defaults that are not in the tags follow from the machine.
	defaults := collector.DefaultConfig()
	s := settings{
		Sockets:     count(defaults.Sockets),
		BufferBytes: ByteSize(defaults.Publisher.BufferBytes),
	}
	err := env.ParseWithOptions(&s, env.Options{Environment: environment, Prefix: Prefix})
	if value, set := environment[Prefix+"HTTP_LISTEN"]; set && value == "" {
		s.HTTPListen = ""
	}
	var all env.AggregateError
	if !errors.As(err, &all) {
		return s
	}
	for _, err := range all.Errors {
		report(err, variables, found)
	}
	return s
}

// report adds one error of package env to the mistakes.
func report(err error, variables []Variable, found *mistakes) {
	var parsing env.ParseError
	var empty env.EmptyVarError
	switch {
	case errors.As(err, &empty):
		for _, v := range variables {
			if v.Name == empty.Key {
				found.add(v.Name, "it is required, as "+v.Unit)
			}
		}
	case errors.As(err, &parsing):
		for _, v := range variables {
			if v.field == parsing.Name {
				if errors.Is(parsing.Err, errSecretInBroker) {
					found.hide(v.Name)
				}
				found.add(v.Name, withoutPackage(parsing.Err.Error()))
			}
		}
	default:
		// The tags of settings are wrong, which every test would notice.
		panic(fmt.Sprintf("config: %v", err))
	}
}

// withoutPackage removes the package's name from the front of an error's text.
// The user's term is the variable.
func withoutPackage(text string) string {
	text = strings.TrimPrefix(text, "publisher: ")
	return strings.TrimPrefix(text, "collector: ")
}
