package cluster

import (
	"errors"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/flowpub/flowpub/internal/fakebroker"
	"github.com/flowpub/flowpub/publisher/answers"
	"github.com/flowpub/flowpub/publisher/auth"
)

// linked returns a cluster that has a link to a broker.
func linked(t *testing.T, topic, address string) *Cluster {
	t.Helper()
	c := &Cluster{cfg: Config{Topics: []string{topic}, ClientID: "test"}}
	l := newLink(t.Context(), &c.cfg, new(auth.Credentials), new(answers.Checker), address)
	t.Cleanup(l.close)
	c.link.Store(l)
	if _, err := l.ask(t.Context(), c.cfg.Topics); err != nil {
		t.Fatal(err)
	}
	return c
}

// A topic that is made anew has another id, whoever encodes it.
func TestTopicID(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	c := linked(t, testTopic, b.ListenAddrs()[0])
	ask := func() TopicID {
		t.Helper()
		id, err := c.TopicID(t.Context(), testTopic)
		if err != nil {
			t.Fatal(err)
		}
		if want := b.TopicInfo(testTopic).TopicID; id != want || id == (TopicID{}) {
			t.Errorf("the id is %x, want %x", id, want)
		}
		return id
	}
	first := ask()
	if again := ask(); again != first {
		t.Errorf("it has the ids %x and %x", first, again)
	}
	if err := b.DeleteTopic(testTopic); err != nil {
		t.Fatal(err)
	}
	if id, err := c.TopicID(t.Context(), testTopic); !errors.Is(err, kafka.UnknownTopicOrPartition) {
		t.Errorf("without the topic: %x, error %v", id, err)
	}
	if err := b.CreateTopic(testTopic, 1, nil); err != nil {
		t.Fatal(err)
	}
	if second := ask(); second == first {
		t.Errorf("the topic was made anew, and has the id %x still", second)
	}
}

// Brokers that are older tell no ids, and are not asked for them.
func TestTopicIDOfOldBrokers(t *testing.T) {
	t.Parallel()
	b := fakebroker.Start(t, nil, func(b *fakebroker.Broker, r *fakebroker.Request) ([]byte, bool) {
		if kmsg.Key(r.Key) != kmsg.ApiVersions {
			return b.Answer(r), kmsg.Key(r.Key) != kmsg.Metadata || r.Version < identityVersion
		}
		response := kmsg.NewPtrApiVersionsResponse()
		response.Version = r.Version
		for key, newest := range fakebroker.Requests() {
			if key == kmsg.Metadata {
				newest = 9
			}
			response.ApiKeys = append(response.ApiKeys, kmsg.ApiVersionsResponseApiKey{ApiKey: int16(key), MaxVersion: newest})
		}
		return fakebroker.Frame(r.ID, response.AppendTo(nil)), true
	})
	c := linked(t, fakebroker.Topic, b.Address)
	if id, err := c.TopicID(t.Context(), fakebroker.Topic); err != nil || id != (TopicID{}) {
		t.Errorf("the id is %x, error %v", id, err)
	}
}

// An answer is taken whole or not at all.
func TestTopicIDOfParts(t *testing.T) {
	t.Parallel()
	whole := fakebroker.Valid(&fakebroker.Request{Key: int16(kmsg.Metadata), Version: identityVersion}, "127.0.0.1:9092")[4:]
	if id, err := topicIDOf(whole, fakebroker.Topic); err != nil || id != fakebroker.TopicID {
		t.Errorf("the id is %x, error %v", id, err)
	}
	if id, err := topicIDOf(whole, "other"); err == nil {
		t.Errorf("of another topic it is %x", id)
	}
	last := len(whole)
	for n := range whole {
		if id, err := topicIDOf(whole[:n], fakebroker.Topic); err == nil {
			last = min(last, n)
			if id != fakebroker.TopicID {
				t.Errorf("of %d bytes the id is %x", n, id)
			}
		}
	}
	if last == len(whole) {
		t.Error("what is behind the id matters")
	}
	versions := fakebroker.Valid(&fakebroker.Request{Key: int16(kmsg.ApiVersions), Version: versionsVersion}, "")[4:]
	if got := newestOf(versions, protocol.Metadata); got != 10 {
		t.Errorf("the newest version is %d", got)
	}
	for n := range 10 {
		if got := newestOf(versions[:n], protocol.Metadata); got != -1 {
			t.Errorf("of %d bytes the newest version is %d", n, got)
		}
	}
}
