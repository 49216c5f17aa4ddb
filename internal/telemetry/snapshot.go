package telemetry

// Snapshot holds every number that flowpub publishes, at one moment. Counts
// begin at the start of the process. Maps are keyed by label value and hold
// every value from the start; a Snapshot is not changed once it was handed out.
type Snapshot struct {
	// DatagramsReceived counts the datagrams read from the sockets. It equals the
	// sums of DatagramsDecoded and DatagramsRejected, exactly.
	DatagramsReceived uint64
	// DatagramsDecoded counts those in which something could be read, by format.
	DatagramsDecoded map[string]uint64
	// DatagramsRejected counts those that did not count as decoded, by reason.
	DatagramsRejected map[string]uint64
	// DatagramsForeign counts those rejected for their version, by the protocol
	// they look like.
	DatagramsForeign map[string]uint64
	// DatagramsKernelDropped counts those that the kernel threw away because a
	// socket's receive buffer was full. They are in no other count.
	DatagramsKernelDropped uint64

	// DataSetsReceived counts the data sets of NetFlow v9 and IPFIX. It equals
	// DataSetsDecoded, DataSetsWaiting and the sum of DataSetsDropped, exactly.
	DataSetsReceived uint64
	// DataSetsDecoded counts those decoded by their templates.
	DataSetsDecoded uint64
	// DataSetsDropped counts those given up, by reason.
	DataSetsDropped map[string]uint64
	// DataSetsWaiting is the number waiting for their templates.
	DataSetsWaiting uint64
	// OptionsRecords counts the options records decoded.
	OptionsRecords uint64
	// Templates is the number of templates known, by origin.
	Templates map[string]int64
	// TemplateChanges counts templates that were new, or differed from the one before.
	TemplateChanges uint64
	// TemplatesRefused counts templates that were not taken, by reason.
	TemplatesRefused map[string]uint64
	// TemplatesRemoved counts templates that were forgotten, by reason.
	TemplatesRemoved map[string]uint64
	// TemplateWithdrawals counts withdrawals of templates, which are ignored.
	TemplateWithdrawals uint64
	// SamplingsRefused counts samplings told by options that there is no room for.
	SamplingsRefused uint64
	// TemplateMismatches counts data sets that a stored template did not fit,
	// TemplateContradictions templates that the store had differently than their exporters.
	TemplateMismatches, TemplateContradictions uint64
	// StoreRecords counts records written to the topic for templates, refused by it and read from it,
	// StoreSkipped those read that are of no use, by reason.
	StoreRecords, StoreSkipped map[string]uint64
	// StorePending is how many changes are not in that topic yet.
	StorePending int
	// StoreFailing tells by operation whether the last attempt failed.
	StoreFailing map[string]bool
	// StoreLoadSeconds is how long it took to read what the topic had at the start.
	StoreLoadSeconds float64

	// Samples counts the samples of sFlow by what they were, or why they were dropped.
	Samples map[string]uint64
	// SamplesMissed counts flow samples that agents sent and nobody received here, by
	// gaps in the numbers of their data sources.
	SamplesMissed uint64
	// SamplesAgentDropped counts samples that agents took and could not send.
	SamplesAgentDropped uint64

	// FlowsDecoded counts flow records. It equals FlowsDelivered,
	// FlowsBuffered and the sum of FlowsDropped, exactly.
	FlowsDecoded uint64
	// FlowsDelivered counts those that Kafka acknowledged.
	FlowsDelivered uint64
	// FlowsDropped counts those given up, by reason.
	FlowsDropped map[string]uint64
	// FlowsBuffered is the number waiting or on their way.
	FlowsBuffered uint64
	// FlowsPossiblyDuplicated counts those that may be in Kafka twice.
	FlowsPossiblyDuplicated uint64
	// BufferBytes is the memory charged to the budget, BufferLimitBytes the
	// budget.
	BufferBytes, BufferLimitBytes int64
	// BufferEnoughBytes is the least budget that keeps room for a packet of each
	// partition.
	BufferEnoughBytes int64

	// FlowsMissed counts flows that exporters sent and nobody received here, by
	// gaps in their sequences.
	FlowsMissed uint64
	// ExportPacketsMissed is the same of export packets, by format, for
	// exporters whose sequences count those.
	ExportPacketsMissed map[string]uint64
	// ExporterRestarts counts restarts of exporters.
	ExporterRestarts uint64
	// PacketsAnomalous counts export packets with at least one anomaly, by kind.
	PacketsAnomalous map[string]uint64
	// Exporters is the number of exporters heard lately; the next three are
	// some of those, by trait. ExportersSilent were heard before, but not lately.
	Exporters, ExportersLosing, ExportersUnsequenced, ExportersClockSkewed, ExportersSilent int

	// ByExporter are the exporters with metrics of their own.
	ByExporter []ExporterNumbers

	// ProduceSeconds is how long produce requests took.
	ProduceSeconds Histogram
	// ProduceErrors counts failed produce attempts by error.
	ProduceErrors map[string]uint64
	// KafkaBatches counts acknowledged record batches, KafkaBytesRaw and
	// KafkaBytesWire their size before and after compression.
	KafkaBatches, KafkaBytesRaw, KafkaBytesWire uint64
	// PartitionsFailing is how many partitions have flows that wait after a failed
	// attempt, or for long without any.
	PartitionsFailing int
	// TopicWarnings tells for each kind of topic warning whether it stands.
	TopicWarnings map[string]bool
	// DeadLetters counts datagrams that were not decoded, by what became of them
	// on their way to the topic for such; none count while there is none.
	DeadLetters map[string]uint64
	// SchemasMissing is how many topics wait for the id of their schema.
	SchemasMissing int
	// ThrottleSeconds adds up the pauses that brokers asked for.
	ThrottleSeconds float64
	// Idempotent reports whether brokers recognise repeated batches.
	Idempotent bool

	// ReceiveBufferAsked and ReceiveBufferGranted are bytes over all sockets.
	ReceiveBufferAsked, ReceiveBufferGranted int
	// LogLinesDropped counts log lines that nobody took in time.
	LogLinesDropped uint64
	// Ready reports whether the readiness probe passes.
	Ready bool
	// Version is the version of the program.
	Version string
}

// ExporterNumbers are those of one exporter, since it became known.
type ExporterNumbers struct {
	// Address and Name are the labels.
	Address, Name string
	// Packets and Flows count what was decoded of it.
	Packets, Flows uint64
	// FlowsMissed and PacketsMissed count what it sent and nobody received here.
	FlowsMissed, PacketsMissed uint64
	// LastHeard is when it last sent something, in seconds since 1970.
	LastHeard float64
	// Sampling is of how many packets it counts one; 0: it does not say.
	Sampling uint32
}

// Histogram counts observations by size.
type Histogram struct {
	// Bounds are the upper bounds of all buckets but the last, which has none.
	Bounds []float64
	// Counts holds one count a bucket, not cumulative: one more than Bounds.
	Counts []uint64
	// Sum adds up all observations.
	Sum float64
}

// Imbalance returns by how much the three equations of the ledger fail: 0, 0, 0 when
// every datagram, data set and flow is accounted for. A positive number is missing
// on the right-hand side, a negative number is too much there.
func (s *Snapshot) Imbalance() (datagrams, sets, flows int64) {
	datagrams = int64(s.DatagramsReceived - sum(s.DatagramsDecoded) - sum(s.DatagramsRejected))
	sets = int64(s.DataSetsReceived - s.DataSetsDecoded - s.DataSetsWaiting - sum(s.DataSetsDropped))
	flows = int64(s.FlowsDecoded - s.FlowsDelivered - s.FlowsBuffered - sum(s.FlowsDropped))
	return datagrams, sets, flows
}

// sum adds up the counts of all label values.
func sum(counts map[string]uint64) uint64 {
	var total uint64
	for _, n := range counts {
		total += n
	}
	return total
}
