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
package config
