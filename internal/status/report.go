package status

import "time"

// Report is everything that the page shows, at one moment. Its JSON is a contract:
// docs/status.md lists the fields, and a test holds the two equal.
type Report struct {
	Version       string        `json:"version"`
	Now           time.Time     `json:"now"`
	Started       time.Time     `json:"started"`
	Ready         bool          `json:"ready"`
	Missing       []string      `json:"missing"`
	Verdict       Verdict       `json:"verdict"`
	Path          Path          `json:"path"`
	History       History       `json:"history"`
	Exporters     Exporters     `json:"exporters"`
	Kafka         Kafka         `json:"kafka"`
	TemplateStore TemplateStore `json:"template_store"`
	ReceiveBuffer ReceiveBuffer `json:"receive_buffer"`
	Settings      []Setting     `json:"settings"`
}

// Level says how bad something is.
type Level string

// The levels, the least first.
const (
	LevelOK   Level = "ok"
	LevelIdle Level = "idle" // nothing has arrived yet
	LevelNote Level = "note" // worth knowing, no flow is in danger
	LevelRisk Level = "risk" // flows will be lost if it lasts
	LevelLoss Level = "loss" // flows are being lost
)

// Verdict is the answer to: is anything lost?
type Verdict struct {
	Level    Level      `json:"level"`
	Text     string     `json:"text"`
	LastLoss *time.Time `json:"last_loss"`
	Problems []Problem  `json:"problems"`
}

// Problem is one thing that is not as it should be.
type Problem struct {
	Level Level      `json:"level"`
	What  string     `json:"what"`
	Why   string     `json:"why"`
	Since *time.Time `json:"since"`
	Count uint64     `json:"count"`
	Cure  string     `json:"cure"`
}

// Count is how often something happened: since the start, and a second lately.
type Count struct {
	Total     uint64  `json:"total"`
	PerSecond float64 `json:"per_second"`
}

// Path is what became of everything on its way from the network to Kafka.
type Path struct {
	Received      Count            `json:"received"`
	KernelDropped Count            `json:"kernel_dropped"`
	Decoded       map[string]Count `json:"decoded"`
	Rejected      map[string]Count `json:"rejected"`

	SetsReceived Count            `json:"sets_received"`
	SetsDecoded  Count            `json:"sets_decoded"`
	SetsDropped  map[string]Count `json:"sets_dropped"`
	SetsWaiting  uint64           `json:"sets_waiting"`

	FlowsDecoded    Count            `json:"flows_decoded"`
	FlowsDelivered  Count            `json:"flows_delivered"`
	FlowsDropped    map[string]Count `json:"flows_dropped"`
	FlowsBuffered   uint64           `json:"flows_buffered"`
	FlowsDuplicated Count            `json:"flows_possibly_duplicated"`

	FlowsMissed   Count `json:"flows_missed"`
	PacketsMissed Count `json:"packets_missed"`
	SamplesMissed Count `json:"samples_missed"`
}

// Exporters are the exporters known.
type Exporters struct {
	Heard   int `json:"heard"`
	Silent  int `json:"silent"`
	Losing  int `json:"losing"`
	Refused int `json:"refused"`
	// Others are those that had to give way to others, and what they had sent.
	Others OtherExporters `json:"others"`
	Total  int            `json:"total"`
	List   []Exporter     `json:"list"`
}

// OtherExporters counts the exporters that are listed no more.
type OtherExporters struct {
	Exporters uint64 `json:"exporters"`
	Flows     uint64 `json:"flows"`
	Missed    uint64 `json:"missed"`
}

// Exporter is what is known of one address.
type Exporter struct {
	Address        string     `json:"address"`
	Name           string     `json:"name"`
	State          string     `json:"state"`
	Formats        []string   `json:"formats"`
	Streams        int        `json:"streams"`
	LastHeard      time.Time  `json:"last_heard"`
	Packets        uint64     `json:"packets"`
	Flows          uint64     `json:"flows"`
	FlowsPerSecond float64    `json:"flows_per_second"`
	FlowsMissed    uint64     `json:"flows_missed"`
	PacketsMissed  uint64     `json:"packets_missed"`
	Restarts       uint64     `json:"restarts"`
	Anomalous      uint64     `json:"anomalous"`
	Anomalies      []string   `json:"anomalies"`
	Sampling       uint32     `json:"sampling"`
	SamplingSource string     `json:"sampling_source"`
	Templates      int        `json:"templates"`
	TemplatesAge   float64    `json:"templates_age"`
	ClockOffset    *float64   `json:"clock_offset"`
	Refused        uint64     `json:"refused"`
	RefusedAs      string     `json:"refused_as"`
	LastRefused    *time.Time `json:"last_refused"`
}

// Kafka is what is known of the cluster, and what waits for it.
type Kafka struct {
	Topics             []Topic     `json:"topics"`
	Brokers            []Broker    `json:"brokers"`
	LastError          *KafkaError `json:"last_error"`
	Compression        string      `json:"compression"`
	CompressionRatio   float64     `json:"compression_ratio"`
	BatchBytes         float64     `json:"batch_bytes"`
	BatchFlows         float64     `json:"batch_flows"`
	Batches            Count       `json:"batches"`
	BytesRaw           Count       `json:"bytes_raw"`
	BytesWire          Count       `json:"bytes_wire"`
	Latency            float64     `json:"latency"`
	LatencyLong        float64     `json:"latency_p99"`
	OldestWaiting      float64     `json:"oldest_waiting"`
	BufferBytes        int64       `json:"buffer_bytes"`
	BufferLimit        int64       `json:"buffer_limit"`
	BufferFullIn       *float64    `json:"buffer_full_in"`
	PartitionsFailing  int         `json:"partitions_failing"`
	Idempotent         bool        `json:"idempotent"`
	SecondsOfThrottles float64     `json:"throttle_seconds"`
}

// Topic is a topic for flow records.
type Topic struct {
	Name       string  `json:"name"`
	Partitions int     `json:"partitions"`
	Leaders    []int32 `json:"leaders"`
	Failing    []int32 `json:"failing"`
	Waiting    uint64  `json:"waiting"`
	Problem    string  `json:"problem"`
}

// Broker is a broker of the cluster.
type Broker struct {
	ID         int32       `json:"id"`
	Address    string      `json:"address"`
	Partitions int         `json:"partitions"`
	Requests   int         `json:"requests"`
	Latency    float64     `json:"latency"`
	LastError  *KafkaError `json:"last_error"`
}

// KafkaError is an error that Kafka, or the way to it, gave.
type KafkaError struct {
	At     time.Time `json:"at"`
	Text   string    `json:"text"`
	Cure   string    `json:"cure"`
	Broker string    `json:"broker"`
}

// TemplateStore is the topic that keeps templates, and what this process has of it.
type TemplateStore struct {
	Topic          string            `json:"topic"`
	State          StoreState        `json:"state"`
	FailingSince   *time.Time        `json:"failing_since"`
	Problem        string            `json:"problem"`
	Cure           string            `json:"cure"`
	Load           float64           `json:"load"`
	RecordsRead    uint64            `json:"records_read"`
	RecordsWritten uint64            `json:"records_written"`
	RecordsRefused uint64            `json:"records_refused"`
	LastWritten    *time.Time        `json:"last_written"`
	Pending        int               `json:"pending"`
	Skipped        map[string]uint64 `json:"skipped"`
	Templates      int64             `json:"templates"`
	Provisional    int64             `json:"provisional"`
	Room           int64             `json:"room"`
}

// StoreState is what a store of templates does.
type StoreState string

// The states.
const (
	StoreOff     StoreState = "off"     // no topic is set
	StoreReading StoreState = "reading" // what the topic had at the start
	StoreInUse   StoreState = "in_use"  // read, followed and written
	StoreFailing StoreState = "failing"
)

// ReceiveBuffer is the sum of all sockets' receive buffers in bytes.
type ReceiveBuffer struct {
	Asked   int `json:"asked"`
	Granted int `json:"granted"`
}

// Setting is a variable of the configuration as it is in force.
type Setting struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Set    bool   `json:"set"`
	Secret bool   `json:"secret"`
}
