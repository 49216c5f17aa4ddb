package collector

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// hostsFile says to the test below that it runs where the name is known.
const hostsFile = "FLOWPUB_TEST_NAMES"

// A name with several addresses binds each of them. The name is in a hosts file that
// only a process of its own has.
func TestNameOfSeveralAddresses(t *testing.T) {
	if os.Getenv(hostsFile) == "" {
		inNewHosts(t, "127.0.0.2 flowpub-test\n127.0.0.3 flowpub-test\n127.0.0.2 flowpub-test\n::1 flowpub-test\n")
		return
	}
	cfg := loopbackConfig()
	cfg.Listen = []string{"flowpub-test:0", "127.0.0.4:0"}
	cfg.Sockets, cfg.ReceiveBuffer = 1, 3<<20
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var bound []string
	for _, addr := range c.Addrs() {
		bound = append(bound, addr.Addr().String())
	}
	all := strings.Join(bound, " ")
	for _, want := range []string{"127.0.0.2", "127.0.0.3", "127.0.0.4"} {
		if strings.Count(all, want) != 1 {
			t.Errorf("bound %s, want %s once", all, want)
		}
	}
	for i, l := range c.listeners {
		share := (3 << 20) / (len(c.listeners) - 1)
		if i == len(c.listeners)-1 {
			share = 3 << 20
		}
		if got := l.Stats().ReceiveBufferAsked; got != share {
			t.Errorf("%s: receive buffer of %d bytes, want %d", bound[i], got, share)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Run(ctx); err != nil {
		t.Errorf("ended with %v", err)
	}
}

// inNewHosts runs this test again in a process that has another /etc/hosts.
func inNewHosts(t *testing.T, hosts string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("another hosts file takes root")
	}
	file := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(file, []byte(hosts), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.Command("sh", "-c", `mount --bind "$0" /etc/hosts && exec "$@"`, file, os.Args[0], "-test.run", "^"+t.Name()+"$")
	command.Env = append(os.Environ(), hostsFile+"=1")
	command.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if out, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
}
