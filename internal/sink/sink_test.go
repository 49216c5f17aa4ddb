package sink_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/internal/sink"
	"github.com/flowpub/flowpub/publisher"
)

func start(t *testing.T, cfg sink.Config) *sink.Sink {
	t.Helper()
	s, err := sink.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestClientOfOthers produces with franz-go, which checks what it is told.
func TestClientOfOthers(t *testing.T) {
	t.Parallel()
	for name, codec := range map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "zstd": kgo.ZstdCompression()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, sink.Config{Partitions: 3})
			client, err := kgo.NewClient(kgo.SeedBrokers(s.Addr()), kgo.DefaultProduceTopic("flows"),
				kgo.ProducerBatchCompression(codec), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			partitions := make(map[int32]bool)
			for range 300 {
				record, err := client.ProduceSync(t.Context(), kgo.StringRecord("a flow")).First()
				if err != nil {
					t.Fatal(err)
				}
				partitions[record.Partition] = true
			}
			if got := s.Stats(); got.Records != 300 || got.Batches != 300 || got.Requests != 300 || len(partitions) != 3 {
				t.Errorf("counted %+v in %d partitions, want 300 of each in 3", got, len(partitions))
			}
		})
	}
}

func TestPublisher(t *testing.T) {
	t.Parallel()
	s := start(t, sink.Config{Partitions: 16})
	cfg := publisher.DefaultConfig()
	cfg.Brokers, cfg.Topic = []string{s.Addr()}, "flows"
	p, err := publisher.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	pkt := &decoder.ExportPacket{Records: make([]decoder.Record, 30)}
	for i := range 1000 {
		from := net.UDPAddr{IP: net.IPv4(192, 0, 2, byte(i)), Port: 2055}
		if err := p.Publish(from.AddrPort(), decoder.UnixNano(time.Now().UnixNano()), pkt); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := p.Close(ctx); err != nil {
		t.Fatal(err)
	}
	got, stats := s.Stats(), p.Stats()
	if got.Records != 30_000 || got.Batches != stats.Batches || got.Bytes != stats.BytesWire {
		t.Errorf("counted %+v, the publisher 30000 records, %d batches, %d bytes", got, stats.Batches, stats.BytesWire)
	}
	if !stats.Idempotent {
		t.Error("the publisher got no producer id")
	}
	for kind, stands := range stats.TopicWarnings {
		if stands {
			t.Errorf("the publisher warns of %s", kind)
		}
	}
}

// batch is a record batch that announces some records and carries none.
func batch(records uint32, size int) []byte {
	b := make([]byte, size)
	binary.BigEndian.PutUint32(b[8:], uint32(size-12))
	b[16] = 2
	binary.BigEndian.PutUint32(b[57:], records)
	return b
}

// produceRequest is a request with record sets for partitions 5, 6 and so on.
func produceRequest(version, acks int16, sets ...[]byte) *kmsg.ProduceRequest {
	r := kmsg.NewPtrProduceRequest()
	r.Version, r.Acks = version, acks
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic = "flows"
	for i, records := range sets {
		p := kmsg.NewProduceRequestTopicPartition()
		p.Partition, p.Records = int32(5+i), records
		topic.Partitions = append(topic.Partitions, p)
	}
	r.Topics = append(r.Topics, topic)
	return r
}

func dial(t *testing.T, s *sink.Sink) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

func send(t *testing.T, c net.Conn, b []byte) {
	t.Helper()
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
}

// answer reads a response: its correlation id, and what follows.
func answer(t *testing.T, c net.Conn) (correlation uint32, body []byte) {
	t.Helper()
	var size [4]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(c, b); err != nil {
		t.Fatal(err)
	}
	return binary.BigEndian.Uint32(b), b[4:]
}

func TestProduce(t *testing.T) {
	t.Parallel()
	for version := int16(3); version <= 8; version++ {
		s := start(t, sink.Config{Partitions: 8})
		c := dial(t, s)
		formatter := kmsg.NewRequestFormatter(kmsg.FormatterClientID("test"))
		two := append(batch(7, 100), batch(8, 61)...)
		send(t, c, formatter.AppendRequest(nil, produceRequest(version, 0, batch(1, 70)), 41))
		send(t, c, formatter.AppendRequest(nil, produceRequest(version, -1, batch(30, 500_000), nil, two), 42))
		correlation, body := answer(t, c) // acks=0 gets none
		response := kmsg.NewPtrProduceResponse()
		response.Version = version
		if err := response.ReadFrom(body); err != nil {
			t.Fatal(err)
		}
		if correlation != 42 || len(response.Topics) != 1 || len(response.Topics[0].Partitions) != 3 {
			t.Fatalf("version %d: answer %d is %+v", version, correlation, response)
		}
		for i, p := range response.Topics[0].Partitions {
			if p.Partition != int32(5+i) || p.ErrorCode != 0 {
				t.Errorf("version %d: partition %d got error %d", version, p.Partition, p.ErrorCode)
			}
		}
		want := sink.Stats{Requests: 2, Batches: 4, Records: 46, Bytes: 70 + 500_000 + 100 + 61}
		if got := s.Stats(); got != want {
			t.Errorf("version %d: counted %+v, want %+v", version, got, want)
		}
	}
}

func TestDelay(t *testing.T) {
	t.Parallel()
	const delay = 50 * time.Millisecond
	s := start(t, sink.Config{Partitions: 1, Delay: delay})
	c := dial(t, s)
	began := time.Now()
	send(t, c, kmsg.NewRequestFormatter().AppendRequest(nil, produceRequest(8, 1, batch(1, 61)), 1))
	answer(t, c)
	if took := time.Since(began); took < delay {
		t.Errorf("the answer came after %v, want %v", took, delay)
	}
}

// TestMalformedRequests: the connection is cut, and nothing is counted.
func TestMalformedRequests(t *testing.T) {
	t.Parallel()
	formatter := kmsg.NewRequestFormatter()
	old := batch(1, 61)
	old[16] = 1
	long := batch(1, 61)
	binary.BigEndian.PutUint32(long[8:], 1000)
	short := formatter.AppendRequest(nil, produceRequest(8, 1, batch(1, 61)), 1)
	binary.BigEndian.PutUint32(short, uint32(len(short)-4-1))
	more := formatter.AppendRequest(nil, produceRequest(8, 1, batch(1, 61)), 1)
	binary.BigEndian.PutUint32(more, uint32(len(more)-4+1))
	many := formatter.AppendRequest(nil, produceRequest(8, 1), 1)
	binary.BigEndian.PutUint32(many[len(many)-4:], 1<<30)
	tests := []struct {
		name    string
		request []byte
		counted uint64 // batches that came before the mistake
	}{
		{"old records", formatter.AppendRequest(nil, produceRequest(8, 1, old), 1), 0},
		{"batch longer than its set", formatter.AppendRequest(nil, produceRequest(8, 1, long), 1), 0},
		{"request shorter than its content", short, 0},
		{"request longer than its content", append(more, 0), 1},
		{"more partitions than bytes", many, 0},
		{"new version", formatter.AppendRequest(nil, produceRequest(9, 1, batch(1, 61)), 1), 0},
		{"not served", formatter.AppendRequest(nil, kmsg.NewPtrFetchRequest(), 1), 0},
		{"no request at all", []byte("GET / HTTP/1.1\r\n\r\n"), 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, sink.Config{Partitions: 1})
			c := dial(t, s)
			send(t, c, tt.request)
			if b, err := io.ReadAll(c); len(b) > 0 {
				t.Errorf("answered %x, error %v", b, err)
			}
			if got := s.Stats(); got.Requests != 0 || got.Batches != tt.counted {
				t.Errorf("counted %+v", got)
			}
		})
	}
}

func TestUnknownApiVersionsIsAnsweredInVersion0(t *testing.T) {
	t.Parallel()
	c := dial(t, start(t, sink.Config{Partitions: 1}))
	request := kmsg.NewPtrApiVersionsRequest()
	request.Version = 3
	b := kmsg.NewRequestFormatter().AppendRequest(nil, request, 9)
	binary.BigEndian.PutUint16(b[6:], 99)
	send(t, c, b)
	correlation, body := answer(t, c)
	response := kmsg.NewPtrApiVersionsResponse()
	if err := response.ReadFrom(body); err != nil {
		t.Fatal(err)
	}
	const unsupportedVersion = 35
	if correlation != 9 || response.ErrorCode != unsupportedVersion || len(response.ApiKeys) == 0 {
		t.Errorf("answer %d is %+v", correlation, response)
	}
}

func TestStartRefuses(t *testing.T) {
	t.Parallel()
	used := start(t, sink.Config{Partitions: 1})
	for name, cfg := range map[string]sink.Config{
		"no partitions":  {},
		"no port":        {Partitions: 1, Address: "127.0.0.1"},
		"address in use": {Partitions: 1, Address: used.Addr()},
	} {
		if s, err := sink.Start(cfg); err == nil {
			t.Errorf("%s: started on %s", name, s.Addr())
		}
	}
}
