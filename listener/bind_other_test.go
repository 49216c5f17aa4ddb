//go:build !linux || portable

package listener

import (
	"strings"
	"testing"
)

// What this system cannot do is refused with the cure, and nothing wider is bound.
func TestRefusedHere(t *testing.T) {
	t.Parallel()
	lo := "lo"
	if _, err := findInterface(lo); err != nil {
		lo = "lo0" // BSD, macOS
	}
	for address, want := range map[string]string{
		"239.1.2.3%" + lo + ":0":          "have exporters send to an address of this machine",
		"[ff02::1%" + lo + "]:0":          "have exporters send to an address of this machine",
		"127.0.0.1%" + lo + ":0":          "on Linux only: leave it out",
		":0%" + lo:                        "on Linux only: leave it out",
		"127.0.0.1%flowpub0:0":            "this machine has no interface",
		"[::ffff:239.1.2.3%" + lo + "]:0": "have exporters send to an address of this machine",
	} {
		l, err := Listen(Config{Address: address, Sockets: 1, ReceiveBuffer: 1 << 16})
		if err == nil {
			l.Close()
			t.Errorf("%s was bound to %v", address, l.Addr())
			continue
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %q lacks %q", address, err, want)
		}
	}
}
