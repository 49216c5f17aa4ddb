// Package fakebroker is a Kafka broker for tests that answers what it is told to: a
// valid answer to each request that flowpub makes, which the test may change byte by
// byte, or leave out.
package fakebroker

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Topic is the topic that the broker has, with one partition.
const Topic = "flows"

// TopicID is its id.
var TopicID = [16]byte{0: 1, 15: 16}

// Request is what the broker was asked.
type Request struct {
	Key, Version int16
	ID           int32 // its number on the connection
	Body         []byte
}

// Broker is a running one.
type Broker struct {
	// Address is where it listens.
	Address string

	listener net.Listener
	answer   func(b *Broker, r *Request) (frame []byte, more bool)
	serving  sync.WaitGroup
	mu       sync.Mutex
	conns    map[net.Conn]struct{}
	ended    bool
}

// Start runs a broker, with TLS if conf is not nil, until the test ends. answer returns
// what it sends for each request, with its size before it, and whether it takes more on
// that connection; nil sends what Answer returns.
func Start(tb testing.TB, conf *tls.Config, answer func(b *Broker, r *Request) (frame []byte, more bool)) *Broker {
	tb.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0") //nolint:noctx // it is there at once
	if err != nil {
		tb.Fatal(err)
	}
	b := &Broker{Address: listener.Addr().String(), listener: listener, answer: answer, conns: make(map[net.Conn]struct{})}
	if conf != nil {
		b.listener = tls.NewListener(listener, conf)
	}
	if answer == nil {
		b.answer = func(b *Broker, r *Request) ([]byte, bool) { return b.Answer(r), true }
	}
	b.serving.Go(b.accept)
	tb.Cleanup(b.close)
	return b
}

func (b *Broker) close() {
	_ = b.listener.Close()
	b.mu.Lock()
	b.ended = true
	b.mu.Unlock()
	b.Hangup()
	b.serving.Wait()
}

// Hangup ends all connections.
func (b *Broker) Hangup() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for conn := range b.conns {
		_ = conn.Close()
	}
}

func (b *Broker) accept() {
	for {
		conn, err := b.listener.Accept()
		if err != nil {
			return
		}
		b.mu.Lock()
		if b.ended {
			_ = conn.Close()
		} else {
			b.conns[conn] = struct{}{}
			b.serving.Go(func() { b.serve(conn) })
		}
		b.mu.Unlock()
	}
}

func (b *Broker) serve(conn net.Conn) {
	defer func() {
		_ = conn.Close()
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.conns, conn)
	}()
	for {
		r, err := read(conn)
		if err != nil {
			return
		}
		frame, more := b.answer(b, r)
		if _, err := conn.Write(frame); err != nil || !more {
			return
		}
	}
}

// mostRequest bounds what is taken for a request.
const mostRequest = 16 << 20

func read(conn net.Conn) (*Request, error) {
	var size [4]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n < 8 || n > mostRequest {
		return nil, io.ErrUnexpectedEOF
	}
	all := make([]byte, n)
	if _, err := io.ReadFull(conn, all); err != nil {
		return nil, err
	}
	return &Request{
		Key:     int16(binary.BigEndian.Uint16(all)),
		Version: int16(binary.BigEndian.Uint16(all[2:])),
		ID:      int32(binary.BigEndian.Uint32(all[4:])),
		Body:    all[8:],
	}, nil
}

// Answer returns the valid answer to a request, with its size before it.
func (b *Broker) Answer(r *Request) []byte { return Valid(r, b.Address) }

// Frame puts the size and the number before the rest of an answer.
func Frame(id int32, rest []byte) []byte {
	frame := binary.BigEndian.AppendUint32(nil, uint32(4+len(rest)))
	frame = binary.BigEndian.AppendUint32(frame, uint32(id))
	return append(frame, rest...)
}

// Valid returns the valid answer of a broker at an address.
func Valid(r *Request, address string) []byte {
	response := respond(r, address)
	response.SetVersion(r.Version)
	var rest []byte
	if response.IsFlexible() && r.Key != int16(kmsg.ApiVersions) {
		rest = []byte{0} // no tagged fields in the header
	}
	return Frame(r.ID, response.AppendTo(rest))
}

// versions are the newest that the broker takes of each request.
var versions = map[kmsg.Key]int16{
	kmsg.Produce: 8, kmsg.Metadata: 10, kmsg.SASLHandshake: 1, kmsg.ApiVersions: 2, kmsg.CreateTopics: 5,
	kmsg.Fetch: 10, kmsg.ListOffsets: 5, kmsg.InitProducerID: 4, kmsg.DescribeConfigs: 3, kmsg.SASLAuthenticate: 1,
	kmsg.DescribeQuorum: 1,
}

// Requests lists those that the broker takes, by key, with their newest version.
func Requests() map[kmsg.Key]int16 { return versions }

func respond(r *Request, address string) kmsg.Response {
	switch kmsg.Key(r.Key) {
	case kmsg.Produce:
		return produced()
	case kmsg.Fetch:
		return fetched()
	case kmsg.ListOffsets:
		return offsets()
	case kmsg.Metadata:
		return described(address)
	case kmsg.SASLHandshake:
		response := kmsg.NewPtrSASLHandshakeResponse()
		response.SupportedMechanisms = []string{"PLAIN", "SCRAM-SHA-512"}
		return response
	case kmsg.ApiVersions:
		response := kmsg.NewPtrApiVersionsResponse()
		for key, newest := range versions {
			response.ApiKeys = append(response.ApiKeys, kmsg.ApiVersionsResponseApiKey{ApiKey: int16(key), MaxVersion: newest})
		}
		return response
	case kmsg.CreateTopics:
		response := kmsg.NewPtrCreateTopicsResponse()
		setting := kmsg.NewCreateTopicsResponseTopicConfig()
		setting.Name, setting.Value = "cleanup.policy", new("delete")
		topic := kmsg.NewCreateTopicsResponseTopic()
		topic.Topic, topic.Configs = Topic, append(topic.Configs, setting)
		response.Topics = append(response.Topics, topic)
		return response
	case kmsg.InitProducerID:
		response := kmsg.NewPtrInitProducerIDResponse()
		response.ProducerID = 7
		return response
	case kmsg.DescribeConfigs:
		return settings()
	case kmsg.DescribeQuorum:
		return quorum()
	case kmsg.SASLAuthenticate:
		return kmsg.NewPtrSASLAuthenticateResponse()
	default:
		return kmsg.NewPtrApiVersionsResponse()
	}
}

func produced() kmsg.Response {
	response := kmsg.NewPtrProduceResponse()
	topic := kmsg.NewProduceResponseTopic()
	topic.Topic = Topic
	topic.Partitions = append(topic.Partitions, kmsg.NewProduceResponseTopicPartition())
	response.Topics = append(response.Topics, topic)
	return response
}

func fetched() kmsg.Response {
	response := kmsg.NewPtrFetchResponse()
	partition := kmsg.NewFetchResponseTopicPartition()
	partition.LogStartOffset, partition.HighWatermark, partition.RecordBatches = 2, 5, []byte("batches")
	partition.AbortedTransactions = append(partition.AbortedTransactions, kmsg.NewFetchResponseTopicPartitionAbortedTransaction())
	topic := kmsg.NewFetchResponseTopic()
	topic.Topic, topic.Partitions = Topic, append(topic.Partitions, partition)
	response.Topics = append(response.Topics, topic)
	return response
}

func offsets() kmsg.Response {
	response := kmsg.NewPtrListOffsetsResponse()
	partition := kmsg.NewListOffsetsResponseTopicPartition()
	partition.Offset = 5
	topic := kmsg.NewListOffsetsResponseTopic()
	topic.Topic, topic.Partitions = Topic, append(topic.Partitions, partition)
	response.Topics = append(response.Topics, topic)
	return response
}

func described(address string) kmsg.Response {
	response := kmsg.NewPtrMetadataResponse()
	host, port, _ := net.SplitHostPort(address)
	number, _ := strconv.ParseUint(port, 10, 16)
	broker := kmsg.NewMetadataResponseBroker()
	broker.NodeID, broker.Host, broker.Port = 1, host, int32(number)
	response.Brokers = append(response.Brokers, broker)
	response.ClusterID, response.ControllerID = new("test"), 1
	partition := kmsg.NewMetadataResponseTopicPartition()
	partition.Leader, partition.Replicas, partition.ISR = 1, []int32{1}, []int32{1}
	topic := kmsg.NewMetadataResponseTopic()
	topic.Topic, topic.TopicID, topic.Partitions = new(Topic), TopicID, append(topic.Partitions, partition)
	response.Topics = append(response.Topics, topic)
	return response
}

func settings() kmsg.Response {
	response := kmsg.NewPtrDescribeConfigsResponse()
	resource := kmsg.NewDescribeConfigsResponseResource()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeTopic, Topic
	for name, value := range map[string]string{"cleanup.policy": "delete", "min.insync.replicas": "1", "max.message.bytes": "1048588"} {
		setting := kmsg.NewDescribeConfigsResponseResourceConfig()
		setting.Name, setting.Value = name, new(value)
		synonym := kmsg.NewDescribeConfigsResponseResourceConfigConfigSynonym()
		synonym.Name, synonym.Value = name, new(value)
		setting.ConfigSynonyms = append(setting.ConfigSynonyms, synonym)
		resource.Configs = append(resource.Configs, setting)
	}
	response.Resources = append(response.Resources, resource)
	return response
}

// quorum is what a broker tells of the controllers: that it is the only one.
func quorum() kmsg.Response {
	response := kmsg.NewPtrDescribeQuorumResponse()
	replica := kmsg.NewDescribeQuorumResponseTopicPartitionReplicaState()
	replica.ReplicaID, replica.LogEndOffset = 1, 100
	replica.LastFetchTimestamp = time.Now().UnixMilli()
	replica.LastCaughtUpTimestamp = replica.LastFetchTimestamp
	partition := kmsg.NewDescribeQuorumResponseTopicPartition()
	partition.LeaderID, partition.LeaderEpoch, partition.HighWatermark = 1, 1, 99
	partition.CurrentVoters = append(partition.CurrentVoters, replica)
	topic := kmsg.NewDescribeQuorumResponseTopic()
	topic.Topic, topic.Partitions = "__cluster_metadata", append(topic.Partitions, partition)
	response.Topics = append(response.Topics, topic)
	return response
}
