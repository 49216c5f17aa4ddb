package telemetry

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// namespace begins the name of every metric of ours.
const namespace = "flowpub"

// NewRegistry returns a registry with the metrics of one program: those of
// docs/metrics.md, and what the Prometheus client knows of the Go runtime and
// the process. snapshot is called once a scrape, at times from several
// goroutines at once.
func NewRegistry(snapshot func() Snapshot) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		newSnapshotCollector(snapshot),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return registry
}

// snapshotCollector turns one Snapshot a scrape into metrics.
type snapshotCollector struct {
	snapshot func() Snapshot
	families []family
	exporter []exporterFamily
	produce  *prometheus.Desc
}

func newSnapshotCollector(snapshot func() Snapshot) *snapshotCollector {
	return &snapshotCollector{
		snapshot: snapshot,
		families: families(),
		exporter: eachExporterFamilies(),
		produce: prometheus.NewDesc(namespace+"_kafka_produce_seconds",
			"How long produce requests to Kafka took, answered or not.", nil, nil),
	}
}

// Describe is part of prometheus.Collector.
func (c *snapshotCollector) Describe(out chan<- *prometheus.Desc) {
	for i := range c.families {
		out <- c.families[i].desc
	}
	for i := range c.exporter {
		out <- c.exporter[i].desc
	}
	out <- c.produce
}

// Collect is part of prometheus.Collector.
func (c *snapshotCollector) Collect(out chan<- prometheus.Metric) {
	s := c.snapshot()
	for i := range c.families {
		c.families[i].collect(&s, out)
	}
	for i := range s.ByExporter {
		for j := range c.exporter {
			c.exporter[j].collect(&s.ByExporter[i], out)
		}
	}
	count, buckets := cumulative(s.ProduceSeconds)
	out <- prometheus.MustNewConstHistogram(c.produce, count, s.ProduceSeconds.Sum, buckets)
}

// cumulative turns counts by bucket into what Prometheus wants: the number of
// all observations, and of those at or below each bound.
func cumulative(h Histogram) (count uint64, buckets map[float64]uint64) {
	buckets = make(map[float64]uint64, len(h.Bounds))
	for i, n := range h.Counts {
		count += n
		if i < len(h.Bounds) {
			buckets[h.Bounds[i]] = count
		}
	}
	return count, buckets
}

// family is one metric: one value, or one for each value of a label.
type family struct {
	desc    *prometheus.Desc
	kind    prometheus.ValueType
	value   func(*Snapshot) float64            // of a metric without label
	byLabel func(*Snapshot) map[string]float64 // of a metric with one
}

func (f *family) collect(s *Snapshot, out chan<- prometheus.Metric) {
	if f.value != nil {
		out <- prometheus.MustNewConstMetric(f.desc, f.kind, f.value(s))
		return
	}
	for label, value := range f.byLabel(s) {
		out <- prometheus.MustNewConstMetric(f.desc, f.kind, value, label)
	}
}

// exporterFamily is a metric of single exporters.
type exporterFamily struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*ExporterNumbers) float64
}

func (f *exporterFamily) collect(e *ExporterNumbers, out chan<- prometheus.Metric) {
	out <- prometheus.MustNewConstMetric(f.desc, f.kind, f.value(e), e.Address, e.Name)
}

// ofExporter is a metric of single exporters.
func ofExporter(name, help string, kind prometheus.ValueType, value func(*ExporterNumbers) float64) exporterFamily {
	return exporterFamily{prometheus.NewDesc(namespace+"_exporter_"+name, help, []string{"exporter", "exporter_name"}, nil), kind, value}
}

// counter is a metric that only grows.
func counter(name, help string, value func(*Snapshot) uint64) family {
	return family{
		desc:  prometheus.NewDesc(namespace+"_"+name, help, nil, nil),
		kind:  prometheus.CounterValue,
		value: func(s *Snapshot) float64 { return float64(value(s)) },
	}
}

// seconds is a counter of time.
func seconds(name, help string, value func(*Snapshot) float64) family {
	f := gauge(name, help, value)
	f.kind = prometheus.CounterValue
	return f
}

// gauge is a metric that goes up and down.
func gauge(name, help string, value func(*Snapshot) float64) family {
	return family{
		desc:  prometheus.NewDesc(namespace+"_"+name, help, nil, nil),
		kind:  prometheus.GaugeValue,
		value: value,
	}
}

// counters is a counter for each value of label.
func counters(name, label, help string, values func(*Snapshot) map[string]uint64) family {
	return family{
		desc: prometheus.NewDesc(namespace+"_"+name, help, []string{label}, nil),
		kind: prometheus.CounterValue,
		byLabel: func(s *Snapshot) map[string]float64 {
			all := make(map[string]float64)
			for key, n := range values(s) {
				all[key] = float64(n)
			}
			return all
		},
	}
}

// gauges is a gauge for each value of label.
func gauges(name, label, help string, values func(*Snapshot) map[string]float64) family {
	return family{
		desc:    prometheus.NewDesc(namespace+"_"+name, help, []string{label}, nil),
		kind:    prometheus.GaugeValue,
		byLabel: values,
	}
}

// truths is truth for each label.
func truths(all map[string]bool) map[string]float64 {
	values := make(map[string]float64, len(all))
	for label, b := range all {
		values[label] = truth(b)
	}
	return values
}

// truth is how a gauge says yes and no.
func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
