// Package auth holds what connections to brokers need so that both ends know each
// other: TLS, SASL, passwords and tokens. It keeps secrets out of errors, and keeps
// brokers from locking a user out.
//
//	credentials.go  the configuration, and what it and its files hold at one time
//	tls.go          certificates and authorities
//	sasl.go         which mechanisms there are, and how one is made of a user and a password
//	oauth.go        where tokens come from
//	bearer.go       the mechanism OAUTHBEARER, and why brokers refuse tokens
//	extensions.go   what brokers may want beside a token
//	tokens.go       tokens of an endpoint
//	gate.go         pauses between logins that brokers refuse
//	login.go        all of it for other clients of package kafka-go
//	scram/          the mechanisms SCRAM-SHA-256 and SCRAM-SHA-512
//
// A new mechanism needs its name in the variable of package config, too, which accepts it.
package auth
