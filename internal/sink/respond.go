package sink

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// errorUnsupportedVersion is Kafka's UNSUPPORTED_VERSION.
const errorUnsupportedVersion = 35

// versions are those of the requests that are served.
var versions = []kmsg.ApiVersionsResponseApiKey{
	{ApiKey: int16(kmsg.Produce), MinVersion: minProduceVersion, MaxVersion: maxProduceVersion},
	{ApiKey: int16(kmsg.Metadata), MaxVersion: 9},
	{ApiKey: int16(kmsg.ApiVersions), MaxVersion: 3},
	{ApiKey: int16(kmsg.CreateTopics), MaxVersion: 5},
	{ApiKey: int16(kmsg.InitProducerID), MaxVersion: 4},
	{ApiKey: int16(kmsg.DescribeConfigs), MaxVersion: 4},
}

// settings are what DescribeConfigs tells of every topic: Kafka's defaults, but
// for min.insync.replicas, about which producers would warn.
var settings = map[string]string{
	"cleanup.policy":      "delete",
	"max.message.bytes":   "1048588",
	"min.insync.replicas": "2",
}

// respond answers a request other than Produce.
func (s *Sink) respond(request kmsg.Request) (kmsg.Response, error) {
	switch r := request.(type) {
	case *kmsg.ApiVersionsRequest:
		return apiVersions(r), nil
	case *kmsg.MetadataRequest:
		return s.metadata(r), nil
	case *kmsg.InitProducerIDRequest:
		return s.initProducerID(r), nil
	case *kmsg.DescribeConfigsRequest:
		return describeConfigs(r), nil
	case *kmsg.CreateTopicsRequest:
		if len(r.Topics) == 0 {
			return r.ResponseKind(), nil
		}
	}
	return nil, fmt.Errorf("sink: %s request: it is not served", kmsg.NameForKey(request.Key()))
}

// initProducerID gives out ids from 1 on.
func (s *Sink) initProducerID(r *kmsg.InitProducerIDRequest) kmsg.Response {
	response := kmsg.NewPtrInitProducerIDResponse()
	response.Version = r.Version
	response.ProducerID = s.producers.Add(1)
	return response
}

// apiVersions answers a version that is not known in version 0, as Kafka does.
func apiVersions(r *kmsg.ApiVersionsRequest) kmsg.Response {
	response := kmsg.NewPtrApiVersionsResponse()
	response.ApiKeys = versions
	if response.Version = r.Version; r.Version > 3 {
		response.Version, response.ErrorCode = 0, errorUnsupportedVersion
	}
	return response
}

// metadata names this broker as the leader of every partition of whatever topics
// are asked for.
func (s *Sink) metadata(r *kmsg.MetadataRequest) kmsg.Response {
	response := kmsg.NewPtrMetadataResponse()
	response.Version = r.Version
	broker := kmsg.NewMetadataResponseBroker()
	broker.NodeID, broker.Host, broker.Port = 1, s.host, s.port
	response.Brokers = append(response.Brokers, broker)
	response.ControllerID = broker.NodeID
	for i := range r.Topics {
		topic := kmsg.NewMetadataResponseTopic()
		topic.Topic = r.Topics[i].Topic
		for n := range s.cfg.Partitions {
			p := kmsg.NewMetadataResponseTopicPartition()
			p.Partition, p.Leader = int32(n), broker.NodeID
			p.Replicas, p.ISR = []int32{1, 2, 3}, []int32{1, 2, 3}
			topic.Partitions = append(topic.Partitions, p)
		}
		response.Topics = append(response.Topics, topic)
	}
	return response
}

func describeConfigs(r *kmsg.DescribeConfigsRequest) kmsg.Response {
	response := kmsg.NewPtrDescribeConfigsResponse()
	response.Version = r.Version
	for _, asked := range r.Resources {
		resource := kmsg.NewDescribeConfigsResponseResource()
		resource.ResourceType, resource.ResourceName = asked.ResourceType, asked.ResourceName
		for _, name := range asked.ConfigNames {
			if value, known := settings[name]; known {
				config := kmsg.NewDescribeConfigsResponseResourceConfig()
				config.Name, config.Value = name, &value
				resource.Configs = append(resource.Configs, config)
			}
		}
		response.Resources = append(response.Resources, resource)
	}
	return response
}
