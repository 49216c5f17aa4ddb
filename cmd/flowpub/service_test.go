package main

import (
	"bytes"
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The manager hears that flowpub listens though Kafka is away, that it is alive, and
// how long its end may take.
func TestServiceManagerIsTold(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	if err := manager.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	hear := func() string {
		message := make([]byte, 4096)
		n, err := manager.Read(message)
		if err != nil {
			t.Fatal(err)
		}
		return string(message[:n])
	}
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan int)
	var log bytes.Buffer
	go func() {
		ended <- run(ctx, nil, []string{
			"NOTIFY_SOCKET=" + name, "WATCHDOG_USEC=200000", "FLOWPUB_KAFKA_BROKERS=127.0.0.1:1", "FLOWPUB_LISTEN=127.0.0.1:0",
			"FLOWPUB_HTTP_LISTEN=", "FLOWPUB_DRAIN_LINGER=1ms", "FLOWPUB_SHUTDOWN_TIMEOUT=20s",
		}, nil, &log)
	}()
	if got := hear(); !strings.HasPrefix(got, "READY=1\nSTATUS=listening on UDP [127.0.0.1:") {
		t.Errorf("at the start the manager is told %q", got)
	}
	if got := hear(); got != "WATCHDOG=1" {
		t.Errorf("then the manager is told %q", got)
	}
	end()
	told := hear()
	for told == "WATCHDOG=1" {
		told = hear()
	}
	if want := "STOPPING=1\nSTATUS=shutting down\nEXTEND_TIMEOUT_USEC=25001000"; told != want {
		t.Errorf("in the end the manager is told %q, want %q", told, want)
	}
	if status := <-ended; status != 0 {
		t.Errorf("status %d; log:\n%s", status, log.String())
	}
}
