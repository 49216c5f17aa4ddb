package cluster

import (
	"testing"
	"time"

	"github.com/flowpub/flowpub/internal/fakebroker"
	"github.com/flowpub/flowpub/publisher/answers"
	"github.com/flowpub/flowpub/publisher/auth"
)

// A broker's answer is read for what it says, whoever encoded it, and one about another partition is none.
func TestFetch(t *testing.T) {
	t.Parallel()
	b := fakebroker.Start(t, nil, nil)
	c := &Cluster{cfg: Config{Topics: []string{fakebroker.Topic}}}
	l := newLink(t.Context(), &c.cfg, new(auth.Credentials), new(answers.Checker), b.Address)
	defer l.close()
	c.link.Store(l)
	if _, err := l.ask(t.Context(), c.cfg.Topics); err != nil {
		t.Fatal(err)
	}
	log, err := c.Fetch(t.Context(), fakebroker.Topic, 0, 3, 10*time.Millisecond)
	if err != nil || log.End != 5 || string(log.Batches) != "batches" {
		t.Errorf("fetched %+v, error %v", log, err)
	}
	if start, err := c.Start(t.Context(), fakebroker.Topic, 0); err != nil || start != 5 {
		t.Errorf("it starts at %d, error %v", start, err)
	}
	whole := fakebroker.Valid(&fakebroker.Request{Key: 1, Version: fetchVersion}, b.Address)[4:]
	if log, err := (&fetchAnswer{whole}).log("other", 0); err == nil {
		t.Errorf("an answer about another topic is taken: %+v", log)
	}
	for n := range whole {
		if log, err := (&fetchAnswer{whole[:n]}).log(fakebroker.Topic, 0); err == nil {
			t.Errorf("%d of %d bytes are taken: %+v", n, len(whole), log)
		}
	}
}
