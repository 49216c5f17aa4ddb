// Package config reads the collector's configuration from environment
// variables.
//
// The fields of one struct, settings, are the variables: their tags hold the
// name, the default, the unit and the help text, and the help of the command,
// the documentation and its test are made from them.
//
// A configuration is taken whole or refused whole. [Load] finds every mistake
// at once and gives each a line of its own that begins with the variable's
// name and ends with the cure. The value of a secret is in none of them.
//
// The package never reads the environment of the process: it is handed one.
//
//	settings.go   the variables; variables.go what their tags say
//	variable/     names of variables that errors and cures of other packages mention
//	load.go       from an environment to a configuration
//	parse.go      each value by its type: address.go, bytesize.go, duration.go, format.go (export
//	              formats), log.go, route.go, spread.go, text.go
//	convert.go    from settings to what the packages want
//	inforce.go    the configuration in force, for the log and the status page
//	check.go      what does not fit together
//	unknown.go    variables that are none of ours
//	mistakes.go   all that is wrong, a line each
//	security.go   TLS and SASL alone, for flowtail
package config
