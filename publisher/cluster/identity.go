package cluster

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/segmentio/kafka-go/protocol"

	"github.com/flowpub/flowpub/publisher/failure"
)

// TopicID tells apart topics of one name that were made one after the other.
type TopicID [16]byte

// identityVersion is the version of the request for metadata that tells of topics' ids, which the client does
// not know: Kafka 2.8 and later take it. versionsVersion is that of the request for what a broker takes.
const (
	identityVersion = 10
	versionsVersion = 2
)

// Bounds of answers, which have been checked.
const (
	mostMetadata = 4 << 20
	mostVersions = 16 << 10
)

// TopicID returns the id of a topic; zero if the brokers have none for topics.
func (c *Cluster) TopicID(ctx context.Context, topic string) (TopicID, error) {
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	response, err := c.Do(ctx, &identityRequest{c.cfg.ClientID, topic})
	if err != nil {
		return TopicID{}, err
	}
	answer, ok := response.(*identityAnswer)
	if !ok {
		return TopicID{}, fmt.Errorf("the answer is a %T", response)
	}
	return answer.id, nil
}

// identityRequest is one for metadata that writes itself and reads its answer, once the broker has
// said that it takes it.
type identityRequest struct{ clientID, topic string }

// ApiKey is part of protocol.Message.
func (*identityRequest) ApiKey() protocol.ApiKey { return protocol.Metadata } //nolint:revive // the client's name

// Required is part of protocol.RawExchanger.
func (*identityRequest) Required(map[protocol.ApiKey]int16) bool { return true }

// RawExchange is part of protocol.RawExchanger.
func (r *identityRequest) RawExchange(conn io.ReadWriter) (protocol.Message, error) {
	b, err := exchangeBytes(conn, frameOf(protocol.ApiVersions, versionsVersion, r.clientID, nil), mostVersions)
	if err != nil {
		return nil, err
	}
	if newestOf(b, protocol.Metadata) < identityVersion {
		return &identityAnswer{}, nil
	}
	if b, err = exchangeBytes(conn, frameOf(protocol.Metadata, identityVersion, r.clientID, r.body()), mostMetadata); err != nil {
		return nil, err
	}
	id, err := topicIDOf(b, r.topic)
	return &identityAnswer{id}, err
}

// body is the request without its head, as Kafka's protocol guide has it.
func (r *identityRequest) body() []byte {
	b := []byte{0, 1 + 1}              // no tagged fields, one topic
	b = append(b, make([]byte, 16)...) // by its name, not its id
	b = binary.AppendUvarint(b, uint64(len(r.topic)+1))
	b = append(append(b, r.topic...), 0) // no tagged fields
	return append(b, 0, 0, 0, 0)         // create nothing, tell of no permissions, twice; no tagged fields
}

// identityAnswer is the answer to it.
type identityAnswer struct{ id TopicID }

// ApiKey is part of protocol.Message.
func (*identityAnswer) ApiKey() protocol.ApiKey { return protocol.Metadata } //nolint:revive // the client's name

// newestOf returns the newest version of a request that a broker takes, by its answer without its size; -1: none.
func newestOf(b []byte, key protocol.ApiKey) int16 {
	c := cursor{b: b}
	c.take(4 + 2) // number of the request, error
	for range c.uint(4) {
		one := protocol.ApiKey(c.uint(2))
		c.take(2) // oldest version
		newest := int16(c.uint(2))
		if c.short {
			break
		}
		if one == key {
			return newest
		}
	}
	return -1
}

// topicIDOf returns the id of the topic from an answer without its size.
func topicIDOf(b []byte, topic string) (id TopicID, err error) {
	c := cursor{b: b}
	c.take(4) // number of the request
	c.tags()
	c.take(4) // throttle time
	for range c.length() {
		c.take(4) // id
		c.compact()
		c.take(4) // port
		c.compact()
		if c.tags(); c.short {
			break
		}
	}
	c.compact()          // cluster
	c.take(4)            // controller
	if c.length() != 1 { // topic
		return id, errUnmentioned
	}
	code := int16(c.uint(2))
	name := c.compact()
	copy(id[:], c.take(len(id)))
	switch {
	case c.short:
		return TopicID{}, io.ErrUnexpectedEOF
	case string(name) != topic:
		return TopicID{}, errUnmentioned
	case code != 0:
		return TopicID{}, failure.Code(code, "")
	}
	return id, nil
}

// length reads how many elements follow.
func (c *cursor) length() int { return max(c.varint()-1, 0) }

// compact reads a text behind its variable length.
func (c *cursor) compact() []byte { return c.take(c.length()) }

// frameOf is a request, with its size before it.
func frameOf(key protocol.ApiKey, version int16, clientID string, body []byte) []byte {
	b := make([]byte, 4, 64+len(clientID)+len(body))
	b = binary.BigEndian.AppendUint16(b, uint16(key))
	b = binary.BigEndian.AppendUint16(b, uint16(version))
	b = binary.BigEndian.AppendUint32(b, 0) // number of the request: there is one at a time
	b = append(binary.BigEndian.AppendUint16(b, uint16(len(clientID))), clientID...)
	b = append(b, body...)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

// exchangeBytes sends a request and returns the answer without its size, which may have so many bytes.
func exchangeBytes(conn io.ReadWriter, request []byte, most uint32) ([]byte, error) {
	if _, err := conn.Write(request); err != nil {
		return nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > most {
		return nil, fmt.Errorf("the answer has %d bytes", n)
	}
	b := make([]byte, n)
	_, err := io.ReadFull(conn, b)
	return b, err
}
