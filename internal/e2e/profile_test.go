//go:build linux

package e2e

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// profile asks flowpub for a profile of its runtime as text. It needs
// FLOWPUB_HTTP_PPROF.
func (p *process) profile(t *testing.T, name string) string {
	t.Helper()
	status, body := p.get(t, "/debug/pprof/"+name)
	if status != http.StatusOK {
		t.Fatalf("profile %s: status %d: %s", name, status, body)
	}
	return body
}

// heap returns how many bytes live objects take in flowpub, right after a
// garbage collection.
func (p *process) heap(t *testing.T) int64 {
	t.Helper()
	p.profile(t, "heap?gc=1&debug=1") // the first one only empties pools
	_, text, _ := strings.Cut(p.profile(t, "heap?gc=1&debug=1"), "\n# HeapAlloc = ")
	text, _, _ = strings.Cut(text, "\n")
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatalf("the profile tells no HeapAlloc: %v", err)
	}
	return n
}

// goroutines returns how many there are in flowpub but for those of connections
// to the broker: how many of these it keeps for a while depends on the broker's
// speed.
func (p *process) goroutines(t *testing.T) (total int) {
	t.Helper()
	headline, stacks, _ := strings.Cut(p.profile(t, "goroutine?debug=1"), "\n")
	for stack := range strings.SplitSeq(stacks, "\n\n") {
		number, _, found := strings.Cut(stack, " @ ")
		n, err := strconv.Atoi(number)
		if found && err == nil && !strings.Contains(stack, "kafka-go.(*conn).run") {
			total += n
		}
	}
	if total == 0 {
		t.Fatalf("%s: no stack is found", headline)
	}
	return total
}
