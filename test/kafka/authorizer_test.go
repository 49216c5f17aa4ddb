//go:build kafka

package kafka_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/flowpub/flowpub/publisher"
)

const (
	guest         = "guest"
	guestPassword = "let-me-in"
)

// A user who may not create a topic, nor see another, is told so; each begins to
// flow once that is mended, and what may flow meanwhile does.
func TestPermissions(t *testing.T) {
	t.Parallel()
	c, address := startAuthorizing(t)
	wanted, hidden := newName("wanted"), c.createTopic(t, "hidden", 1)
	open := c.createTopic(t, "open", 1)
	c.permit(t, open, kmsg.ACLOperationDescribe, kmsg.ACLOperationWrite)
	c.permit(t, wanted, kmsg.ACLOperationDescribe, kmsg.ACLOperationWrite)
	p := startPublisher(t, []string{address}, open, func(cfg *publisher.Config) {
		cfg.SASL = &publisher.SASLConfig{Mechanism: publisher.SASLPlain, Username: guest, Password: guestPassword}
		cfg.Routes = append(routesOf(40, wanted), routesOf(41, hidden)...)
		cfg.CreateTopic = publisher.TopicShape{Partitions: 2, Replicas: 1}
	})
	flowing, creating, seeing := newTraffic(39), newTraffic(40), newTraffic(41)
	for _, tr := range []traffic{creating, seeing, flowing} {
		tr.publish(t, p, 10, 30)
	}
	eventually(t, 30*time.Second, "what is permitted flows", func() bool { return p.Stats().Delivered == flowing.flows() })
	eventually(t, 30*time.Second, "both refusals are told", func() bool {
		missing := p.Missing()
		return len(missing) == 2 && strings.Contains(missing[0], `creating topic "`+wanted+`": [29] Topic Authorization Failed`) &&
			strings.Contains(missing[1], `topic "`+hidden+`": [29] Topic Authorization Failed`)
	})
	c.permit(t, hidden, kmsg.ACLOperationDescribe, kmsg.ACLOperationWrite)
	c.permit(t, wanted, kmsg.ACLOperationCreate)
	awaitReady(t, p)
	closeExactly(t, p, flowing.flows()+creating.flows()+seeing.flows())
	if partitions := len(c.partitions(t, wanted)); partitions != 2 {
		t.Errorf("the topic has %d partitions, want 2", partitions)
	}
	creating.checkFlows(t, readWithFranzGo(t, c, wanted, c.ends(t, wanted)), 1)
	seeing.checkFlows(t, readWithFranzGo(t, c, hidden, c.ends(t, hidden)), 1)
}

// routesOf sends the exporters of newTraffic(network) to a topic.
func routesOf(network byte, topic string) []publisher.Route {
	return []publisher.Route{
		{Network: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, network}), 16), Topic: topic},
		{Network: netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 4: network}), 40), Topic: topic},
	}
}

// startAuthorizing starts a broker that lets guest do, at the address, only what
// it is permitted.
func startAuthorizing(t *testing.T) (c *cluster, address string) {
	t.Helper()
	config := filepath.Join(t.TempDir(), "authorizer.properties")
	err := os.WriteFile(config, []byte(`
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_`+guest+`="`+guestPassword+`";
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	ports := freePorts(t, 3)
	address = "127.0.0.1:" + ports[2]
	return startOn(t, ports[:2], "KAFKA_LISTENERS=SASL_PLAINTEXT://"+address, "KAFKA_CONFIG="+config), address
}

// permit lets guest do something with a topic.
func (c *cluster) permit(t *testing.T, topic string, operations ...kmsg.ACLOperation) {
	t.Helper()
	request := kmsg.NewPtrCreateACLsRequest()
	for _, operation := range operations {
		rule := kmsg.NewCreateACLsRequestCreation()
		rule.ResourceType, rule.ResourceName = kmsg.ACLResourceTypeTopic, topic
		rule.ResourcePatternType = kmsg.ACLResourcePatternTypeLiteral
		rule.Principal, rule.Host = "User:"+guest, "*"
		rule.Operation, rule.PermissionType = operation, kmsg.ACLPermissionTypeAllow
		request.Creations = append(request.Creations, rule)
	}
	response, err := request.RequestWith(t.Context(), c.admin)
	if err == nil {
		for _, r := range response.Results {
			if err == nil {
				err = kerr.ErrorForCode(r.ErrorCode)
			}
		}
	}
	if err != nil {
		t.Fatalf("permitting %v on topic %s: %v", operations, topic, err)
	}
}
