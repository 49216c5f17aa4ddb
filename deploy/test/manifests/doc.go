// Package manifests checks the Kubernetes manifests without a cluster: what only
// shows in production otherwise, such as a grace period shorter than the drain, a
// memory limit below what the settings may use, or a variable that is misspelt.
//
// The checks return findings, one a string, so that tests can seed a fault and
// expect its finding.
//
//	render.go        objects of an overlay
//	installation.go  which of them belong together
//	references.go    what they name is there
//	collector.go     the collector's settings fit its pod
//	queries.go       alerts and dashboards ask for metrics that are there
package manifests
