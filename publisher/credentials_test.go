package publisher

import (
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// answerAlways has an embedded broker give answers of ours to a kind of request.
func answerAlways[R kmsg.Request](broker *kfake.Cluster, answer func(R) kmsg.Response) {
	var kind R
	broker.ControlKey(kind.Key(), func(r kmsg.Request) (kmsg.Response, error, bool) {
		broker.KeepControl()
		request, ok := r.(R)
		if !ok {
			return nil, errors.New("another request"), true
		}
		response := answer(request)
		response.SetVersion(r.GetVersion())
		return response, nil, true
	})
}

// Brokers have a text of their own in several kinds of answers. One that repeats
// the password is not shown.
func TestAnswersThatRepeatASecret(t *testing.T) {
	t.Parallel()
	const password = "p&ss/w?rd"
	text := "not as " + password
	broker := startBroker(t, 1, kfake.SeedTopics(1, testDead), kfake.EnableSASL(), kfake.Superuser("PLAIN", "router", password))
	answerAlways(broker, func(request *kmsg.ProduceRequest) kmsg.Response {
		answer := kmsg.NewPtrProduceResponse()
		for _, asked := range request.Topics {
			topic := kmsg.NewProduceResponseTopic()
			topic.Topic = asked.Topic
			for _, part := range asked.Partitions {
				p := kmsg.NewProduceResponseTopicPartition()
				p.Partition, p.ErrorCode, p.ErrorMessage = part.Partition, kerr.TopicAuthorizationFailed.Code, &text
				topic.Partitions = append(topic.Partitions, p)
			}
			answer.Topics = append(answer.Topics, topic)
		}
		return answer
	})
	answerAlways(broker, func(request *kmsg.CreateTopicsRequest) kmsg.Response {
		answer := kmsg.NewPtrCreateTopicsResponse()
		for _, asked := range request.Topics {
			topic := kmsg.NewCreateTopicsResponseTopic()
			topic.Topic, topic.ErrorCode, topic.ErrorMessage = asked.Topic, kerr.PolicyViolation.Code, &text
			answer.Topics = append(answer.Topics, topic)
		}
		return answer
	})
	answerAlways(broker, func(request *kmsg.DescribeConfigsRequest) kmsg.Response {
		answer := kmsg.NewPtrDescribeConfigsResponse()
		for _, asked := range request.Resources {
			resource := kmsg.NewDescribeConfigsResponseResource()
			resource.ResourceType, resource.ResourceName = asked.ResourceType, asked.ResourceName
			resource.ErrorCode, resource.ErrorMessage = kerr.TopicAuthorizationFailed.Code, &text
			answer.Resources = append(answer.Resources, resource)
		}
		return answer
	})
	var log logBuffer
	p := startPublisher(t, broker.ListenAddrs(), func(c *Config) {
		withDead(c)
		c.SASL = &SASLConfig{Mechanism: SASLPlain, Username: "router", Password: password}
		c.Routes = []Route{{Network: netip.MustParsePrefix("198.51.100.0/24"), Topic: "missing"}}
		c.CreateTopic = TopicShape{Partitions: 1, Replicas: 1}
		c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	publish(t, p, 0, 10, 30)
	bury(p, "short", 1)
	for _, message := range []string{
		"Kafka did not take a batch, trying again", "dead letters could not be delivered",
		"the topic is missing and could not be created", "cannot read the topic's settings",
	} {
		eventually(t, 10*time.Second, message, func() bool {
			_, rest, found := strings.Cut(log.text(), message)
			line, _, _ := strings.Cut(rest, "\n")
			return found && strings.Contains(line, hiddenWords)
		})
	}
	if strings.Contains(log.text()+strings.Join(p.Missing(), ""), password) {
		t.Errorf("the password is shown:\n%s", log.text())
	}
}

// What anybody on the way could read is warned of at the start.
func TestSecretsWithoutTLSAreWarnedOf(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		sasl *SASLConfig
		tls  *TLSConfig
		want bool
	}{
		{nil, nil, false},
		{&SASLConfig{Mechanism: SASLPlain}, nil, true},
		{&SASLConfig{Mechanism: SASLOAuthBearer}, nil, true},
		{&SASLConfig{Mechanism: SASLScramSHA256}, nil, false},
		{&SASLConfig{Mechanism: SASLPlain}, new(TLSConfig), false},
	} {
		var log logBuffer
		p := &Publisher{cfg: Config{SASL: test.sasl, TLS: test.tls}, log: log.logger()}
		p.warnOfSecurity()
		if got := log.has("cure=\"set FLOWPUB_KAFKA_TLS=true"); got != test.want {
			t.Errorf("with %v and TLS %v: warned %v, want %v", test.sasl, test.tls, got, test.want)
		}
	}
}
