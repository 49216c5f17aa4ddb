//go:build !race

package testwait

// RaceDetector reports whether the race detector watches, which makes computing
// ten times as slow.
const RaceDetector = false
