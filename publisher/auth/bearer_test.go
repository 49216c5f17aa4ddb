package auth

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
			c := &Credentials{bearer: &bearer{token: func(context.Context) (string, error) { return token, nil }, refused: func(string) {}}}
			words := new(Refusal)
			exchange, _, err := c.bearer.Start(words.With(t.Context()))
			if err != nil {
				t.Fatal(err)
			}
			exchange.Next(words.With(t.Context()), []byte(strings.Repeat(" ", before)+repeated))
			if got, want := c.Explain(io.EOF, words).Error(), "the broker closed the connection, and refuses the OAuth token: "+hiddenWords; got != want {
				t.Errorf("a token %s, %s: error\n     %s\nwant %s", form, where, got, want)
			}
		}
	}
}

// A refusal explains one error, and one of the connection that it was about: later
// ones, and those with other brokers, are what they look like.
func TestRefusalExplainsItsOwnError(t *testing.T) {
	t.Parallel()
	c := &Credentials{bearer: &bearer{token: func(context.Context) (string, error) { return "abc", nil }, refused: func(string) {}}}
	refused, other := new(Refusal), new(Refusal)
	exchange, _, err := c.bearer.Start(refused.With(t.Context()))
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
	c.bearer.Start(refused.With(t.Context()))
	if err := c.Explain(io.EOF, refused); failure.Of(err).Name != failure.Lost.Name {
		t.Errorf("the error of the next attempt is %v, want %s", err, failure.Lost.Name)
	}
}

// Errors are explained while connections are made.
func TestBearerIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	var tokens atomic.Int32
	c := &Credentials{bearer: &bearer{token: func(context.Context) (string, error) { return fmt.Sprint("token-", tokens.Add(1)), nil }}}
	var both sync.WaitGroup
	both.Go(func() {
		for range 100 {
			c.bearer.Start(t.Context())
		}
	})
	both.Go(func() {
		for range 100 {
			c.Explain(io.EOF, new(Refusal))
		}
	})
	both.Wait()
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
