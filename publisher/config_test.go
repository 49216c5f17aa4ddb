package publisher

import (
	"strings"
	"testing"
	"time"
)

// Every mistake is named, with its value and its cure, and all at once.
func TestValidate(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*Config)
		want   []string
	}{
		{"nothing wrong", func(*Config) {}, nil},
		{"no brokers", func(c *Config) { c.Brokers = nil }, []string{"no brokers: name at least one as host:port"}},
		{"no topic", func(c *Config) { c.Topic = "" }, []string{"no topic"}},
		{"topic with a space", func(c *Config) { c.Topic = "a b" }, []string{`topic "a b" cannot exist in Kafka: a name has 1 to 249 of A-Z, a-z, 0-9`}},
		{"a long client id", func(c *Config) { c.ClientID = strings.Repeat("x", 250) }, []string{`client id "xxx`, "cannot be: it has up to 249 bytes that can be printed"}},
		{"a client id of two lines", func(c *Config) { c.ClientID = "a\nb" }, []string{`client id "a\nb" cannot be`}},
		{"a client id that is no text", func(c *Config) { c.ClientID = "a\xff" }, []string{`client id "a\xff" cannot be`}},
		{"the longest client id", func(c *Config) { c.ClientID = strings.Repeat("ü", 124) + " " }, nil},
		{"linger", func(c *Config) { c.Linger = time.Hour }, []string{"linger is 1h0m0s: it must be from 0 to 1m0s"}},
		{"batch size", func(c *Config) { c.BatchBytes = 5 << 20 }, []string{"batch size is 5MiB: it must be from 4KiB to 1MiB"}},
		{"buffer", func(c *Config) { c.BufferBytes = 1000 }, []string{"buffer is 1000B: it must be from 4MiB to 1TiB"}},
		{"large buffer", func(c *Config) { c.BufferBytes = 1<<40 + 1 }, []string{"buffer is 1099511627777B: it must be from 4MiB to 1TiB"}},
		{"idempotence", func(c *Config) { c.Acks = AcksLeader }, []string{"idempotent publishing needs acks=all, not acks=1: set acks to all, or idempotence to false"}},
		{"request timeout", func(c *Config) { c.RequestTimeout = time.Millisecond }, []string{"request timeout is 1ms: it must be at least 1s"}},
		{"a form of values that is none", func(c *Config) { c.Value = 99 }, []string{"is not known: use protobuf"}},
		{"a header of letters that are none", func(c *Config) { c.ValueHeader = "content/type" }, []string{`header "content/type" cannot be: a name has 1 to 64 of A-Z, a-z`}},
		{"a long header", func(c *Config) { c.ValueHeader = strings.Repeat("n", 65) }, []string{`n" cannot be: a name has 1 to 64 of`}},
		{"the longest header", func(c *Config) { c.ValueHeader = strings.Repeat("n", 64) }, nil},
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
			if p, newErr := New(cfg); test.want != nil && newErr == nil {
				t.Error("New takes what Validate refuses")
				closeWithin(t, p, time.Second)
			}
		})
	}
}

// Kafka's rule for the names of topics: Topic.validate in its class Topic.
func TestCanBeTopic(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		want bool
	}{
		{"f", true},
		{"Flows-v1.site_09", true},
		{"...", true},
		{strings.Repeat("a", 249), true},
		{"", false},
		{".", false},
		{"..", false},
		{"a b", false},
		{"a/b", false},
		{"a:b", false},
		{"a\n", false},
		{"flüsse", false},
		{"a\xff", false},
		{strings.Repeat("a", 250), false},
	}
	for _, test := range tests {
		if got := canBeTopic(test.name); got != test.want {
			t.Errorf("%q can be a topic: %t, want %t", test.name, got, test.want)
		}
	}
}

func TestByteSizePrintsAsPeopleWriteIt(t *testing.T) {
	t.Parallel()
	for size, want := range map[ByteSize]string{
		0: "0B", 1: "1B", 1000: "1000B", 1024: "1KiB", 4096: "4KiB", 1536 << 10: "1536KiB", 1 << 20: "1MiB",
		3 << 30: "3GiB", 1 << 40: "1TiB", 1 << 50: "1024TiB", -1024: "-1KiB",
	} {
		if got := size.String(); got != want {
			t.Errorf("%d bytes print as %q, want %q", int64(size), got, want)
		}
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
