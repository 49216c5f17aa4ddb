//go:build kafka

package kafka_test

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/flowpub/flowpub/publisher"
)

// A broker appends a batch, its answer is lost, and it dies. Started again, it
// knows the batch from its log, and the repeated one is not appended. Producer
// ids need no transaction coordinator for that.
func TestRestartedBrokerKnowsBatch(t *testing.T) {
	t.Parallel()
	ports := freePorts(t, 4)
	proxy := startProxy(t, "127.0.0.1:"+ports[3], "127.0.0.1:"+ports[2])
	config := filepath.Join(t.TempDir(), "proxied.properties")
	err := os.WriteFile(config, []byte(`
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT
advertised.listeners=PLAINTEXT://127.0.0.1:`+ports[0]+`,PROXIED://127.0.0.1:`+ports[3]+`
`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	c := startOn(t, ports[:2], "KAFKA_LISTENERS=PROXIED://127.0.0.1:"+ports[2], "KAFKA_CONFIG="+config)
	name := c.createTopic(t, "restart", 1)
	tr := newTraffic(50)
	p := startPublisher(t, []string{"127.0.0.1:" + ports[3]}, name, func(cfg *publisher.Config) {
		cfg.RequestTimeout = 2 * time.Second
	})
	tr.publish(t, p, 1, 30)
	eventually(t, 30*time.Second, "the first batch is delivered", func() bool { return p.Stats().Delivered == tr.flows() })

	proxy.mute.Store(true)
	first := tr.flows()
	tr.publish(t, p, 1, 30)
	eventually(t, 30*time.Second, "the broker has the second", func() bool { return uint64(sum(c.ends(t, name))) == tr.flows() })
	eventually(t, 30*time.Second, "its answer is missed", func() bool { return p.Stats().ProduceErrors["timeout"] > 0 })
	c.kill(t, 1)
	if delivered := p.Stats().Delivered; delivered != first {
		t.Fatalf("%d flows count as delivered, want %d", delivered, first)
	}
	proxy.mute.Store(false)
	c.restart(t, 1)
	eventually(t, 60*time.Second, "the second is delivered", func() bool { return p.Stats().Delivered == tr.flows() })
	tr.publish(t, p, 1, 30)
	closeExactly(t, p, tr.flows())

	ends := c.ends(t, name)
	tr.checkFlows(t, readWithFranzGo(t, c, name, ends), 1)
	var ids []int64
	for _, r := range c.records(t, name, ends)[0] {
		ids = append(ids, r.ProducerID)
	}
	if ids = slices.Compact(ids); len(ids) != 1 || ids[0] < 0 {
		t.Errorf("the producer ids are %v, want one for all", ids)
	}
	if topics := c.topics(t); slices.Contains(topics, "__transaction_state") {
		t.Errorf("the topics are %q: a transaction coordinator was asked for", topics)
	}
}

// topics lists the cluster's topics.
func (c *cluster) topics(t *testing.T) []string {
	t.Helper()
	request := kmsg.NewPtrMetadataRequest()
	request.Topics = nil // all
	response, err := request.RequestWith(t.Context(), c.admin)
	if err != nil {
		t.Fatalf("listing topics: %v", err)
	}
	var names []string
	for _, topic := range response.Topics {
		names = append(names, *topic.Topic)
	}
	return names
}

// proxy stands between a broker and its clients. Mute, it passes on what they
// send and keeps the answers to itself.
type proxy struct {
	mute atomic.Bool
}

func startProxy(t *testing.T, address, broker string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp4", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	p := new(proxy)
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(client, broker)
		}
	}()
	return p
}

// serve connects a client to the broker until one of them ends.
func (p *proxy) serve(client net.Conn, address string) {
	defer client.Close()
	broker, err := net.Dial("tcp4", address)
	if err != nil {
		return
	}
	go func() {
		defer broker.Close()
		io.Copy(broker, client)
	}()
	io.Copy(&answers{client, p}, broker)
}

// answers is what goes to a client.
type answers struct {
	client net.Conn
	proxy  *proxy
}

func (a *answers) Write(b []byte) (int, error) {
	if a.proxy.mute.Load() {
		return len(b), nil
	}
	return a.client.Write(b)
}
