package main

import (
	"os/exec"
	"strings"
	"testing"
)

// The collector has no Kafka broker in it, and no second Kafka client.
func TestLinksNoBroker(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	packages := strings.Fields(string(out))
	if len(packages) < 100 {
		t.Fatalf("only %d packages are listed", len(packages))
	}
	for _, name := range packages {
		if strings.Contains(name, "twmb/") {
			t.Errorf("links %s, which is for the demo and for tests", name)
		}
	}
}
