package tail

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flowpub/flowpub/internal/testca"
	"github.com/flowpub/flowpub/internal/testwait"
)

// encrypted is Security with TLS alone.
type encrypted struct {
	plain
	config *tls.Config
}

func (e encrypted) TLS() *tls.Config { return e.config }

// peer serves each connection by a function, and returns its address.
func peer(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serve(conn)
			}()
		}
	}()
	return listener.Addr().String()
}

// says returns a peer that greets, or answers whatever comes first.
func says(text string, greets bool) func(net.Conn) {
	return func(conn net.Conn) {
		if !greets {
			_, _ = conn.Read(make([]byte, 1024))
		}
		_, _ = io.WriteString(conn, text)
		_, _ = io.Copy(io.Discard, conn)
	}
}

// httpPeer is a peer that speaks HTTP.
func httpPeer(conn net.Conn) {
	if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
		_, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n400 Bad Request")
	}
}

// Whatever is there instead of Kafka is named, with the cure, long before brokers
// would be given up.
func TestRunTellsWhatIsNoKafka(t *testing.T) {
	testwait.Long(t)
	t.Parallel()
	ca := testca.New(t)
	pair := ca.Issue(t, "broker")
	server := &tls.Config{Certificates: []tls.Certificate{pair.TLS(t)}, MinVersion: tls.VersionTLS12}
	trusting := encrypted{config: &tls.Config{RootCAs: ca.Pool(), MinVersion: tls.VersionTLS12}}
	doubting := encrypted{config: &tls.Config{RootCAs: testca.New(t).Pool(), MinVersion: tls.VersionTLS12}}
	renaming := encrypted{config: &tls.Config{RootCAs: ca.Pool(), ServerName: "kafka.example.net", MinVersion: tls.VersionTLS12}}
	secured := func(serve func(net.Conn)) func(net.Conn) {
		return func(conn net.Conn) { serve(tls.Server(conn, server)) }
	}
	tests := []struct {
		name     string
		serve    func(net.Conn)
		security Security
		want     string
	}{
		{"SSH", says("SSH-2.0-OpenSSH_9.7\r\n", true), plain{}, "speaks SSH, not Kafka: give the address of a Kafka broker"},
		{"SMTP", says("220 mail.example.net ESMTP\r\n", true), plain{}, "speaks SMTP, not Kafka"},
		{"HTTP", httpPeer, plain{}, "speaks HTTP, not Kafka"},
		{"Redis", says("-ERR unknown command\r\n", false), plain{}, "speaks Redis, not Kafka"},
		{"a TLS alert", says("\x15\x03\x03\x00\x02\x02\x46", false), plain{}, "speaks TLS: set FLOWPUB_KAFKA_TLS=true"},
		{"TLS that closes", secured(says("", false)), plain{}, "it wants TLS, or is not Kafka: set FLOWPUB_KAFKA_TLS=true"},
		{"another text", says("ready\r\n", true), plain{}, `does not speak Kafka; its answer begins with "ready\r\n"`},
		{"binary", says("\x00\x00\x00\x10\xff\xff\xff\xff and so on", false), plain{}, "does not speak Kafka"},
		{"few bytes, then nothing", says("\x00\x00", true), plain{}, "says nothing for 1.5s"},
		{"nothing", func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }, plain{}, "connects, and says nothing for 1.5s: it wants TLS, or is not Kafka"},
		{"the end", func(net.Conn) {}, plain{}, "connects, and closes without an answer: it wants TLS, or is not Kafka"},
		{"no TLS but SSH", says("SSH-2.0-OpenSSH_9.7\r\n", true), trusting, "speaks SSH, not TLS"},
		{"no TLS but something", says("\x00\x00\x00\x00\x00\x00\x00", false), trusting, "does not speak TLS: unset FLOWPUB_KAFKA_TLS"},
		{"no TLS but nothing", func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }, trusting, "does not answer TLS for 1.5s: unset"},
		{"no TLS but the end", func(conn net.Conn) { _, _ = conn.Read(make([]byte, 1024)) }, trusting, "instead of TLS: unset"},
		{"HTTPS", secured(httpPeer), trusting, "speaks HTTP, not Kafka"},
		{"TLS, then nothing", secured(func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }), trusting, "says nothing for 1.5s: it is not Kafka, or wants a client certificate"},
		{"another authority", secured(httpPeer), doubting, "set FLOWPUB_KAFKA_TLS_CA_FILE to the authority that signed it"},
		{"another name", secured(httpPeer), renaming, "set FLOWPUB_KAFKA_TLS_SERVER_NAME to a name that it has"},
	}
	// Silent ones are waited for all at once; of the others, one after the other, none waits
	// for a processor until it seems to be silent.
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout-time.Second)
	defer cancel()
	errs, addresses := make([]error, len(tests)), make([]string, len(tests))
	var running sync.WaitGroup
	for i, tt := range tests {
		addresses[i] = peer(t, tt.serve)
		connect := func() {
			_, errs[i] = Run(ctx, Config{Brokers: addresses[i : i+1], Security: tt.security, Topic: topicName, Out: io.Discard})
		}
		if strings.Contains(tt.want, " for 1.5s") {
			running.Go(connect)
		} else {
			connect()
		}
	}
	running.Wait()
	for i, tt := range tests {
		err, begin := errs[i], "tail: no broker answers: "+addresses[i]+" "
		if err == nil || !strings.HasPrefix(err.Error(), begin) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error is %v, want one with %q", tt.name, err, tt.want)
		}
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	tests := []struct {
		err  error
		want string
	}{
		{&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "kafka"}}, "cannot be looked up (no such host): check the name"},
		{fmt.Errorf("dial: %w", context.DeadlineExceeded), "does not answer: check the address, the route and the firewall"},
		{fmt.Errorf("dial: %w", errors.New("network is down")), "cannot be reached: network is down"},
	}
	for _, tt := range tests {
		if got := unreachable(tt.err); got != tt.want {
			t.Errorf("%v is told as %q, want %q", tt.err, got, tt.want)
		}
	}
}
