//go:build kafka

package kafka_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/flowpub/flowpub/internal/testwait"
	"github.com/flowpub/flowpub/publisher"
	"github.com/flowpub/flowpub/publisher/auth"
	kafkacluster "github.com/flowpub/flowpub/publisher/cluster"
)

// asGuest authenticates as somebody who needs permission.
func asGuest(name, secret string) *auth.SASL {
	return &auth.SASL{Mechanism: auth.Plain, Username: name, Password: secret}
}

// A user who may not write is told so, with the topic and the broker. Once that is
// mended everything flows, and with the permission comes the one for idempotence.
func (s *secured) noWritePermission(t *testing.T) {
	t.Parallel()
	name := s.createTopic(t, "forbidden", 3)
	s.permit(t, reader, name, kmsg.ACLOperationDescribe)
	tr := newTraffic(74)
	var log *logbook
	p := startPublisher(t, []string{s.addresses["GUEST"]}, name, func(cfg *publisher.Config) {
		log = logTo(t, cfg)
		cfg.SASL = asGuest(reader, readerPassword)
	})
	tr.publish(t, p, 100, 30)
	line := log.await(t, "Kafka did not take a batch, trying again", "[29] Topic Authorization Failed")
	if line.Topic != name || fmt.Sprint(line.Broker) != "1" || line.Address != s.addresses["GUEST"] || line.Cure != "give this user WRITE and DESCRIBE on the topic" {
		t.Errorf("logged %+v, want topic %s, broker 1 at %s and a cure", line, name, s.addresses["GUEST"])
	}
	wantFound(t, checkConfig([]string{s.addresses["GUEST"]}, name, func(cfg *publisher.Config) { cfg.SASL = asGuest(reader, readerPassword) }),
		"permission to write to topic "+name+": this user does not have it (give this user WRITE and DESCRIBE on the topic)")
	before := p.Stats().ProduceErrors["authorization"]
	pass(t, 6*time.Second)
	if tries := p.Stats().ProduceErrors["authorization"] - before; tries > 9 {
		t.Errorf("%d attempts with 3 partitions in 6 s, want three each at most", tries)
	}
	if p.Stats().Idempotent {
		t.Error("it is called idempotent without a producer id")
	}
	s.permit(t, reader, name, kmsg.ACLOperationWrite)
	testwait.Until(t, 30*time.Second, "all is delivered", func() bool { return p.Stats().Delivered == tr.flows() })
	testwait.Until(t, 30*time.Second, "a producer id is given", func() bool { return p.Stats().Idempotent })
	waited := tr.flows()
	tr.publish(t, p, 10, 30)
	s.account(t, p, name, tr, terms{})
	var recognised uint64
	s.each(t, name, s.ends(t, name), func(r *kgo.Record) {
		if r.ProducerID >= 0 {
			recognised++
		}
	})
	if recognised < tr.flows()-waited {
		t.Errorf("%d flows have a producer id, want at least the last %d", recognised, tr.flows()-waited)
	}
}

// A user who may not create a topic, nor see another, is told so; each begins to
// flow once that is mended, and what may flow meanwhile does.
func (s *secured) noCreatePermission(t *testing.T) {
	t.Parallel()
	wanted, hidden := newName("wanted"), s.createTopic(t, "hidden", 1)
	open := s.createTopic(t, "open", 1)
	s.permit(t, guest, open, kmsg.ACLOperationDescribe, kmsg.ACLOperationWrite)
	s.permit(t, guest, wanted, kmsg.ACLOperationDescribe, kmsg.ACLOperationWrite)
	change := func(cfg *publisher.Config) {
		cfg.SASL = asGuest(guest, guestPassword)
		cfg.Routes = append(routesOf(40, wanted), routesOf(41, hidden)...)
		cfg.CreateTopic = kafkacluster.TopicShape{Partitions: 2, Replicas: 1}
	}
	wantFound(t, checkConfig([]string{s.addresses["GUEST"]}, open, change),
		"topic "+wanted+": it does not exist and cannot be created: [29] Topic Authorization Failed",
		"topic "+hidden+": [29] Topic Authorization Failed")
	p := startPublisher(t, []string{s.addresses["GUEST"]}, open, change)
	flowing, creating, seeing := newTraffic(39), newTraffic(40), newTraffic(41)
	for _, tr := range []traffic{creating, seeing, flowing} {
		tr.publish(t, p, 10, 30)
	}
	testwait.Until(t, 30*time.Second, "what is permitted flows", func() bool { return p.Stats().Delivered == flowing.flows() })
	testwait.Until(t, 30*time.Second, "both refusals are told", func() bool {
		missing := p.Missing()
		return len(missing) == 2 && strings.Contains(missing[0], `creating topic "`+wanted+`": [29] Topic Authorization Failed`) &&
			strings.Contains(missing[1], `topic "`+hidden+`": [29] Topic Authorization Failed`)
	})
	s.permit(t, guest, hidden, kmsg.ACLOperationDescribe, kmsg.ACLOperationWrite)
	s.permit(t, guest, wanted, kmsg.ACLOperationCreate)
	awaitReady(t, p)
	closeExactly(t, p, flowing.flows()+creating.flows()+seeing.flows())
	if partitions := len(s.partitions(t, wanted)); partitions != 2 {
		t.Errorf("the topic has %d partitions, want 2", partitions)
	}
	creating.checkFlows(t, readWithFranzGo(t, s.cluster, wanted, s.ends(t, wanted)), 1)
	seeing.checkFlows(t, readWithFranzGo(t, s.cluster, hidden, s.ends(t, hidden)), 1)
}

// routesOf sends the exporters of newTraffic(network) to a topic.
func routesOf(network byte, topic string) []publisher.Route {
	return []publisher.Route{
		{Network: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, network}), 16), Topic: topic},
		{Network: netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 4: network}), 40), Topic: topic},
	}
}

// permit lets a user do something with a topic.
func (s *secured) permit(t *testing.T, name, topic string, operations ...kmsg.ACLOperation) {
	t.Helper()
	request := kmsg.NewPtrCreateACLsRequest()
	for _, operation := range operations {
		rule := kmsg.NewCreateACLsRequestCreation()
		rule.ResourceType, rule.ResourceName = kmsg.ACLResourceTypeTopic, topic
		rule.ResourcePatternType = kmsg.ACLResourcePatternTypeLiteral
		rule.Principal, rule.Host = "User:"+name, "*"
		rule.Operation, rule.PermissionType = operation, kmsg.ACLPermissionTypeAllow
		request.Creations = append(request.Creations, rule)
	}
	response, err := request.RequestWith(t.Context(), s.admin)
	if err == nil {
		for _, r := range response.Results {
			if err == nil {
				err = kerr.ErrorForCode(r.ErrorCode)
			}
		}
	}
	if err != nil {
		t.Fatalf("permitting %s %v on topic %s: %v", name, operations, topic, err)
	}
}
