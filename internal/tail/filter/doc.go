// Package filter decides which flows are wanted, by an expression in the manner of
// tcpdump and nfdump:
//
//	src net 10.0.0.0/8 and (port 53 or port 8000-8999) and not proto icmp
//
//	filter.go   expressions and their mistakes
//	lexer.go    words and where they are
//	parser.go   and, or, not, parentheses
//	primary.go  what stands between them
//	values.go   numbers, ports, flags and names
package filter
