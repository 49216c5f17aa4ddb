package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"
)

func TestDemo(t *testing.T) {
	t.Parallel()
	status, stdout, stderr := runWith(t, "-n", "20", "-rate", "500", "-pace", "0", "-exporters", "3")
	if status != 0 || stderr != "" {
		t.Errorf("exit status %d, standard error %q", status, stderr)
	}
	if n := strings.Count(stdout, " 127.1.0."); n != 20 {
		t.Errorf("%d flows are printed, want 20", n)
	}
	for _, part := range []string{
		"Exports     udp://127.0.0.1:", "Kafka       127.0.0.1:", "HTTP        http://127.0.0.1:",
		"Flows       all are printed below\n", "flowtail", "kcat", "curl", "\nLedger\n", "\nEverything adds up.\n",
	} {
		if !strings.Contains(stdout, part) {
			t.Errorf("%q is missing in:\n%s", part, stdout)
		}
	}
}

func TestDemoIsEnded(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	var stderr bytes.Buffer
	// It is ended as soon as it printed anything.
	stdout := endOnWrite{end: cancel}
	if status := run(ctx, nil, &stdout, &stderr); status != 0 || stderr.Len() > 0 {
		t.Errorf("exit status %d, standard error %q", status, stderr.String())
	}
	if !strings.Contains(stdout.String(), "Flows       at most 25 a second are printed below") {
		t.Errorf("the banner does not say how many flows are printed:\n%s", stdout.String())
	}
	if !strings.HasSuffix(stdout.String(), "\nEverything adds up.\n") {
		t.Errorf("the ledger is missing in:\n%s", stdout.String())
	}
}

func TestFailure(t *testing.T) {
	t.Parallel()
	// An address for documentation, which no machine has.
	status, _, stderr := runWith(t, "-listen", "192.0.2.1:2055")
	if status != 1 || !strings.HasPrefix(stderr, "flowdemo: ") || !strings.Contains(stderr, "192.0.2.1:2055") {
		t.Errorf("exit status %d, standard error %q", status, stderr)
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		args []string
		want []string // parts of what is said
	}{
		{"unknown flag", []string{"-flows", "1"}, []string{"-flows"}},
		{"argument", []string{"20"}, []string{`argument "20": there are only flags`}},
		{"no number", []string{"-n", "ten"}, []string{`"ten" for flag -n: give a whole number`}},
		{"address", []string{"-listen", "2055"}, []string{`flowdemo: -listen "2055": give host:port`}},
		{"broker's address", []string{"-kafka", "9092"}, []string{`flowdemo: -kafka "9092": give host:port, such as 127.0.0.1:9092`}},
		{"HTTP address", []string{"-http", "8080"}, []string{`flowdemo: -http "8080": give host:port, such as 127.0.0.1:8080`}},
		{"all at once", []string{"-exporters", "-1", "-rate", "0", "-n", "-1", "-pace", "-1"}, []string{
			"flowdemo: -exporters -1: give", "flowdemo: -rate 0: give", "flowdemo: -n -1: give", "flowdemo: -pace -1: give",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			status, stdout, stderr := runWith(t, tt.args...)
			if status != 2 || stdout != "" || !strings.HasSuffix(stderr, "\nRun flowdemo -h for all flags.\n") {
				t.Errorf("exit status %d, standard output %q, standard error:\n%s", status, stdout, stderr)
			}
			for _, part := range tt.want {
				if !strings.Contains(stderr, part) {
					t.Errorf("%q is missing in:\n%s", part, stderr)
				}
			}
		})
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	status, stdout, stderr := runWith(t, "-h")
	if status != 0 || stderr != "" {
		t.Errorf("exit status %d, standard error %q", status, stderr)
	}
	for _, flag := range []string{"-listen", "-kafka", "-http", "-exporters", "-rate", "-n ", "-pace", "-version"} {
		if !strings.Contains(stdout, "\n  "+flag) {
			t.Errorf("%s is not explained", flag)
		}
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	if status, stdout, _ := runWith(t, "-version"); status != 0 || !strings.HasPrefix(stdout, "flowdemo ") || !strings.Contains(stdout, "\nrevision ") {
		t.Errorf("exit status %d, %q", status, stdout)
	}
}

// endOnWrite keeps what is written, and calls end each time.
type endOnWrite struct {
	bytes.Buffer
	end func()
}

func (w *endOnWrite) Write(b []byte) (int, error) {
	w.end()
	return w.Buffer.Write(b)
}

func runWith(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var out, err bytes.Buffer
	status = run(ctx, args, &out, &err)
	if ctx.Err() != nil {
		t.Fatalf("%q did not end; it printed %q and %q", args, out.String(), err.String())
	}
	return status, out.String(), err.String()
}
