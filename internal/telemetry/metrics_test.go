package telemetry

import (
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// sample has another number for each field, so that none can be taken for
// another.
func sample() Snapshot {
	return Snapshot{
		DatagramsReceived:       106,
		DatagramsDecoded:        map[string]uint64{"netflow_v5": 93, "ipfix": 7},
		DatagramsRejected:       map[string]uint64{"not_allowed": 1, "short": 2, "version": 3, "no_records": 0},
		Samples:                 map[string]uint64{"flow": 31, "malformed": 0},
		SamplesMissed:           32,
		SamplesAgentDropped:     33,
		DatagramsForeign:        map[string]uint64{"ipfix": 4, "sflow": 0},
		DatagramsKernelDropped:  5,
		DataSetsReceived:        60,
		DataSetsDecoded:         40,
		DataSetsDropped:         map[string]uint64{"no_template": 17, "limit": 0},
		DataSetsWaiting:         3,
		OptionsRecords:          25,
		Templates:               map[string]int64{"wire": 26, "store": 0},
		TemplateChanges:         27,
		TemplatesRefused:        map[string]uint64{"invalid": 28},
		TemplatesRemoved:        map[string]uint64{"expired": 29},
		TemplateWithdrawals:     30,
		SamplingsRefused:        43,
		TemplateMismatches:      31,
		TemplateContradictions:  32,
		StoreRecords:            map[string]uint64{"read": 33, "refused": 133, "written": 34},
		StoreSkipped:            map[string]uint64{"garbage": 35, "old": 0},
		StorePending:            36,
		StoreFailing:            map[string]bool{"read": true, "write": false},
		StoreLoadSeconds:        1.5,
		FlowsDecoded:            3000,
		FlowsDelivered:          2980,
		FlowsDropped:            map[string]uint64{"buffer_full": 7, "shutdown": 0},
		FlowsBuffered:           13,
		FlowsPossiblyDuplicated: 8,
		BufferBytes:             65536,
		BufferLimitBytes:        268435456,
		BufferEnoughBytes:       17825792,
		FlowsMissed:             9,
		ExportPacketsMissed:     map[string]uint64{"netflow_v9": 25, "sflow": 0},
		ExporterRestarts:        10,
		PacketsAnomalous:        map[string]uint64{"count_above_30": 11, "trailing_bytes": 0},
		Exporters:               20,
		ExportersLosing:         21,
		ExportersUnsequenced:    22,
		ExportersClockSkewed:    23,
		ExportersSilent:         24,
		ByExporter: []ExporterNumbers{{
			Address: "192.0.2.1", Name: "core-1", Packets: 37, Flows: 38, FlowsMissed: 39, PacketsMissed: 40, LastHeard: 1767225600.5, Sampling: 1000,
		}},
		ProduceSeconds:       Histogram{Bounds: []float64{0.01, 0.1}, Counts: []uint64{3, 2, 1}, Sum: 1.25},
		ProduceErrors:        map[string]uint64{"timeout": 12, "dns": 0},
		KafkaBatches:         14,
		KafkaBytesRaw:        4000,
		KafkaBytesWire:       1000,
		PartitionsFailing:    17,
		TopicWarnings:        map[string]bool{"compaction": true, "one_replica": false},
		DeadLetters:          map[string]uint64{"delivered": 15, "failed": 0},
		SchemasMissing:       2,
		Idempotent:           true,
		ThrottleSeconds:      2.5,
		ReceiveBufferAsked:   33554432,
		ReceiveBufferGranted: 8388608,
		LogLinesDropped:      16,
		Ready:                true,
		Version:              "v1.2.3",
	}
}

// exposition is what Prometheus must read of sample, help texts left out. The
// names, types and labels are promised to users.
const exposition = `# TYPE flowpub_buffer_bytes gauge
flowpub_buffer_bytes 65536
# TYPE flowpub_buffer_enough_bytes gauge
flowpub_buffer_enough_bytes 1.7825792e+07
# TYPE flowpub_buffer_limit_bytes gauge
flowpub_buffer_limit_bytes 2.68435456e+08
# TYPE flowpub_build_info gauge
flowpub_build_info{version="v1.2.3"} 1
# TYPE flowpub_data_sets_decoded_total counter
flowpub_data_sets_decoded_total 40
# TYPE flowpub_data_sets_dropped_total counter
flowpub_data_sets_dropped_total{reason="limit"} 0
flowpub_data_sets_dropped_total{reason="no_template"} 17
# TYPE flowpub_data_sets_received_total counter
flowpub_data_sets_received_total 60
# TYPE flowpub_data_sets_waiting gauge
flowpub_data_sets_waiting 3
# TYPE flowpub_datagrams_decoded_total counter
flowpub_datagrams_decoded_total{format="ipfix"} 7
flowpub_datagrams_decoded_total{format="netflow_v5"} 93
# TYPE flowpub_datagrams_foreign_total counter
flowpub_datagrams_foreign_total{protocol="ipfix"} 4
flowpub_datagrams_foreign_total{protocol="sflow"} 0
# TYPE flowpub_datagrams_kernel_dropped_total counter
flowpub_datagrams_kernel_dropped_total 5
# TYPE flowpub_datagrams_received_total counter
flowpub_datagrams_received_total 106
# TYPE flowpub_datagrams_rejected_total counter
flowpub_datagrams_rejected_total{reason="no_records"} 0
flowpub_datagrams_rejected_total{reason="not_allowed"} 1
flowpub_datagrams_rejected_total{reason="short"} 2
flowpub_datagrams_rejected_total{reason="version"} 3
# TYPE flowpub_dead_letters_total counter
flowpub_dead_letters_total{outcome="delivered"} 15
flowpub_dead_letters_total{outcome="failed"} 0
# TYPE flowpub_export_packets_missed_total counter
flowpub_export_packets_missed_total{format="netflow_v9"} 25
flowpub_export_packets_missed_total{format="sflow"} 0
# TYPE flowpub_exporter_flows_missed_total counter
flowpub_exporter_flows_missed_total{exporter="192.0.2.1",exporter_name="core-1"} 39
# TYPE flowpub_exporter_flows_total counter
flowpub_exporter_flows_total{exporter="192.0.2.1",exporter_name="core-1"} 38
# TYPE flowpub_exporter_last_heard_timestamp_seconds gauge
flowpub_exporter_last_heard_timestamp_seconds{exporter="192.0.2.1",exporter_name="core-1"} 1.7672256005e+09
# TYPE flowpub_exporter_packets_missed_total counter
flowpub_exporter_packets_missed_total{exporter="192.0.2.1",exporter_name="core-1"} 40
# TYPE flowpub_exporter_packets_total counter
flowpub_exporter_packets_total{exporter="192.0.2.1",exporter_name="core-1"} 37
# TYPE flowpub_exporter_restarts_total counter
flowpub_exporter_restarts_total 10
# TYPE flowpub_exporter_sampling_interval gauge
flowpub_exporter_sampling_interval{exporter="192.0.2.1",exporter_name="core-1"} 1000
# TYPE flowpub_exporters gauge
flowpub_exporters 20
# TYPE flowpub_exporters_clock_skewed gauge
flowpub_exporters_clock_skewed 23
# TYPE flowpub_exporters_losing gauge
flowpub_exporters_losing 21
# TYPE flowpub_exporters_silent gauge
flowpub_exporters_silent 24
# TYPE flowpub_exporters_unsequenced gauge
flowpub_exporters_unsequenced 22
# TYPE flowpub_flows_buffered gauge
flowpub_flows_buffered 13
# TYPE flowpub_flows_decoded_total counter
flowpub_flows_decoded_total 3000
# TYPE flowpub_flows_delivered_total counter
flowpub_flows_delivered_total 2980
# TYPE flowpub_flows_dropped_total counter
flowpub_flows_dropped_total{reason="buffer_full"} 7
flowpub_flows_dropped_total{reason="shutdown"} 0
# TYPE flowpub_flows_missed_total counter
flowpub_flows_missed_total 9
# TYPE flowpub_flows_possibly_duplicated_total counter
flowpub_flows_possibly_duplicated_total 8
# TYPE flowpub_kafka_batches_total counter
flowpub_kafka_batches_total 14
# TYPE flowpub_kafka_bytes_total counter
flowpub_kafka_bytes_total{stage="raw"} 4000
flowpub_kafka_bytes_total{stage="wire"} 1000
# TYPE flowpub_kafka_idempotent gauge
flowpub_kafka_idempotent 1
# TYPE flowpub_kafka_partitions_failing gauge
flowpub_kafka_partitions_failing 17
# TYPE flowpub_kafka_produce_errors_total counter
flowpub_kafka_produce_errors_total{error="dns"} 0
flowpub_kafka_produce_errors_total{error="timeout"} 12
# TYPE flowpub_kafka_produce_seconds histogram
flowpub_kafka_produce_seconds_bucket{le="0.01"} 3
flowpub_kafka_produce_seconds_bucket{le="0.1"} 5
flowpub_kafka_produce_seconds_bucket{le="+Inf"} 6
flowpub_kafka_produce_seconds_sum 1.25
flowpub_kafka_produce_seconds_count 6
# TYPE flowpub_kafka_schemas_missing gauge
flowpub_kafka_schemas_missing 2
# TYPE flowpub_kafka_throttle_seconds_total counter
flowpub_kafka_throttle_seconds_total 2.5
# TYPE flowpub_kafka_topic_warnings gauge
flowpub_kafka_topic_warnings{kind="compaction"} 1
flowpub_kafka_topic_warnings{kind="one_replica"} 0
# TYPE flowpub_log_lines_dropped_total counter
flowpub_log_lines_dropped_total 16
# TYPE flowpub_options_records_total counter
flowpub_options_records_total 25
# TYPE flowpub_packets_anomalous_total counter
flowpub_packets_anomalous_total{kind="count_above_30"} 11
flowpub_packets_anomalous_total{kind="trailing_bytes"} 0
# TYPE flowpub_ready gauge
flowpub_ready 1
# TYPE flowpub_receive_buffer_bytes gauge
flowpub_receive_buffer_bytes{kind="asked"} 3.3554432e+07
flowpub_receive_buffer_bytes{kind="granted"} 8.388608e+06
# TYPE flowpub_samplings_refused_total counter
flowpub_samplings_refused_total 43
# TYPE flowpub_sflow_agent_drops_total counter
flowpub_sflow_agent_drops_total 33
# TYPE flowpub_sflow_samples_missed_total counter
flowpub_sflow_samples_missed_total 32
# TYPE flowpub_sflow_samples_total counter
flowpub_sflow_samples_total{kind="flow"} 31
flowpub_sflow_samples_total{kind="malformed"} 0
# TYPE flowpub_template_changes_total counter
flowpub_template_changes_total 27
# TYPE flowpub_template_contradictions_total counter
flowpub_template_contradictions_total 32
# TYPE flowpub_template_mismatches_total counter
flowpub_template_mismatches_total 31
# TYPE flowpub_template_store_failing gauge
flowpub_template_store_failing{operation="read"} 1
flowpub_template_store_failing{operation="write"} 0
# TYPE flowpub_template_store_load_seconds gauge
flowpub_template_store_load_seconds 1.5
# TYPE flowpub_template_store_pending gauge
flowpub_template_store_pending 36
# TYPE flowpub_template_store_records_total counter
flowpub_template_store_records_total{direction="read"} 33
flowpub_template_store_records_total{direction="refused"} 133
flowpub_template_store_records_total{direction="written"} 34
# TYPE flowpub_template_store_skipped_total counter
flowpub_template_store_skipped_total{reason="garbage"} 35
flowpub_template_store_skipped_total{reason="old"} 0
# TYPE flowpub_template_withdrawals_total counter
flowpub_template_withdrawals_total 30
# TYPE flowpub_templates gauge
flowpub_templates{origin="store"} 0
flowpub_templates{origin="wire"} 26
# TYPE flowpub_templates_refused_total counter
flowpub_templates_refused_total{reason="invalid"} 28
# TYPE flowpub_templates_removed_total counter
flowpub_templates_removed_total{reason="expired"} 29
`

func TestExposition(t *testing.T) {
	t.Parallel()
	got := strings.Split(ours(scrape(t, sample)), "\n")
	want := strings.Split(exposition, "\n")
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("line %d differs:\n got %q\nwant %q", i+1, got[i:min(i+3, len(got))], want[i:min(i+3, len(want))])
		}
	}
}

// A scrape before anything happened has every metric as well: a number that
// appears only with the first event is one whose first event nobody sees.
func TestNothingIsMissingAtTheStart(t *testing.T) {
	t.Parallel()
	begin := scrape(t, func() Snapshot { return Snapshot{Version: "v1.2.3"} })
	for line := range strings.Lines(exposition) {
		if name, value, isMetric := strings.Cut(line, " "); isMetric && line[0] == 'f' && !strings.Contains(name, "{") {
			if !strings.Contains(begin, "\n"+name+" 0\n") {
				t.Errorf("%s is not 0 at the start, or missing (later %s)", name, value)
			}
		}
	}
}

func TestRuntimeMetricsAreThere(t *testing.T) {
	t.Parallel()
	page := scrape(t, sample)
	for _, name := range []string{"go_goroutines", "go_memstats_heap_alloc_bytes", "process_cpu_seconds_total", "process_resident_memory_bytes"} {
		if !strings.Contains(page, "\n"+name+" ") {
			t.Errorf("%s is missing", name)
		}
	}
}

// Prometheus' own conventions: units, endings, help.
func TestConventions(t *testing.T) {
	t.Parallel()
	problems, err := testutil.GatherAndLint(NewRegistry(sample))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestOneSnapshotAScrape(t *testing.T) {
	t.Parallel()
	taken := 0
	registry := NewRegistry(func() Snapshot { taken++; return sample() })
	if taken != 0 {
		t.Errorf("%d snapshots were taken before the first scrape", taken)
	}
	if _, err := registry.Gather(); err != nil {
		t.Fatal(err)
	}
	if taken != 1 {
		t.Errorf("%d snapshots were taken for one scrape", taken)
	}
}

// Every field of Snapshot is set in sample, hence seen in the exposition.
func TestSampleIsWhole(t *testing.T) {
	t.Parallel()
	fields := reflect.ValueOf(sample())
	for i := range fields.NumField() {
		if fields.Field(i).IsZero() {
			t.Errorf("sample does not set %s", fields.Type().Field(i).Name)
		}
	}
}

func TestCumulative(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		given   Histogram
		count   uint64
		buckets map[float64]uint64
	}{
		{"none", Histogram{}, 0, map[float64]uint64{}},
		{"no observation", Histogram{Bounds: []float64{1, 2}, Counts: []uint64{0, 0, 0}}, 0, map[float64]uint64{1: 0, 2: 0}},
		{"all beyond the last bound", Histogram{Bounds: []float64{1, 2}, Counts: []uint64{0, 0, 4}}, 4, map[float64]uint64{1: 0, 2: 0}},
		{"everywhere", Histogram{Bounds: []float64{1, 2, 5}, Counts: []uint64{1, 10, 100, 1000}}, 1111, map[float64]uint64{1: 1, 2: 11, 5: 111}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			count, buckets := cumulative(tt.given)
			if count != tt.count || !reflect.DeepEqual(buckets, tt.buckets) {
				t.Errorf("cumulative = %d, %v, want %d, %v", count, buckets, tt.count, tt.buckets)
			}
		})
	}
}

func TestImbalance(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name                   string
		change                 func(*Snapshot)
		datagrams, sets, flows int64
	}{
		{"balanced", func(*Snapshot) {}, 0, 0, 0},
		{"a datagram without trace", func(s *Snapshot) { s.DatagramsReceived++ }, 1, 0, 0},
		{"a datagram rejected twice", func(s *Snapshot) { s.DatagramsRejected["short"]++ }, -1, 0, 0},
		{"a data set without trace", func(s *Snapshot) { s.DataSetsDropped["no_template"]-- }, 0, 1, 0},
		{"a data set that waits and is decoded", func(s *Snapshot) { s.DataSetsDecoded++ }, 0, -1, 0},
		{"flows without trace", func(s *Snapshot) { s.FlowsBuffered -= 3 }, 0, 0, 3},
		{"flows dropped twice", func(s *Snapshot) { s.FlowsDropped["shutdown"] += 2 }, 0, 0, -2},
		{"all", func(s *Snapshot) { s.DatagramsDecoded["ipfix"]--; s.DataSetsWaiting++; s.FlowsDelivered++ }, 1, -1, -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := sample()
			tt.change(&s)
			if datagrams, sets, flows := s.Imbalance(); datagrams != tt.datagrams || sets != tt.sets || flows != tt.flows {
				t.Errorf("Imbalance = %d, %d, %d, want %d, %d, %d", datagrams, sets, flows, tt.datagrams, tt.sets, tt.flows)
			}
		})
	}
}

// scrape returns the metrics page.
func scrape(t *testing.T, snapshot func() Snapshot) string {
	t.Helper()
	response := httptest.NewRecorder()
	newHandler(ServerConfig{Snapshot: snapshot}, newNotices(nil)).ServeHTTP(response, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	body, err := io.ReadAll(response.Result().Body)
	if err != nil || response.Code != 200 {
		t.Fatalf("status %d, error %v:\n%s", response.Code, err, body)
	}
	return string(body)
}

// ours returns the lines of a metrics page about our metrics, without help.
func ours(page string) string {
	lines := slices.DeleteFunc(strings.SplitAfter(page, "\n"), func(line string) bool {
		return !strings.HasPrefix(line, "flowpub_") && !strings.HasPrefix(line, "# TYPE flowpub_")
	})
	return strings.Join(lines, "")
}
