package publisher

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Every mistake is named, with its value and its cure, and all at once.
func TestValidate(t *testing.T) {
	t.Parallel()
	notPEM := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(notPEM, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		change func(*Config)
		want   []string
	}{
		{"nothing wrong", func(*Config) {}, nil},
		{"no brokers", func(c *Config) { c.Brokers = nil }, []string{"no brokers: name at least one as host:port"}},
		{"no topic", func(c *Config) { c.Topic = "" }, []string{"no topic"}},
		{"linger", func(c *Config) { c.Linger = time.Hour }, []string{"linger is 1h0m0s: it must be from 0 to 1m0s"}},
		{"batch size", func(c *Config) { c.BatchBytes = 5 << 20 }, []string{"batch size is 5242880 bytes: it must be from 4096 to 1048576"}},
		{"buffer", func(c *Config) { c.BufferBytes = 1000 }, []string{"buffer is 1000 bytes: it must be at least 4194304"}},
		{"idempotence", func(c *Config) { c.Acks = AcksLeader }, []string{"idempotent publishing needs acks=all, not acks=1"}},
		{"request timeout", func(c *Config) { c.RequestTimeout = time.Millisecond }, []string{"request timeout is 1ms: it must be at least 1s"}},
		{"half a client certificate", func(c *Config) { c.TLS = &TLSConfig{CertFile: "cert.pem"} }, []string{"both its certificate file and its key file"}},
		{"no such authority", func(c *Config) { c.TLS = &TLSConfig{CAFile: "/nowhere/ca.pem"} }, []string{"/nowhere/ca.pem"}},
		{"not an authority", func(c *Config) { c.TLS = &TLSConfig{CAFile: notPEM} }, []string{notPEM + " holds no PEM certificate"}},
		{"SASL", func(c *Config) { c.SASL = &SASLConfig{Mechanism: "kerberos"} }, []string{
			`SASL mechanism "kerberos" is not known: use plain, scram-sha-256 or scram-sha-512`,
			"SASL needs a user name", "SASL needs a password or a password file",
		}},
		{"two passwords", func(c *Config) {
			c.SASL = &SASLConfig{Mechanism: SASLPlain, Username: "u", Password: "hunter2", PasswordFile: "f"}
		}, []string{"a password or a password file, not both"}},
		{"no password file", func(c *Config) {
			c.SASL = &SASLConfig{Mechanism: SASLPlain, Username: "u", PasswordFile: "/nowhere/password"}
		}, []string{"/nowhere/password"}},
		{"several", func(c *Config) { c.Topic, c.BufferBytes, c.Linger = "", 0, -1 }, []string{"no topic", "buffer is 0", "linger is -1ns"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			cfg := DefaultConfig()
			cfg.Brokers = []string{"127.0.0.1:9092"}
			test.change(&cfg)
			err := cfg.Validate()
			if (err != nil) != (test.want != nil) {
				t.Fatalf("error %v, want %q", err, test.want)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error %q has the password in it", err)
			}
			if p, newErr := New(cfg); test.want != nil && newErr == nil {
				t.Error("New takes what Validate refuses")
				closeWithin(t, p, time.Second)
			}
		})
	}
}

func TestPasswordIsNotPrinted(t *testing.T) {
	t.Parallel()
	c := &SASLConfig{Mechanism: SASLPlain, Username: "router", Password: "hunter2"}
	if got := fmt.Sprintf("%v %+v", c, c); got != "plain as router plain as router" {
		t.Errorf("printed as %q", got)
	}
}

func TestAcksText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Acks{"all": AcksAll, "-1": AcksAll, "1": AcksLeader, "0": AcksNone} {
		var a Acks
		if err := a.UnmarshalText([]byte(text)); err != nil || a != want {
			t.Errorf("%q is %v, error %v, want %v", text, a, err, want)
		}
	}
	var a Acks
	if err := a.UnmarshalText([]byte("two")); err == nil || !strings.Contains(err.Error(), `acks "two" is not known: use all, 1 or 0`) {
		t.Errorf("error %v", err)
	}
}
