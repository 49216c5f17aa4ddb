package cluster

import (
	"context"
	"errors"
	"math"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/metadata"

	"github.com/flowpub/flowpub/publisher/failure"
)

// operations are what a user may do with a topic, as brokers since 2.3 tell it: a bit
// for each operation by its number (KIP-430).
type operations int32

// The operations that matter here.
const (
	mayRead  operations = 1 << 3
	mayWrite operations = 1 << 4
	// notTold is what brokers without permissions of their own say.
	notTold operations = math.MinInt32
)

// told reports whether a broker says what the user may do. Whoever sees a topic may do
// something with it.
func (o operations) told() bool { return o != 0 && o != notTold }

// permissionRequest is one for metadata that the client cannot answer from memory: it
// believes that it is sent to several brokers.
type permissionRequest struct{ metadata.Request }

// permissionResponse is the answer to it.
type permissionResponse struct{ *metadata.Response }

// Split is part of protocol.Splitter.
func (r *permissionRequest) Split(protocol.Cluster) ([]protocol.Message, protocol.Merger, error) {
	return []protocol.Message{&r.Request}, r, nil
}

// Merge is part of protocol.Merger.
func (*permissionRequest) Merge(_ []protocol.Message, results []any) (protocol.Message, error) {
	switch result := results[0].(type) {
	case error:
		return nil, result
	case *metadata.Response:
		return &permissionResponse{result}, nil
	}
	return nil, errors.New("the answer is no metadata")
}

// operations asks what this user may do with topics, by name.
func (l *link) operations(ctx context.Context, topics []string) (map[string]operations, error) {
	request := &permissionRequest{metadata.Request{TopicNames: topics, IncludeTopicAuthorizedOperations: true}}
	answer, err := exchange[*permissionResponse](ctx, l, request)
	if err != nil {
		return nil, err
	}
	all := make(map[string]operations, len(topics))
	for _, t := range answer.Topics {
		all[t.Name] = operations(t.TopicAuthorizedOperations)
	}
	return all, nil
}

// permissions checks whether this user has those that existing topics need.
func (i *inspection) permissions(ctx context.Context, needed ...operations) {
	names := i.cfg.allTopics()
	all, err := i.link.operations(ctx, names)
	for n, name := range names {
		if i.top.topics[n].err != nil {
			continue
		}
		for _, one := range needed {
			i.permission(name, one, all[name], err)
		}
	}
}

// permission checks whether this user has one of them, by what a broker granted; err is why that
// is not known.
func (i *inspection) permission(topic string, needed, granted operations, err error) {
	what, cure := "permission to write to topic "+topic, failure.Of(kafka.TopicAuthorizationFailed).Cure
	if needed == mayRead {
		what, cure = "permission to read topic "+topic, "give this user READ on the topic"
	}
	switch {
	case err != nil:
		i.tell.Unknown(what, failure.Sentence(err), failure.Of(err).Cure)
	case !granted.told():
		i.tell.Unknown(what, "brokers do not say whether this user has it", "")
	case granted&needed == 0:
		i.tell.Broken(what, "this user does not have it", cure)
	default:
		i.tell.OK(what, "this user has it")
	}
}
