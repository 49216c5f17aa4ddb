package page

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/flowpub/flowpub/internal/status"
)

// Settings that a collector may have.
func settings() []status.Setting {
	return []status.Setting{
		{Name: "FLOWPUB_LISTEN", Value: ":2055", Set: false},
		{Name: "FLOWPUB_EXPORTERS_FILE", Value: "/etc/flowpub/exporters", Set: true},
		{Name: "FLOWPUB_RECEIVE_BUFFER", Value: "64MiB", Set: true},
		{Name: "FLOWPUB_KAFKA_BROKERS", Value: "kafka-1.example.net:9092,kafka-2.example.net:9092,kafka-3.example.net:9092", Set: true},
		{Name: "FLOWPUB_KAFKA_TOPIC", Value: "flows", Set: false},
		{Name: "FLOWPUB_KAFKA_SASL_MECHANISM", Value: "scram-sha-512", Set: true},
		{Name: "FLOWPUB_KAFKA_SASL_PASSWORD", Value: "(hidden)", Set: true, Secret: true},
	}
}

// counted is a count.
func counted(total uint64, perSecond float64) status.Count {
	return status.Count{Total: total, PerSecond: perSecond}
}

// Quiet is the report of a collector that has just started.
func Quiet(now time.Time) *status.Report {
	zero := map[string]status.Count{}
	return &status.Report{
		Version: "v1.0.0", Now: now, Started: now.Add(-20 * time.Second), Ready: true, Missing: []string{},
		Verdict:       status.Verdict{Level: status.LevelIdle, Text: "Nothing has arrived yet", Problems: []status.Problem{}},
		Path:          status.Path{Decoded: zero, Rejected: zero, SetsDropped: zero, FlowsDropped: zero},
		History:       (&status.Ring{}).History(),
		Exporters:     status.Exporters{List: []status.Exporter{}},
		Kafka:         kafka(now),
		TemplateStore: status.TemplateStore{State: status.StoreOff, Skipped: map[string]uint64{}, Room: 49_152},
		ReceiveBuffer: status.ReceiveBuffer{Asked: 64 << 20, Granted: 64 << 20},
		Settings:      settings(),
	}
}

func kafka(now time.Time) status.Kafka {
	k := status.Kafka{
		Compression: "zstd", BufferLimit: 256 << 20, Idempotent: true,
		Topics: []status.Topic{{Name: "flows", Partitions: 12, Leaders: []int32{1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3}, Failing: []int32{}}},
	}
	for id := range int32(3) {
		k.Brokers = append(k.Brokers, status.Broker{ID: id + 1, Address: fmt.Sprintf("kafka-%d.example.net:9092", id+1), Partitions: 4, Latency: 0.004 + 0.001*float64(id)})
	}
	k.Brokers[1].LastError = &status.KafkaError{
		At: now.Add(-3 * time.Hour), Text: "the broker is not the leader of the partition any more", Broker: "kafka-2.example.net:9092",
		Cure: "none: the new leader is asked for",
	}
	k.LastError = k.Brokers[1].LastError
	return k
}

// names of devices that somebody may have.
var names = []string{"core-1", "core-2", "edge-fra-1", "edge-fra-2", "edge-ams-1", "edge-ams-2", "peering-decix", "dc-leaf-07", "dc-leaf-08", "fw-office", "", ""}

// exporters makes up n of them, always the same.
func exporters(n int, now time.Time) []status.Exporter {
	random := rand.New(rand.NewPCG(1, 2))
	formats := []string{"netflow_v9", "ipfix", "netflow_v5", "sflow"}
	sources := []string{"sampler", "record", "header", "sflow_sample"}
	list := []status.Exporter{}
	for i := range n {
		kind := random.IntN(len(formats))
		e := status.Exporter{
			Address: fmt.Sprintf("198.51.%d.%d", 100+i/250%100, 1+i%250), State: "heard", Formats: []string{formats[kind]}, Streams: 1 + random.IntN(3),
			LastHeard: now.Add(-time.Duration(random.IntN(4000)) * time.Millisecond), Anomalies: []string{},
			FlowsPerSecond: math.Round(9000*math.Pow(random.Float64(), 3)*10) / 10, Sampling: 1000, SamplingSource: sources[kind],
		}
		e.Flows = uint64(e.FlowsPerSecond * 86000)
		e.Packets = e.Flows / 24
		if n < 1000 {
			e.Name = names[i%len(names)]
		} else if i%3 > 0 {
			e.Name = fmt.Sprintf("leaf-%04d", i)
		}
		if kind < 2 {
			e.Templates, e.TemplatesAge = 2+random.IntN(9), float64(random.IntN(60))
		}
		if kind < 3 {
			offset := math.Round(random.Float64()*800) / 1000
			e.ClockOffset = &offset
		}
		list = append(list, e)
	}
	return list
}

// Busy is the report of a collector under usual load, with n exporters.
func Busy(now time.Time, n int) *status.Report {
	r := Quiet(now)
	r.Started = now.Add(-26 * time.Hour)
	r.Verdict = status.Verdict{Level: status.LevelOK, Text: "Nothing is being lost", Problems: []status.Problem{}}
	r.Exporters = status.Exporters{Heard: n, Total: n, List: exporters(n, now)}
	if n >= 12 {
		odd(r, now)
	}
	var flows float64
	for i := range r.Exporters.List {
		flows += r.Exporters.List[i].FlowsPerSecond
	}
	packets := flows / 24
	r.Path = status.Path{
		Received: counted(uint64(packets*93600), packets),
		Decoded: map[string]status.Count{
			"netflow_v9": counted(uint64(packets*.45*93600), packets*.45), "ipfix": counted(uint64(packets*.3*93600), packets*.3),
			"netflow_v5": counted(uint64(packets*.15*93600), packets*.15), "sflow": counted(uint64(packets*.1*93600), packets*.1),
		},
		Rejected:     map[string]status.Count{"version": counted(1204, 0), "short": counted(0, 0), "not_allowed": counted(88, .2), "no_records": counted(0, 0)},
		SetsReceived: counted(uint64(packets*80000), packets*.9), SetsDecoded: counted(uint64(packets*80000), packets*.9),
		SetsDropped:  map[string]status.Count{"no_template": {}, "malformed": {}, "limit": {}},
		FlowsDecoded: counted(uint64(flows*93600), flows), FlowsDelivered: counted(uint64(flows*93600), flows*1.002),
		FlowsDropped: map[string]status.Count{"buffer_full": {}, "refused": {}, "shutdown": {}, "too_large": {}, "unconfirmed": {}}, FlowsBuffered: uint64(flows * .12),
	}
	written := now.Add(-4 * time.Minute)
	r.TemplateStore = status.TemplateStore{
		Topic: "flowpub-templates", State: status.StoreInUse, Load: .412, RecordsRead: 3_204, RecordsWritten: 96, LastWritten: &written,
		Skipped: map[string]uint64{"garbage": 0, "limit": 0, "newer": 0, "old": 118, "orphan": 0}, Templates: 2_214, Provisional: 31, Room: 49_152,
	}
	k := &r.Kafka
	k.Latency, k.LatencyLong, k.OldestWaiting = .0047, .01, .118
	k.Batches, k.BatchFlows, k.BatchBytes = counted(4_100_000, flows/6200), 6200, 182_000
	k.BytesRaw, k.BytesWire, k.CompressionRatio = counted(1<<42, flows*118), counted(1<<40, flows*29), 4.1
	k.BufferBytes, k.Topics[0].Waiting = 9<<20, r.Path.FlowsBuffered
	r.History = history(now, flows)
	return r
}

// odd makes some exporters peculiar.
func odd(r *status.Report, now time.Time) {
	list := r.Exporters.List
	wrong := 187.4
	list[3].ClockOffset, list[3].Formats, list[3].SamplingSource = &wrong, []string{"netflow_v9"}, "sampler"
	list[5].Anomalous, list[5].Anomalies = 212, []string{"start_after_end", "time_far_from_export"}
	list[7].State, list[7].LastHeard, list[7].FlowsPerSecond = "silent", now.Add(-37*time.Minute), 0
	list[9].Sampling, list[9].SamplingSource = 512, "file"
	at := now.Add(-2 * time.Minute)
	list[10] = status.Exporter{
		Address: "203.0.113.77", State: "refused", Formats: []string{}, Anomalies: []string{}, LastHeard: at, LastRefused: &at, Refused: 1204, RefusedAs: "netflow_v8",
	}
	r.Exporters.Heard, r.Exporters.Silent, r.Exporters.Refused = len(list)-2, 1, 1
	r.Verdict.Problems = append(r.Verdict.Problems, status.Problem{
		Level: status.LevelNote, What: "1 exporter is silent", Why: "nothing for 5 minutes after having sent regularly",
		Cure: "see whether the devices run, and whether they send elsewhere now",
	})
}

// history makes up 15 minutes around a number of flows.
func history(now time.Time, flows float64) status.History {
	var ring status.Ring
	random := rand.New(rand.NewPCG(3, 4))
	for i := range 180 {
		f := flows * (.93 + .06*math.Sin(float64(i)/23) + .02*random.Float64())
		ring.Add(now.Add(time.Duration(i-179)*status.HistoryEvery), &status.Point{
			Received: f / 24, FlowsDecoded: f, FlowsDelivered: f * (.995 + .01*random.Float64()), FlowsBuffered: uint64(f * .12),
			BufferBytes: int64(9e6 + 1e6*random.Float64()), Latency: .0042 + .001*random.Float64(),
		})
	}
	return ring.History()
}

// Away is the report of a collector whose Kafka is away: nothing is lost yet.
func Away(now time.Time) *status.Report {
	r := Busy(now, 12)
	since := now.Add(-95 * time.Second)
	full := 64.0
	e := &status.KafkaError{
		At: now.Add(-2 * time.Second), Text: "no connection to 192.0.2.11:9092: connection refused", Broker: "kafka-1.example.net:9092",
		Cure: "nothing listens there: start the broker, or correct FLOWPUB_KAFKA_BROKERS or its advertised.listeners",
	}
	r.Verdict = status.Verdict{Level: status.LevelRisk, Text: "Nothing is being lost yet", Problems: []status.Problem{{
		Level: status.LevelRisk, What: "Kafka takes no flows: they wait in the buffer", Why: e.Text, Since: &since, Count: 2_410_000, Cure: e.Cure,
	}}}
	s := &r.TemplateStore
	s.State, s.FailingSince, s.Problem, s.Cure, s.Pending = status.StoreFailing, &since, e.Text, e.Cure, 14
	r.Verdict.Problems = append(r.Verdict.Problems, status.Problem{
		Level: status.LevelRisk, What: "The topic for templates cannot be read", Why: e.Text + "; flows of exporters that move here are lost until they repeat their templates",
		Since: &since, Count: 14, Cure: e.Cure,
	})
	r.Path.FlowsDelivered.PerSecond, r.Path.FlowsBuffered = 0, 2_410_000
	r.Kafka.LastError, r.Kafka.BufferFullIn, r.Kafka.OldestWaiting, r.Kafka.BufferBytes = e, &full, 95.2, 152<<20
	r.Kafka.Latency, r.Kafka.Batches.PerSecond, r.Kafka.PartitionsFailing = 0, 0, 12
	r.Kafka.Topics[0].Failing, r.Kafka.Topics[0].Waiting = []int32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, 2_410_000
	for i := range 19 {
		at := len(r.History.FlowsDelivered) - 1 - i
		r.History.FlowsDelivered[at], r.History.Latency[at] = 0, 0
		r.History.BufferBytes[at] = int64(152<<20 - i*8_000_000)
	}
	return r
}

// Losing is the report of a collector that loses flows in two ways.
func Losing(now time.Time) *status.Report {
	r := Busy(now, 12)
	since, at := now.Add(-41*time.Second), now.Add(-time.Second)
	r.Verdict = status.Verdict{Level: status.LevelLoss, Text: "Flows are being lost", LastLoss: &at, Problems: []status.Problem{
		{
			Level: status.LevelLoss, What: "The kernel drops datagrams", Why: "a receive buffer is full: flowpub does not read fast enough, or the buffer is too small for bursts",
			Since: &since, Count: 18_211, Cure: "give flowpub more CPU, or raise net.core.rmem_max and FLOWPUB_RECEIVE_BUFFER",
		},
		{
			Level: status.LevelLoss, What: "Flows do not arrive", Why: "exporters sent them, and nobody received them here, by the gaps in their sequences",
			Since: &since, Count: 437_064, Cure: "see the exporters that lose below; if the kernel here drops nothing, look at the network on the way from them",
		},
	}}
	r.Path.KernelDropped, r.Path.FlowsMissed = counted(18_211, 440), counted(437_064, 10_560)
	list := r.Exporters.List
	list[0].State, list[0].FlowsMissed, list[1].State, list[1].FlowsMissed = "losing", 301_004, "losing", 136_060
	r.Exporters.Losing = 2
	for i := range 9 {
		at := len(r.History.Missed) - 1 - i
		r.History.Missed[at], r.History.KernelDropped[at] = 10_000+700*float64(i%3), 430
	}
	return r
}

// Hostile is a report in which every text that somebody else may choose is markup
// with a script.
func Hostile(now time.Time) *status.Report {
	const script = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>"'&{{`
	r := Losing(now)
	for i := range r.Exporters.List {
		e := &r.Exporters.List[i]
		e.Name, e.Address, e.SamplingSource, e.RefusedAs, e.Refused = script, script, script, script, 1
		e.Formats, e.Anomalies, e.Anomalous = []string{script}, []string{script}, 3
	}
	for i := range r.Verdict.Problems {
		p := &r.Verdict.Problems[i]
		p.What, p.Why, p.Cure = script, script, script
	}
	fault := &status.KafkaError{At: now, Text: script, Cure: script, Broker: script}
	r.Version, r.Verdict.Text, r.Kafka.LastError, r.Kafka.Compression = script, script, fault, script
	r.Kafka.Topics[0].Name, r.Kafka.Topics[0].Problem = script, script
	r.Kafka.Brokers[0].Address, r.Kafka.Brokers[0].LastError = script, fault
	r.Path.Decoded[script], r.Path.FlowsDropped[script] = counted(5, 1), counted(5, 1)
	s := &r.TemplateStore
	s.Topic, s.State, s.FailingSince, s.Problem, s.Cure, s.Skipped[script] = script, status.StoreFailing, &now, script, script, 1
	r.Settings[1].Name, r.Settings[1].Value = script, script
	return r
}
