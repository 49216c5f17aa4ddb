// Package manual makes manual pages and shells' completions of what programs print for
// -h, so that there is one text.
//
//	page.go        what a help text says, and how it is read
//	man.go         the manual page
//	completion.go  bash, zsh and fish
package manual
