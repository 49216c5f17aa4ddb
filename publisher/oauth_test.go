package publisher

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/flowpub/flowpub/internal/testlog"
	"github.com/flowpub/flowpub/internal/testwait"
	"github.com/flowpub/flowpub/publisher/auth"
	"github.com/flowpub/flowpub/publisher/failure"
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

// The request for which a connection was to be made gets the reason, too.
func TestRefusalOfABatchIsTold(t *testing.T) {
	testwait.Long(t)
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	writeFile(t, file, "abc")
	broker := startBroker(t, 1)
	var revoked atomic.Bool
	bearerBroker(broker, func(string) string {
		if revoked.Load() {
			return `{"status":"invalid_token"}`
		}
		return ""
	}, closes)
	broker.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		broker.KeepControl() // another connection may be logged in already
		revoked.Store(true)
		return nil, errors.New("closing the connection"), true
	})
	var log testlog.Book
	p := startPublisher(t, broker.ListenAddrs(), func(c *Config) {
		c.SASL = &auth.SASL{Mechanism: auth.OAuthBearer, OAuth: auth.OAuth{TokenFile: file}}
		c.Logger = log.Logger()
	})
	publish(t, p, 0, 10, 30)
	eventually(t, 90*time.Second, "the refusal of a batch is told", func() bool {
		for line := range strings.Lines(log.Text()) {
			// Another connection may have been refused just before.
			if strings.Contains(line, "Kafka did not take a batch, trying again") && strings.Contains(line, "and refuses the OAuth token: invalid_token") {
				return true
			}
		}
		return false
	})
}

// A token from a file. A wrong one is told, with the broker and its words and
// without the token, however the broker ends the exchange; once the file holds the
// right one, everything flows.
func TestTokenFile(t *testing.T) {
	t.Parallel()
	const wrong, right = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ3cm9uZyJ9.", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb3V0ZXIifQ."
	const refusal = "[58] SASL Authentication Failed: SASL Authentication failed, and refuses the OAuth token: invalid_token"
	tests := []struct {
		name string
		end  func() (string, error)
		want string
	}{
		{"with Kafka's words", func() (string, error) { return `{"status":"invalid_token"}`, nil }, refusal},
		{"by closing the connection", closes, "the broker closed the connection, and refuses the OAuth token: invalid_token"},
		{"repeating the token", func() (string, error) { return "not " + wrong, nil }, refusal},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "token")
			writeFile(t, file, wrong+"\n")
			broker := startBroker(t, 1)
			bearerBroker(broker, only(right), test.end)
			p := startPublisher(t, broker.ListenAddrs(), func(c *Config) {
				c.SASL = &auth.SASL{Mechanism: auth.OAuthBearer, OAuth: auth.OAuth{TokenFile: file}}
			})
			n := publish(t, p, 0, 10, 30)
			eventually(t, 10*time.Second, "the reason is told", func() bool { return p.cluster.Problem() != nil })
			got := p.cluster.Problem()
			where := "broker " + broker.ListenAddrs()[0] + ": "
			if text := got.Error(); !strings.HasPrefix(text, where) || !strings.HasSuffix(text, test.want) {
				t.Errorf("error\n     %s\nwant %s...%s", text, where, test.want)
			}
			if failure.Of(got) != failure.Auth {
				t.Errorf("%v is of kind %q", got, failure.Of(got).Name)
			}
			writeFile(t, file, right)
			closeWithin(t, p, patience)
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

// startEndpoint serves plain HTTP.
func startEndpoint(t *testing.T, answer http.HandlerFunc) auth.OAuth {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "secret")
	writeFile(t, file, "hunter2-hunter2")
	return auth.OAuth{TokenURL: server.URL + "/token", ClientID: "flowpub", ClientSecretFile: file}
}

func giveToken(w http.ResponseWriter, token string, seconds int) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":%d}`, token, seconds)
}

// tokens is an endpoint that numbers its tokens, and a broker that takes those
// from a number on.
type tokens struct {
	given, least, missed, seen atomic.Int32
	seconds                    int
	down                       atomic.Bool
}

func (k *tokens) answer(w http.ResponseWriter, _ *http.Request) {
	if k.down.Load() {
		k.missed.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	giveToken(w, fmt.Sprint("token-", k.given.Add(1)), k.seconds)
}

func (k *tokens) judge(token string) string {
	var number int32
	_, err := fmt.Sscanf(token, "token-%d", &number)
	k.seen.Store(number)
	if err != nil || number < k.least.Load() {
		return `{"status":"invalid_token"}`
	}
	return ""
}

func (k *tokens) start(t *testing.T) *Publisher {
	t.Helper()
	cfg := startEndpoint(t, k.answer)
	broker := startBroker(t, 2)
	bearerBroker(broker, k.judge, closes)
	return startPublisher(t, broker.ListenAddrs(), func(c *Config) {
		c.SASL = &auth.SASL{Mechanism: auth.OAuthBearer, OAuth: cfg}
	})
}

// Connections are made anew with each token before the last one expires, without
// a failed attempt; while the endpoint is down the old one serves as long as it
// lasts, and longer on connections there are.
func TestTokenIsRenewed(t *testing.T) {
	testwait.Long(t)
	t.Parallel()
	k := &tokens{seconds: 4}
	p := k.start(t)
	n := publish(t, p, 0, 10, 30)
	eventually(t, patience, "the first flows are delivered", func() bool { return p.Stats().Delivered == n })
	eventually(t, 10*time.Second, "connections are made with another token", func() bool { return k.seen.Load() > 1 })
	n += publish(t, p, 10, 20, 30)
	eventually(t, patience, "more is delivered", func() bool { return p.Stats().Delivered == n })
	k.down.Store(true)
	eventually(t, 10*time.Second, "the endpoint is missed", func() bool { return k.missed.Load() > 0 })
	n += publish(t, p, 20, 30, 30)
	closeWithin(t, p, patience)
	wantDelivered(t, p, n)
	for name, count := range p.Stats().ProduceErrors {
		if count > 0 {
			t.Errorf("%d attempts failed: %s", count, name)
		}
	}
}

// A token that brokers refuse before its time, since it was revoked, is replaced.
func TestRevokedTokenIsReplaced(t *testing.T) {
	testwait.Long(t)
	t.Parallel()
	k := &tokens{seconds: 3600}
	k.least.Store(2)
	p := k.start(t)
	n := publish(t, p, 0, 10, 30)
	closeWithin(t, p, patience)
	wantDelivered(t, p, n)
	if given := k.given.Load(); given != 2 {
		t.Errorf("%d tokens were asked for, want 2", given)
	}
}

// An endpoint that is down at the start is told with its cure, asked slowly, and
// not missed once it is back.
func TestTokenEndpointIsDown(t *testing.T) {
	testwait.Long(t)
	t.Parallel()
	k := &tokens{seconds: 3600}
	k.down.Store(true)
	p := k.start(t)
	n := publish(t, p, 0, 10, 30)
	eventually(t, 10*time.Second, "the reason is told", func() bool {
		missing := p.Missing()
		return len(missing) == 1 && strings.Contains(missing[0], "/token: status 503 Service Unavailable")
	})
	k.down.Store(false)
	closeWithin(t, p, patience)
	wantDelivered(t, p, n)
}

// A request for a token that ends because the publisher does is no problem.
func TestCloseDuringTokenRequest(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	begun := make(chan struct{})
	cfg := startEndpoint(t, func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) == 1 {
			giveToken(w, "abc", 2)
			return
		}
		io.Copy(io.Discard, r.Body)
		close(begun)
		<-r.Context().Done()
	})
	broker := startBroker(t, 1)
	bearerBroker(broker, only("abc"), closes)
	var log testlog.Book
	p := startPublisher(t, broker.ListenAddrs(), func(c *Config) {
		c.SASL = &auth.SASL{Mechanism: auth.OAuthBearer, OAuth: cfg}
		c.Logger = log.Logger()
	})
	<-begun
	closeWithin(t, p, patience)
	if log.Has("no new OAuth token") {
		t.Errorf("it is warned of:\n%s", log.Text())
	}
}
