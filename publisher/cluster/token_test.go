package cluster

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowpub/flowpub/internal/testca"
	"github.com/flowpub/flowpub/internal/testwait"
	"github.com/flowpub/flowpub/publisher/auth"
)

// Whoever asked for a token, connections are to be made anew with it, once.
func TestConnectionsFollowTheToken(t *testing.T) {
	testwait.Long(t)
	t.Parallel()
	var given atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":"token-%d","token_type":"Bearer","expires_in":2}`, given.Add(1))
	}))
	t.Cleanup(server.Close)
	cfg := Config{Log: slog.New(slog.DiscardHandler), Auth: auth.Config{SASL: &auth.SASL{Mechanism: auth.OAuthBearer, OAuth: auth.OAuth{
		TokenURL: server.URL, ClientID: "flowpub", ClientSecretFile: testca.File(t, "secret", []byte("hunter2-hunter2")),
	}}}}
	c, err := New(t.Context(), &cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(follow bool) {
		t.Helper()
		if err := c.tokens.Ask(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.lost = false
		if got := c.followToken(); got != follow || c.lost != follow {
			t.Errorf("after token %d: followed %v, want %v", given.Load(), got, follow)
		}
	}
	ask(false) // that of the first link
	testwait.Until(t, 10*time.Second, "the next is due", c.tokens.Due)
	ask(true)
	if c.followToken() {
		t.Error("the same token is followed again")
	}
}
