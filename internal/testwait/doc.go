// Package testwait lets a test wait for what others bring about: it looks again and
// again, so that a machine under load costs patience only, and a fast one no time.
// A test that waits long says so.
//
//	testwait.go  waiting, and what short runs leave out
//	race.go      whether the race detector watches; norace.go without it
package testwait
