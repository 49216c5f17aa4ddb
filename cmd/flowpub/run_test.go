package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/flowpub/flowpub/internal/config"
)

// broken holds one mistake each: the variables, and what must be said of the
// first of them. All of them together are a configuration too.
var broken = []struct {
	name    string
	environ []string
	cure    string
}{
	{"address without port", []string{"FLOWPUB_LISTEN=localhost"}, "add the port"},
	{"no socket", []string{"FLOWPUB_SOCKETS=0"}, "from 1"},
	{"ambiguous size", []string{"FLOWPUB_RECEIVE_BUFFER=32M"}, "write 32MiB"},
	{"network without length", []string{"FLOWPUB_EXPORTERS_ALLOW=192.0.2.1"}, "write 192.0.2.1/32"},
	{"HTTP address without port", []string{"FLOWPUB_HTTP_LISTEN=localhost"}, "add the port"},
	{"neither true nor false", []string{"FLOWPUB_HTTP_PPROF=yes"}, "true or false"},
	{"duration without unit", []string{"FLOWPUB_DRAIN_LINGER=8"}, "write it as 8ms or 8s"},
	{"negative duration", []string{"FLOWPUB_SHUTDOWN_TIMEOUT=-1s"}, "must not be negative"},
	{"delay too long", []string{"FLOWPUB_RECEIVE_DELAY=1s"}, "from 0 to 100ms"},
	{"unknown level", []string{"FLOWPUB_LOG_LEVEL=trace"}, "debug, info, warn or error"},
	{"unknown format", []string{"FLOWPUB_LOG_FORMAT=xml"}, "text or json"},
	{"no brokers", []string{"FLOWPUB_KAFKA_BROKERS="}, "host:port"},
	{"name of no topic", []string{"FLOWPUB_KAFKA_TOPIC=a/b"}, "a name has 1 to 249 of A-Z, a-z, 0-9"},
	{"unknown codec", []string{"FLOWPUB_KAFKA_COMPRESSION=brotli"}, "use none, gzip, snappy, lz4, lz4-fast, zstd or zstd-fast"},
	{"linger too long", []string{"FLOWPUB_KAFKA_LINGER=2m"}, "from 0 to 1m0s"},
	{"batch too large", []string{"FLOWPUB_KAFKA_BATCH_BYTES=2MiB"}, "from 4KiB to 1MiB"},
	{"buffer too small", []string{"FLOWPUB_KAFKA_BUFFER_BYTES=1MiB"}, "from 4MiB to 1TiB"},
	{"unknown partitioner", []string{"FLOWPUB_KAFKA_PARTITIONER=random"}, "use murmur2, crc32 or fnv1a"},
	{"idempotent without all acks", []string{"FLOWPUB_KAFKA_IDEMPOTENT=true", "FLOWPUB_KAFKA_ACKS=1"}, "set acks to all, or idempotence to false"},
	{"authorities without TLS", []string{"FLOWPUB_KAFKA_TLS_CA_FILE=/ca.crt"}, "set FLOWPUB_KAFKA_TLS=true"},
	{"server name without TLS", []string{"FLOWPUB_KAFKA_TLS_SERVER_NAME=kafka"}, "set FLOWPUB_KAFKA_TLS=true"},
	{"insecure without TLS", []string{"FLOWPUB_KAFKA_TLS_INSECURE=true"}, "set FLOWPUB_KAFKA_TLS=true"},
	{"password without user", []string{
		"FLOWPUB_KAFKA_SASL_USERNAME=", "FLOWPUB_KAFKA_SASL_MECHANISM=plain", "FLOWPUB_KAFKA_SASL_PASSWORD=" + secret,
	}, "user name"},
	{"misspelt secret", []string{"FLOWPUB_KAFKA_SASL_PASWORD=" + secret}, "did you mean FLOWPUB_KAFKA_SASL_PASSWORD?"},
	{"misspelt name", []string{"FLOWPUB_LISTEN_UDP=:2055"}, "did you mean FLOWPUB_LISTEN?"},
}

// secret must appear nowhere.
const secret = "correct-horse-battery-staple"

func TestBrokenConfigurations(t *testing.T) {
	t.Parallel()
	for _, tt := range broken {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			refused(t, append([]string{"FLOWPUB_KAFKA_BROKERS=localhost:9092"}, tt.environ...), map[string]string{
				nameOf(tt.environ[0]): tt.cure,
			})
		})
	}
}

func TestAllMistakesAreToldAtOnce(t *testing.T) {
	t.Parallel()
	var environ []string
	cures := make(map[string]string)
	for _, tt := range broken {
		environ = append(environ, tt.environ...)
		cures[nameOf(tt.environ[0])] = tt.cure
	}
	if len(cures) < 20 {
		t.Fatalf("%d mistakes are too few for this test", len(cures))
	}
	refused(t, environ, cures)
}

// refused checks that run refuses environ for these reasons and no others:
// every variable of cures begins a line of its own that names the cure. The
// addresses are taken and the broker is ours, so had anything been started it
// would show.
func refused(t *testing.T, environ []string, cures map[string]string) {
	t.Helper()
	taken := takeAddresses(t)
	environ = append(taken.environ(environ), environ...)
	status, stdout, stderr := runWith(t, nil, environ)
	if status != 2 {
		t.Errorf("exit status %d, want 2", status)
	}
	if stdout != "" {
		t.Errorf("standard output: %q, want nothing", stdout)
	}
	if strings.Contains(stderr, secret) {
		t.Errorf("a secret is shown:\n%s", stderr)
	}
	if strings.Contains(stderr, "in use") {
		t.Errorf("an address was bound, or tried to:\n%s", stderr)
	}
	lines := strings.Split(strings.TrimSpace(stderr), "\n")[1:]
	if len(lines) != len(cures) {
		t.Errorf("%d mistakes are told, want %d:\n%s", len(lines), len(cures), stderr)
	}
	for variable, cure := range cures {
		line := regexp.MustCompile(`(?m)^  ` + variable + ` is .*$`).FindString(stderr)
		if line == "" || !strings.Contains(line, cure) {
			t.Errorf("the line of %s must name the cure %q:\n%s", variable, cure, stderr)
		}
	}
	if taken.called() {
		t.Error("the broker was called")
	}
}

// addresses are a UDP address and a TCP address that nobody else can bind; the
// second one is listened on.
type addresses struct {
	udp  net.PacketConn
	http net.Listener
	tcp  *net.TCPListener
}

func takeAddresses(t *testing.T) addresses {
	t.Helper()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { udp.Close() })
	http, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { http.Close() })
	tcp, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tcp.Close() })
	return addresses{udp, http, tcp}
}

// environ names the addresses in the variables that others does not set.
func (a addresses) environ(others []string) []string {
	all := map[string]string{
		"FLOWPUB_LISTEN":        a.udp.LocalAddr().String(),
		"FLOWPUB_HTTP_LISTEN":   a.http.Addr().String(),
		"FLOWPUB_KAFKA_BROKERS": a.tcp.Addr().String(),
	}
	for _, variable := range others {
		delete(all, nameOf(variable))
	}
	var environ []string
	for name, value := range all {
		environ = append(environ, name+"="+value)
	}
	return environ
}

// called reports whether somebody has connected.
func (a addresses) called() bool {
	if err := a.tcp.SetDeadline(alreadyPast); err != nil {
		return false
	}
	conn, err := a.tcp.Accept()
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

func nameOf(variable string) string {
	name, _, _ := strings.Cut(variable, "=")
	return name
}

// runWith runs the program until it ends by itself.
func runWith(t *testing.T, args, environ []string) (status int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	status = run(t.Context(), args, environ, &out, &err)
	return status, out.String(), err.String()
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for _, flag := range []string{"-h", "-help", "--help"} {
		t.Run(flag, func(t *testing.T) {
			t.Parallel()
			status, stdout, stderr := runWith(t, []string{flag}, []string{"FLOWPUB_KAFKA_SASL_PASSWORD=" + secret, "FLOWPUB_X=1"})
			if status != 0 || stderr != "" {
				t.Errorf("exit status %d and standard error %q, want 0 and nothing", status, stderr)
			}
			if strings.Contains(stdout, secret) {
				t.Error("a secret is shown")
			}
			for _, v := range config.Variables() {
				want := "  " + v.Name + "\n        " + v.Help + "\n        value: " + v.Unit + "; default: " + v.Default + "\n"
				if !strings.Contains(stdout, want) {
					t.Errorf("the help lacks\n%s", want)
				}
			}
		})
	}
}

func TestMisuse(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"unknown flag", []string{"-listen=:2055"}, "-listen"},
		{"argument", []string{"start"}, `"start"`},
		{"version with more", []string{"-version", "x"}, `"x"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			status, stdout, stderr := runWith(t, tt.args, nil)
			if status != 2 || stdout != "" {
				t.Errorf("exit status %d and standard output %q, want 2 and nothing", status, stdout)
			}
			if !strings.Contains(stderr, tt.want) || !strings.Contains(stderr, "flowpub -h") {
				t.Errorf("standard error %q must name %s and flowpub -h", stderr, tt.want)
			}
		})
	}
}

func TestAddressInUse(t *testing.T) {
	t.Parallel()
	taken := takeAddresses(t)
	status, _, stderr := runWith(t, nil, taken.environ(nil))
	if status != 1 {
		t.Errorf("exit status %d, want 1", status)
	}
	if !strings.Contains(stderr, taken.udp.LocalAddr().String()) {
		t.Errorf("standard error must name the address %v:\n%s", taken.udp.LocalAddr(), stderr)
	}
}

func TestUnreachableKafkaAndNoFlows(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, format, want string
	}{
		{"text", "text", "level=INFO"},
		{"json", "json", `"level":"INFO"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, end := context.WithCancel(t.Context())
			end()
			passwordFile := filepath.Join(t.TempDir(), "password")
			if err := os.WriteFile(passwordFile, []byte(secret), 0o600); err != nil {
				t.Fatal(err)
			}
			environ := []string{
				"FLOWPUB_LISTEN=127.0.0.1:0", "FLOWPUB_HTTP_LISTEN=127.0.0.1:0", "FLOWPUB_KAFKA_BROKERS=127.0.0.1:1",
				"FLOWPUB_LOG_LEVEL=debug", "FLOWPUB_LOG_FORMAT=" + tt.format, "FLOWPUB_KAFKA_SASL_MECHANISM=plain",
				"FLOWPUB_KAFKA_SASL_USERNAME=alice", "FLOWPUB_KAFKA_SASL_PASSWORD_FILE=" + passwordFile,
			}
			var stdout, stderr bytes.Buffer
			if status := run(ctx, nil, environ, &stdout, &stderr); status != 0 {
				t.Errorf("exit status %d, want 0:\n%s", status, stderr.String())
			}
			if stdout.Len() > 0 {
				t.Errorf("standard output: %q, want nothing", stdout.String())
			}
			if !strings.Contains(stderr.String(), tt.want) {
				t.Errorf("the log lacks %q:\n%s", tt.want, stderr.String())
			}
			if strings.Contains(stderr.String(), secret) {
				t.Errorf("a secret is logged:\n%s", stderr.String())
			}
		})
	}
}
