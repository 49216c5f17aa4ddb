package systemd

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// listen is a service manager that hears what it is told at the name.
func listen(t *testing.T, name string) *net.UnixConn {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func hear(t *testing.T, conn *net.UnixConn) string {
	t.Helper()
	message := make([]byte, 4096)
	n, err := conn.Read(message)
	if err != nil {
		t.Fatal(err)
	}
	return string(message[:n])
}

func TestManagerIsTold(t *testing.T) {
	t.Parallel()
	names := map[string]string{
		"file":     filepath.Join(t.TempDir(), "notify"),
		"abstract": "@flowpub-systemd-test-" + strconv.Itoa(os.Getpid()),
	}
	for kind, name := range names {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			conn := listen(t, name)
			m := FromEnvironment([]string{"PATH=/bin", "NOTIFY_SOCKET=" + name})
			if err := m.Ready("listening on [::]:2055"); err != nil {
				t.Fatal(err)
			}
			if got, want := hear(t, conn), "READY=1\nSTATUS=listening on [::]:2055"; got != want {
				t.Errorf("ready: %q, want %q", got, want)
			}
			if err := m.Stopping(16 * time.Second); err != nil {
				t.Fatal(err)
			}
			if got, want := hear(t, conn), "STOPPING=1\nSTATUS=shutting down\nEXTEND_TIMEOUT_USEC=16000000"; got != want {
				t.Errorf("stopping: %q, want %q", got, want)
			}
		})
	}
}

// The manager hears of life while there is some, and no more once there is none.
func TestWatchdog(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "notify")
	conn := listen(t, name)
	m := FromEnvironment([]string{"NOTIFY_SOCKET=" + name, "WATCHDOG_USEC=2000", "WATCHDOG_PID=" + strconv.Itoa(os.Getpid())})
	ctx, end := context.WithCancel(t.Context())
	asked, ended := make(chan bool), make(chan struct{})
	go func() {
		defer close(ended)
		m.ShowLife(ctx, func() bool { return <-asked }, func(err error) { t.Error(err) })
	}()
	asked <- false // told nothing
	asked <- true
	asked <- false // the ones before are dealt with
	if err := m.Ready("last"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"WATCHDOG=1", "READY=1\nSTATUS=last"} {
		if got := hear(t, conn); got != want {
			t.Errorf("heard %q, want %q", got, want)
		}
	}
	end()
	close(asked)
	<-ended
}

// A manager that is away for a while, as when it starts itself anew, hears of life again; its
// absence is told once.
func TestWatchdogReturns(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "notify")
	m := FromEnvironment([]string{"NOTIFY_SOCKET=" + name, "WATCHDOG_USEC=2000"})
	ctx, end := context.WithCancel(t.Context())
	asked, ended := make(chan bool), make(chan struct{})
	complaints := 0
	go func() {
		defer close(ended)
		m.ShowLife(ctx, func() bool { return <-asked }, func(error) { complaints++ })
	}()
	show := func() {
		t.Helper()
		select {
		case asked <- true:
		case <-ended:
			t.Fatal("it has given up")
		}
	}
	show() // nobody listens
	show()
	conn := listen(t, name)
	show()
	if got := hear(t, conn); got != "WATCHDOG=1" {
		t.Errorf("heard %q", got)
	}
	end()
	close(asked)
	<-ended
	if complaints != 1 {
		t.Errorf("%d complaints, want 1", complaints)
	}
}

func TestWithoutWatchdog(t *testing.T) {
	t.Parallel()
	for name, environ := range map[string][]string{
		"no manager":      {"WATCHDOG_USEC=2000"},
		"no watchdog":     {"NOTIFY_SOCKET=/nowhere"},
		"no number":       {"NOTIFY_SOCKET=/nowhere", "WATCHDOG_USEC=soon"},
		"not positive":    {"NOTIFY_SOCKET=/nowhere", "WATCHDOG_USEC=0"},
		"another process": {"NOTIFY_SOCKET=/nowhere", "WATCHDOG_USEC=2000", "WATCHDOG_PID=1"},
	} {
		alive := func() bool { t.Errorf("%s: asked whether it is alive", name); return true }
		FromEnvironment(environ).ShowLife(t.Context(), alive, func(err error) { t.Errorf("%s: %v", name, err) })
	}
}

func TestNobodyToTell(t *testing.T) {
	t.Parallel()
	if err := FromEnvironment(nil).Ready("listening"); err != nil {
		t.Errorf("without a manager: %v", err)
	}
	if err := FromEnvironment([]string{"NOTIFY_SOCKET=/nowhere/notify"}).Ready("listening"); err == nil {
		t.Error("nobody listens there, and that is no error")
	}
}
