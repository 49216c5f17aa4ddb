//go:build linux

package e2e

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// readKernelCounts returns how many UDP datagrams over IPv4 the kernel knows the
// end of: read, dropped or refused by a socket, or for a port where nobody
// listens. What is left in the queue of a socket that is closed is in none of
// its counts. Other programs' datagrams are among them.
func readKernelCounts(t *testing.T) (total uint64) {
	t.Helper()
	content, err := os.ReadFile("/proc/net/snmp")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(content)) {
		fields := strings.Fields(line)
		if fields[0] != "Udp:" {
			continue
		}
		for i, name := range names {
			if name == "InDatagrams" || name == "NoPorts" || name == "InErrors" {
				n, err := strconv.ParseUint(fields[i], 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				total += n
			}
		}
		names = fields
	}
	return total
}
