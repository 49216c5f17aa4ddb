package publisher

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/flowpub/flowpub/internal/fakeregistry"
	"github.com/flowpub/flowpub/internal/testpage"
	"github.com/flowpub/flowpub/publisher/failure"
	"github.com/flowpub/flowpub/publisher/registry"
)

// docs/values.md has how often a registry is asked, and the least buffer for JSON.
func TestPageOfLimits(t *testing.T) {
	t.Parallel()
	page := testpage.Read(t, "values.md")
	said := page.Section(t, "confluent").Find(t, "The registry is asked again every ([0-9.]+) to ([0-9.]+) s,")
	if got := []string{fmt.Sprint((failure.SlowPause / 2).Seconds()), fmt.Sprint(failure.SlowPause.Seconds())}; !slices.Equal(got, said) {
		t.Errorf("it is asked every %v s, docs/values.md says %v", got, said)
	}
	said = page.Section(t, "json").Find(t, "has to be ([0-9]+ MiB) at least, ([0-9]+ MiB) for each topic")
	for i, topics := range []int{1, 3} {
		c := DefaultConfig()
		c.Brokers, c.Value, c.BufferBytes = []string{"a:9092"}, ValueJSON, 1
		if topics > 1 {
			c.Routes, _ = parseRoutes("192.0.2.1/32=other", "192.0.2.2/32=another")
		}
		least := []string{said[0], strings.Replace(said[1], "4", fmt.Sprint(4*topics), 1)}[i]
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "from "+strings.ReplaceAll(least, " ", "")+" ") {
			t.Errorf("of %d topics: %v, docs/values.md says %s", topics, err, least)
		}
	}
}

// Flows that wait for a schema's id are dropped as buffer_full when the buffer is used up, and
// no other way.
func TestSchemaAwaitedUntilBufferIsFull(t *testing.T) {
	t.Parallel()
	testpage.Read(t, "values.md").Section(t, "confluent").Find(t, "its flows wait in the buffer, .* and are dropped as `buffer_full` when it is used up.")
	address, _ := reserveAddress(t)
	broker := startBroker(t, 1)
	p := startPublisher(t, broker.ListenAddrs(), func(c *Config) {
		c.Value, c.Registry, c.BufferBytes = ValueConfluent, &registry.Config{URL: "http://" + address}, MinBufferBytes
	})
	taken, dropped := uint64(0), uint64(0)
	for seed := uint64(0); dropped == 0; seed++ {
		switch err := p.Publish(testExporter(seed), testReceived(seed), testPacket(seed, 30)); {
		case err == nil:
			taken += 30
		case errors.Is(err, ErrBufferFull):
			dropped += 30
		default:
			t.Fatal(err)
		}
	}
	if s := p.Stats(); s.Buffered+s.Dropped[DropBufferFull] != taken+dropped || s.Dropped[DropBufferFull] == 0 || s.Buffered == 0 || s.Delivered != 0 {
		t.Errorf("of %d flows %d wait, %v are dropped", taken+dropped, s.Buffered, s.Dropped)
	}
}

// Once there is an id the registry is not needed any more, whatever partitions come.
func TestRegistryIsNotNeededAgain(t *testing.T) {
	t.Parallel()
	testpage.Read(t, "values.md").Section(t, "confluent").Find(t, `\*\*Once there is an id\*\* the registry is not needed any more until the next start`)
	r := fakeregistry.Start(t)
	broker := startBroker(t, 1)
	p := startPublisher(t, broker.ListenAddrs(), func(c *Config) {
		c.Value, c.Registry = ValueConfluent, &registry.Config{URL: r.Server.URL}
	})
	eventually(t, 10*time.Second, "the schema is known", func() bool { return len(p.Missing()) == 0 })
	r.Server.Close()
	addPartitions(t, broker, 7)
	n := uint64(0)
	for seed := uint64(0); p.Stats().Partitions < 7; seed += 16 {
		n += publish(t, p, seed, seed+16, 30)
		eventually(t, patience, "flows are delivered", func() bool { return p.Stats().Delivered == n })
	}
	closeWithin(t, p, patience)
	wantDelivered(t, p, n)
	got := consume(t, broker.ListenAddrs(), int(n))
	got.unframe(t, withSchema(1))
}

// Dead letters are datagrams as they came, and flows have the form that is asked for.
func TestDeadLettersInEveryForm(t *testing.T) {
	t.Parallel()
	testpage.Read(t, "values.md").Find(t, `are datagrams as they came, whatever the form`)
	for _, f := range framings {
		t.Run(f.Value.String(), func(t *testing.T) {
			t.Parallel()
			broker := startBroker(t, 1, kfake.SeedTopics(1, testDead))
			p := startPublisher(t, broker.ListenAddrs(), func(c *Config) {
				withDead(c)
				f.configure(t, c)
			})
			p.PublishDeadLetter(testExporter(1), testReceived(1), "version", []byte("\x00\x09 as it came"))
			n := publish(t, p, 0, 16, 30)
			eventually(t, patience, "both are delivered", func() bool {
				return p.Stats().Delivered == n && lettersAre(p, map[DeadLetterOutcome]uint64{DeadLetterDelivered: 1})
			})
			for _, r := range consumeTopic(t, broker.ListenAddrs(), testDead, 1)[0] {
				if string(r.Value) != "\x00\x09 as it came" {
					t.Errorf("the letter is %q", r.Value)
				}
			}
		})
	}
}
