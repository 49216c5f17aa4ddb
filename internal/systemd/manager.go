package systemd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// Manager is the service manager that started the process, or none: the zero Manager
// is told nothing.
type Manager struct {
	// socket is where it listens.
	socket string
	// patience is how long it waits for a sign of life; 0: forever.
	patience time.Duration
}

// FromEnvironment returns the manager that the variables of environ name, as entries
// "name=value".
func FromEnvironment(environ []string) Manager {
	variables := make(map[string]string)
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		variables[name] = value
	}
	m := Manager{socket: variables["NOTIFY_SOCKET"]}
	if pid := variables["WATCHDOG_PID"]; pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return m // it waits for another process
	}
	if usec, err := strconv.ParseInt(variables["WATCHDOG_USEC"], 10, 53); err == nil && usec > 0 {
		m.patience = time.Duration(usec) * time.Microsecond
	}
	return m
}

// Ready says that the service has started. Status is a line for people.
func (m Manager) Ready(status string) error {
	return m.tell("READY=1", "STATUS="+status)
}

// Stopping says that the service ends, which may take so long: the manager waits for
// it, also where its own limit is shorter.
func (m Manager) Stopping(within time.Duration) error {
	return m.tell("STOPPING=1", "STATUS=shutting down", fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", within.Microseconds()))
}

// ShowLife tells twice within the manager's patience that the process is alive, as long
// as alive reports so, until ctx ends. It returns at once when nobody waits for it. A
// manager that cannot be reached now may be again before it loses its patience, so each
// failure is left behind; complain is called with the first of several in a row.
func (m Manager) ShowLife(ctx context.Context, alive func() bool, complain func(error)) {
	if m.socket == "" || m.patience == 0 {
		return
	}
	tick := time.NewTicker(m.patience / 2)
	defer tick.Stop()
	for failing := false; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !alive() {
			continue
		}
		err := m.tell("WATCHDOG=1")
		if err != nil && !failing {
			complain(err)
		}
		failing = err != nil
	}
}

// tell sends assignments. A manager that does not take them holds nobody up.
func (m Manager) tell(assignments ...string) error {
	if m.socket == "" {
		return nil
	}
	// A name in the abstract namespace begins with @, as package net writes it, too.
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: m.socket, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("systemd: NOTIFY_SOCKET %s: %w", m.socket, err)
	}
	err = conn.SetWriteDeadline(time.Now().Add(time.Second))
	if err == nil {
		_, err = conn.Write([]byte(strings.Join(assignments, "\n")))
	}
	if err := errors.Join(err, conn.Close()); err != nil {
		return fmt.Errorf("systemd: NOTIFY_SOCKET %s: %w", m.socket, err)
	}
	return nil
}
