package main

import (
	"fmt"
	"strings"

	"github.com/flowpub/flowpub/internal/config"
)

const helpIntroduction = `flowpub collects NetFlow v5 and v9, IPFIX and sFlow v5 over UDP and publishes every
flow record to a Kafka topic. SIGTERM, SIGINT or SIGHUP shuts it down gracefully; a
second signal quits immediately.

Usage: flowpub [-check | -h | -version]

  -check
        check whether this configuration would work, and end: addresses, receive
        buffer, brokers, login, topics, permissions, schema registry; a line each,
        with the cure where one is needed. Nothing is published or changed

Environment variables, each with what a value looks like and its default:

`

const helpNotes = `
A size is a number and a unit: B, KiB, MiB, GiB, TiB (powers of 1,024), kB, MB,
GB, TB (powers of 1,000). A duration is a number and a unit: ns, us, ms, s, m, h.
A variable that is set to nothing has its default.

Exit status: 0 when everything decoded was delivered or dropped for a counted
reason, 1 on a fatal error or when flows were given up at shutdown, 2 when the
configuration is wrong. With -check: 0 when no line is NOT OK, else 1; 2 when the
command line is wrong.
`

// help explains every variable.
func help() string {
	var text strings.Builder
	text.WriteString(helpIntroduction)
	for _, v := range config.Variables() {
		fmt.Fprintf(&text, "  %s\n        %s\n        value: %s; default: %s\n", v.Name, v.Help, v.Unit, v.Default)
	}
	text.WriteString(helpNotes)
	return text.String()
}
