// Package command is what the commands of this module have in common: they end
// on signals, answer -h and -version, tell all mistakes of a command line, and
// return the same exit statuses.
//
//	signals.go   when a command ends
//	program.go   its errors, help and exit status
//	flags.go     the command line, with all of its mistakes
//	number.go    numbers as people write them
//	version.go   which version it is
//	terminal.go  whether people see what it prints
package command
