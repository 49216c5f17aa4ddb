// Package command is what the commands of this module have in common: they end
// on signals, answer -h and -version, tell all mistakes of a command line, and
// return the same exit statuses.
package command
