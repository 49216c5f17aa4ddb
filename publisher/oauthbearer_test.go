package publisher

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	kinds "github.com/flowpub/flowpub/publisher/failure"
)

// bearerBroker makes an embedded broker, which knows no OAUTHBEARER, speak it:
// judge returns why a token is refused, empty if it is not. After the client has
// confirmed that, the answer is the error that end returns.
func bearerBroker(broker *kfake.Cluster, judge func(token string) string, end func() (text string, err error)) {
	broker.ControlKey(int16(kmsg.SASLHandshake), func(r kmsg.Request) (kmsg.Response, error, bool) {
		broker.KeepControl()
		answer := kmsg.NewPtrSASLHandshakeResponse()
		answer.Version = r.GetVersion()
		if request, ok := r.(*kmsg.SASLHandshakeRequest); !ok || request.Mechanism != "OAUTHBEARER" {
			answer.ErrorCode = kerr.UnsupportedSaslMechanism.Code
		}
		return answer, nil, true
	})
	broker.ControlKey(int16(kmsg.SASLAuthenticate), func(r kmsg.Request) (kmsg.Response, error, bool) {
		broker.KeepControl()
		answer := kmsg.NewPtrSASLAuthenticateResponse()
		answer.Version = r.GetVersion()
		request, ok := r.(*kmsg.SASLAuthenticateRequest)
		if !ok {
			return nil, errors.New("another request"), true
		}
		message := string(request.SASLAuthBytes)
		token, isFirst := strings.CutPrefix(message, "n,,\x01auth=Bearer ")
		token, isWhole := strings.CutSuffix(token, "\x01\x01")
		switch {
		case isFirst && isWhole:
			answer.SASLAuthBytes = []byte(judge(token))
		case message == "\x01":
			text, err := end()
			if err != nil {
				return nil, err, true
			}
			answer.ErrorCode, answer.ErrorMessage = kerr.SaslAuthenticationFailed.Code, &text
		default:
			return nil, errors.New("no message of OAUTHBEARER"), true
		}
		return answer, nil, true
	})
}

// only is a judge that takes one token.
func only(right string) func(string) string {
	return func(token string) string {
		if token == right {
			return ""
		}
		return `{"status":"invalid_token"}`
	}
}

func closes() (string, error) { return "", errors.New("closing the connection") }

// The messages are those of RFC 7628, section 4: the first one but for the host
// and port, which are optional.
func TestBearerExchange(t *testing.T) {
	t.Parallel()
	var refused string
	b := &bearer{
		token:   func(context.Context) (string, error) { return "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==", nil },
		refused: func(token string) { refused = token },
	}
	if b.Name() != "OAUTHBEARER" {
		t.Errorf("the name is %q", b.Name())
	}
	words := new(authRefusal)
	ctx := words.with(t.Context())
	start := func() interface {
		Next(context.Context, []byte) (bool, []byte, error)
	} {
		exchange, first, err := b.Start(ctx)
		if want := "n,,\x01auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01"; err != nil || string(first) != want {
			t.Fatalf("the first message is %q, error %v, want %q", first, err, want)
		}
		return exchange
	}
	if done, _, err := start().Next(ctx, nil); !done || err != nil {
		t.Errorf("accepted: done %v, error %v", done, err)
	}
	exchange := start()
	done, answer, err := exchange.Next(ctx, []byte(`{"status":"invalid_token","scope":"example_scope"}`))
	if done || string(answer) != "\x01" || err != nil {
		t.Errorf("refused: done %v, answer %q, error %v", done, answer, err)
	}
	if reason := words.take(); refused != "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==" || reason != `{"status":"invalid_token","scope":"example_scope"}` {
		t.Errorf("refused token %q for %q", refused, reason)
	}
	if _, _, err := exchange.Next(ctx, nil); !errors.Is(err, errTokenRefused) {
		t.Errorf("a broker that accepts after all: error %v, want the refusal", err)
	}
}

// A broker's words are looked at as a whole, however little of them is kept.
func TestLongRefusals(t *testing.T) {
	t.Parallel()
	const token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJmbG93cHViIn0.x+y/z~w=="
	forms := map[string]string{
		"as it is": token, "for a URL": url.QueryEscape(token), "in base64": base64.StdEncoding.EncodeToString([]byte("no " + token + "!")),
	}
	for form, repeated := range forms {
		for where, before := range map[string]int{"above the bound": maxReason, "across it": maxReason - len(repeated)/2} {
			c := &credentials{bearer: &bearer{token: func(context.Context) (string, error) { return token, nil }, refused: func(string) {}}}
			words := new(authRefusal)
			exchange, _, err := c.bearer.Start(words.with(t.Context()))
			if err != nil {
				t.Fatal(err)
			}
			exchange.Next(words.with(t.Context()), []byte(strings.Repeat(" ", before)+repeated))
			if got, want := c.explain(io.EOF, words).Error(), "the broker closed the connection, and refuses the OAuth token: "+hiddenWords; got != want {
				t.Errorf("a token %s, %s: error\n     %s\nwant %s", form, where, got, want)
			}
		}
	}
}

// A refusal explains one error, and one of the connection that it was about: later
// ones, and those with other brokers, are what they look like.
func TestRefusalExplainsItsOwnError(t *testing.T) {
	t.Parallel()
	c := &credentials{bearer: &bearer{token: func(context.Context) (string, error) { return "abc", nil }, refused: func(string) {}}}
	refused, other := new(authRefusal), new(authRefusal)
	exchange, _, err := c.bearer.Start(refused.with(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	exchange.Next(refused.with(t.Context()), []byte("no"))
	for _, test := range []struct {
		name  string
		words *authRefusal
		want  kinds.Kind
	}{
		{"of another broker", other, kinds.Lost},
		{"of the refusal", refused, kinds.Auth},
		{"later", refused, kinds.Lost},
	} {
		if err := c.explain(io.EOF, test.words); kinds.Of(err).Name != test.want.Name {
			t.Errorf("the error %s is %v, want %s", test.name, err, test.want.Name)
		}
	}
	exchange.Next(refused.with(t.Context()), []byte("no"))
	c.bearer.Start(refused.with(t.Context()))
	if err := c.explain(io.EOF, refused); kinds.Of(err).Name != kinds.Lost.Name {
		t.Errorf("the error of the next attempt is %v, want %s", err, kinds.Lost.Name)
	}
}

// The request for which a connection was to be made gets the reason, too.
func TestRefusalOfABatchIsTold(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	writeFile(t, file, "abc")
	broker := startBroker(t, 1)
	var revoked atomic.Bool
	bearerBroker(broker, func(string) string {
		if revoked.Load() {
			return `{"status":"revoked"}`
		}
		return ""
	}, closes)
	broker.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		revoked.Store(true)
		return nil, errors.New("closing the connection"), true
	})
	var log logBuffer
	p := startPublisher(t, broker.ListenAddrs(), func(c *Config) {
		c.SASL = &SASLConfig{Mechanism: SASLOAuthBearer, OAuth: OAuthConfig{TokenFile: file}}
		c.Logger = log.logger()
	})
	publish(t, p, 0, 10, 30)
	eventually(t, 10*time.Second, "the refusal of a batch is told", func() bool {
		return log.has(`msg="Kafka did not take a batch, trying again"`) && log.has(`error="the broker closed the connection, and refuses the OAuth token: {\"status\":\"revoked\"}"`)
	})
}

// Errors are explained while connections are made.
func TestBearerIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	var tokens atomic.Int32
	c := &credentials{bearer: &bearer{token: func(context.Context) (string, error) { return fmt.Sprint("token-", tokens.Add(1)), nil }}}
	var both sync.WaitGroup
	both.Go(func() {
		for range 100 {
			c.bearer.Start(t.Context())
		}
	})
	both.Go(func() {
		for range 100 {
			c.explain(io.EOF, new(authRefusal))
		}
	})
	both.Wait()
}

// A token from a file. A wrong one is told, with the broker and its words and
// without the token, however the broker ends the exchange; once the file holds the
// right one, everything flows.
func TestTokenFile(t *testing.T) {
	t.Parallel()
	const wrong, right = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ3cm9uZyJ9.", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb3V0ZXIifQ."
	const repeating = "[58] SASL Authentication Failed: SASL Authentication failed (what the broker says of it repeats a secret, and is not shown)"
	tests := []struct {
		name string
		end  func() (string, error)
		want string
	}{
		{"with Kafka's words", func() (string, error) { return `{"status":"invalid_token"}`, nil }, `[58] SASL Authentication Failed: SASL Authentication failed: {"status":"invalid_token"}`},
		{"with other words", func() (string, error) { return "no", nil }, `[58] SASL Authentication Failed: SASL Authentication failed: no, and refuses the OAuth token: {"status":"invalid_token"}`},
		{"by closing the connection", closes, `the broker closed the connection, and refuses the OAuth token: {"status":"invalid_token"}`},
		{"repeating the token", func() (string, error) { return "not " + wrong, nil }, repeating},
		{"repeating it for a URL", func() (string, error) { return url.QueryEscape("no " + wrong), nil }, repeating},
		{"repeating it in base64", func() (string, error) { return base64.URLEncoding.EncodeToString([]byte("no " + wrong + "!")), nil }, repeating},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "token")
			writeFile(t, file, wrong+"\n")
			broker := startBroker(t, 1)
			bearerBroker(broker, only(right), test.end)
			p := startPublisher(t, broker.ListenAddrs(), func(c *Config) {
				c.SASL = &SASLConfig{Mechanism: SASLOAuthBearer, OAuth: OAuthConfig{TokenFile: file}}
			})
			n := publish(t, p, 0, 10, 30)
			eventually(t, 10*time.Second, "the reason is told", func() bool { return p.cluster.reached() != nil })
			got := p.cluster.reached()
			where := "broker " + broker.ListenAddrs()[0] + ": "
			if text := got.Error(); !strings.HasPrefix(text, where) || !strings.HasSuffix(text, test.want) {
				t.Errorf("error\n     %s\nwant %s...%s", text, where, test.want)
			}
			if kinds.Of(got) != kinds.Auth {
				t.Errorf("%v is of kind %q", got, kinds.Of(got).Name)
			}
			writeFile(t, file, right)
			closeWithin(t, p, 20*time.Second)
			wantDelivered(t, p, n)
		})
	}
}

func writeFile(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestReadToken(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	for _, test := range [][2]string{
		{"abc", "abc"},
		{" a-b.c_d~e+f/g==\n", "a-b.c_d~e+f/g=="},
		{"abc\r\n\r\n", "abc"},
	} {
		writeFile(t, file, test[0])
		if got, err := readToken(file); got != test[1] || err != nil {
			t.Errorf("%q: token %q, error %v, want %q", test[0], got, err, test[1])
		}
	}
	for content, want := range map[string]string{
		"":                      "is empty",
		"\n":                    "is empty",
		"Bearer hunter2":        "holds something else",
		`"hunter2"`:             "holds something else",
		"hunter2\x01auth=other": "holds something else",
		"hunter2=x":             "holds something else",
	} {
		writeFile(t, file, content)
		_, err := readToken(file)
		if err == nil || !strings.Contains(err.Error(), file+" "+want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: error %v, want %q", content, err, want)
		}
	}
}

// Expected values are by hand: the base64 of "xhunter2" and others, with what
// belongs to their neighbours cut off.
func TestRepeats(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text, secret string
		want         bool
	}{
		{"wrong password hunter2!", "hunter2", true},
		{"wrong password", "hunter2", false},
		{"p=a%2Fb+c%26", "a/b c&", true},
		{"p=a%2Fb%20c%26", "a/b c&", true}, // as JavaScript does it
		{"aHVudGVyMg==", "hunter2", true},
		{"eGh1bnRlcjI=", "hunter2", true},     // xhunter2
		{"eHhodW50ZXIyeA==", "hunter2", true}, // xxhunter2x
		{"aHVudHJlMg==", "hunter2", false},    // huntre2
		{"fn5+fn4=", "~~~~~", true},
		{"fn5-fn4", "~~~~~", true},
		{"a", "a", false},
		{"anything", "", false},
	}
	for _, test := range tests {
		if got := repeats(test.text, test.secret); got != test.want {
			t.Errorf("%q repeats %q: %v, want %v", test.text, test.secret, got, test.want)
		}
	}
}
