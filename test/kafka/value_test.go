//go:build kafka

package kafka_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/proto"

	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
	"github.com/flowpub/flowpub/publisher"
	"github.com/flowpub/flowpub/publisher/registry"
)

// values are the forms of a value other than the default, as consumers read them.
var values = map[publisher.Value]func([]byte) (*flowv1.FlowRecord, error){
	publisher.ValueProtobufDelimited: readDelimited,
	publisher.ValueConfluent:         readConfluent,
	publisher.ValueJSON:              readJSON,
}

// Every consumer reads every form of values, and the header that tells it, with a codec and
// as the encoder writes LZ4: what had to wait for its topic, and what had not.
func (c *cluster) values(t *testing.T) {
	t.Parallel()
	for form, read := range values {
		t.Run(form.String(), func(t *testing.T) {
			t.Parallel()
			name := newName(form.String())
			trs := []traffic{newTraffic(15), newTraffic(16)}
			var publishers []*publisher.Publisher
			for i, codec := range []publisher.Compression{publisher.CompressionZstdFast, publisher.CompressionLZ4Fast} {
				p := startPublisher(t, c.brokers, name, func(cfg *publisher.Config) {
					cfg.Value, cfg.ValueHeader, cfg.Compression = form, "flowpub", codec
					if form == publisher.ValueConfluent {
						cfg.Registry = &registry.Config{URL: startRegistry(t, name)}
					}
				})
				trs[i].publish(t, p, 5, 30)
				publishers = append(publishers, p)
			}
			c.createNamed(t, name, 2)
			for i, p := range publishers {
				awaitReady(t, p)
				trs[i].publish(t, p, 5, 30)
				closeExactly(t, p, trs[i].flows())
			}
			both := slices.Concat(trs...)
			ends := c.ends(t, name)
			for _, consumer := range consumers() {
				t.Run(consumer.name, func(t *testing.T) {
					got := consumer.read(t, c, name, ends)
					takeHeaders(t, got, []header{{"flowpub", form.String() + "; flow.v1.FlowRecord"}})
					unframe(t, got, read)
					both.checkFlows(t, got, 1)
					checkTimes(t, got)
				})
			}
		})
	}
}

// takeHeaders takes the headers out of all messages. It fails the test unless they are these.
func takeHeaders(t *testing.T, got topic, want []header) {
	t.Helper()
	for p, messages := range got {
		for i, m := range messages {
			if !slices.Equal(m.headers, want) {
				t.Fatalf("partition %d, message %d: headers are %v, want %v", p, i, m.headers, want)
			}
			messages[i].headers = nil
		}
	}
}

// unframe puts the encoded record in the place of each value.
func unframe(t *testing.T, got topic, read func([]byte) (*flowv1.FlowRecord, error)) {
	t.Helper()
	for _, messages := range got {
		for i := range messages {
			m, err := read(messages[i].value)
			if err == nil {
				messages[i].value, err = proto.Marshal(m)
			}
			if err != nil {
				t.Fatalf("%v in %x", err, messages[i].value)
			}
		}
	}
}

func readDelimited(value []byte) (*flowv1.FlowRecord, error) {
	m, r := new(flowv1.FlowRecord), bytes.NewReader(value)
	err := protodelim.UnmarshalFrom(r, m)
	if err == nil && r.Len() > 0 {
		err = fmt.Errorf("%d bytes follow the message", r.Len())
	}
	return m, err
}

// schemaID is what startRegistry gives.
const schemaID = 100_001

// startRegistry starts a schema registry that knows the subject of a topic, and
// returns its URL.
func startRegistry(t *testing.T, topic string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asked struct{ SchemaType, Schema string }
		err := json.NewDecoder(r.Body).Decode(&asked)
		if err != nil || r.URL.Path != "/subjects/"+topic+"-value/versions" || asked.SchemaType != "PROTOBUF" || asked.Schema != flowv1.Schema {
			t.Errorf("%s is asked for, as %+v, %v", r.URL, asked, err)
		}
		fmt.Fprintf(w, `{"id":%d}`, schemaID)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// readConfluent reads a 0, the id, the index 0 of the message type, the message.
func readConfluent(value []byte) (*flowv1.FlowRecord, error) {
	m := new(flowv1.FlowRecord)
	message, ok := bytes.CutPrefix(value, []byte{0, schemaID >> 24, schemaID >> 16, schemaID >> 8 & 0xff, schemaID & 0xff, 0})
	if !ok {
		return nil, errors.New("it does not begin with the schema's id")
	}
	return m, proto.Unmarshal(message, m)
}

// readJSON reads what checkFlows looks at.
func readJSON(value []byte) (*flowv1.FlowRecord, error) {
	var r struct {
		Format, SamplingSource                               string
		ExporterAddress, AgentAddress                        netip.Addr
		SourceAddress, DestinationAddress                    netip.Addr
		ExporterPort, SourcePort, DestinationPort, Protocol  uint32
		ObservationDomainID, FlowSequence, RecordIndex       uint32
		SamplingInterval, TemplateID, VLANID, SampleSequence uint32
		Packets, Octets, ReversePackets                      uint64
		ApplicationID                                        []byte
		BGPASPath                                            []uint32
		ReceiveTime                                          time.Time
	}
	err := json.Unmarshal(value, &r)
	return &flowv1.FlowRecord{
		Format:          flowv1.ExportFormat(flowv1.ExportFormat_value[r.Format]),
		ExporterAddress: r.ExporterAddress.AsSlice(), SourceAddress: r.SourceAddress.AsSlice(), DestinationAddress: r.DestinationAddress.AsSlice(),
		ExporterPort: r.ExporterPort, SourcePort: r.SourcePort, DestinationPort: r.DestinationPort, Protocol: r.Protocol,
		FlowSequence: r.FlowSequence, RecordIndex: r.RecordIndex, Packets: r.Packets, Octets: r.Octets,
		AgentAddress: r.AgentAddress.AsSlice(), ObservationDomainId: r.ObservationDomainID,
		SamplingInterval: r.SamplingInterval, SamplingSource: flowv1.SamplingSource(flowv1.SamplingSource_value[r.SamplingSource]),
		TemplateId: r.TemplateID, VlanId: r.VLANID, ReversePackets: r.ReversePackets, ApplicationId: r.ApplicationID,
		SampleSequence: r.SampleSequence, BgpAsPath: r.BGPASPath,
		ReceiveTimeNs: uint64(r.ReceiveTime.UnixNano()),
	}, err
}
