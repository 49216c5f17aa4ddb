package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flowpub/flowpub/publisher/failure"
)

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
	words := new(Refusal)
	ctx := words.With(t.Context())
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
	if reason := words.take(); refused != "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==" || reason != "invalid_token" {
		t.Errorf("refused token %q for %q", refused, reason)
	}
	if _, _, err := exchange.Next(ctx, nil); !errors.Is(err, errTokenRefused) {
		t.Errorf("a broker that accepts after all: error %v, want the refusal", err)
	}
}

// A refusal explains one error, and one of the connection that it was about: later
// ones, and those with other brokers, are what they look like.
func TestRefusalExplainsItsOwnError(t *testing.T) {
	t.Parallel()
	c := &Credentials{SASL: &bearer{token: func(context.Context) (string, error) { return "abc", nil }, refused: func(string) {}}}
	refused, other := new(Refusal), new(Refusal)
	exchange, _, err := c.SASL.Start(refused.With(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	exchange.Next(refused.With(t.Context()), []byte("no"))
	for _, test := range []struct {
		name  string
		words *Refusal
		want  failure.Kind
	}{
		{"of another broker", other, failure.Lost},
		{"of the refusal", refused, failure.Auth},
		{"later", refused, failure.Lost},
	} {
		if err := c.Explain(io.EOF, test.words); failure.Of(err).Name != test.want.Name {
			t.Errorf("the error %s is %v, want %s", test.name, err, test.want.Name)
		}
	}
	exchange.Next(refused.With(t.Context()), []byte("no"))
	c.SASL.Start(refused.With(t.Context()))
	if err := c.Explain(io.EOF, refused); failure.Of(err).Name != failure.Lost.Name {
		t.Errorf("the error of the next attempt is %v, want %s", err, failure.Lost.Name)
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

// A broker's words are not shown, but for the codes there are.
func TestReasonIn(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{
		`{"status":"invalid_token","scope":"a"}`: "invalid_token",
		`{"status":"insufficient_scope"}`:        "insufficient_scope",
		`{"status":"hunter2"}`:                   "it does not say why",
		`{"status":"invalid_token hunter2"}`:     "it does not say why",
		`{"status":["invalid_token"]}`:           "it does not say why",
		"invalid_token":                          "it does not say why",
		"":                                       "it does not say why",
	} {
		if got := reasonIn(answer); got != want {
			t.Errorf("%q: %q, want %q", answer, got, want)
		}
	}
}

// Where brokers are logged in to, only Kafka's codes are shown.
func TestDiscreet(t *testing.T) {
	t.Parallel()
	words := failure.Code(58, "not as hunter2")
	unknown := failure.Code(9999, "not as hunter2")
	own := errors.New("connection refused")
	secured := &Credentials{SASL: new(bearer)}
	for _, test := range []struct {
		credentials *Credentials
		err         error
		want        string
	}{
		{secured, fmt.Errorf("around it: %w", words), "[58] SASL Authentication Failed: SASL Authentication failed"},
		{secured, unknown, "[9999] an error that this version of flowpub does not know"},
		{secured, own, "connection refused"},
		{new(Credentials), words, "[58] SASL Authentication Failed: SASL Authentication failed (not as hunter2)"},
	} {
		if got := test.credentials.Discreet(test.err); got.Error() != test.want {
			t.Errorf("error %q, want %q", got, test.want)
		}
	}
	if err := secured.Discreet(nil); err != nil {
		t.Errorf("no error becomes %v", err)
	}
}
