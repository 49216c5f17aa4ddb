// Package flowv1 has the messages that flowpub publishes, for their consumers.
package flowv1

import _ "embed" // for Schema

// Schema is the text of flow_record.proto, as schema registries want it: it
// imports nothing, and its first message is FlowRecord.
//
//go:embed flow_record.proto
var Schema string
