package main

import "strings"

// goMemoryVariable is where Go's runtime takes its memory limit from at start.
const goMemoryVariable = "GOMEMLIMIT"

// limitGoMemory makes Go's collector run more often when the heap nears the part of the
// container's memory that limit leaves to it, so that garbage alone never gets the process killed.
// Whoever set the variable, be it to off, has decided already.
func limitGoMemory(environ []string, limit func() (int64, bool), set func(int64) int64) {
	for _, variable := range environ {
		if name, value, _ := strings.Cut(variable, "="); name == goMemoryVariable && value != "" {
			return
		}
	}
	if n, limited := limit(); limited {
		set(n)
	}
}
