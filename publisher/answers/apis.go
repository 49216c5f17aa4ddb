package answers

import "time"

// The requests that flowpub has the client make, by the numbers that Kafka's protocol
// guide has for them. What is not here is no answer that anything waits for.
const (
	produce          = 0
	fetch            = 1
	listOffsets      = 2
	metadata         = 3
	saslHandshake    = 17
	apiVersions      = 18
	createTopics     = 19
	initProducerID   = 22
	describeConfigs  = 32
	saslAuthenticate = 36
	describeQuorum   = 55
)

// Limits of what an answer may tell. They are far above what clusters have, and keep
// what the client makes of one answer below 32 MiB.
const (
	// MaxPartitions bounds the partitions of all topics together.
	MaxPartitions = 20_000
	maxBrokers    = 2_000
	maxTopics     = 1_024
	maxReplicas   = 256 // of one partition
	maxHost       = 255 // as the DNS has it
	maxName       = 255
	maxText       = 32 << 10
	maxMechanisms = 64
	maxAPIs       = 1_024
	maxSettings   = 1_024
	maxAborted    = 1_024 // transactions of one partition
	// MaxFetch is the largest answer to a Fetch that is taken.
	MaxFetch = 8 << 20
)

// MaxThrottle is the longest time for which a broker is left alone because it asks
// for that.
const MaxThrottle = time.Minute

// api is what there is to know of an answer.
type api struct {
	name string
	// newest is the newest version that check knows; flexible is the first with tagged
	// fields, if it is not 0; always if all have some.
	newest, flexible int16
	size             int // the largest answer that is taken
	check            func(w *walker, version int16)
}

// always is an api's flexible where no version is without tagged fields.
const always = -1

// apiOf returns what there is to know of the answer to a request.
func apiOf(key int16) (api, bool) {
	switch key {
	case produce:
		return api{"Produce", 8, 0, 1 << 20, checkProduce}, true
	case fetch:
		return api{"Fetch", 10, 0, MaxFetch, checkFetch}, true
	case listOffsets:
		return api{"ListOffsets", 5, 0, 64 << 10, checkListOffsets}, true
	case metadata:
		return api{"Metadata", 10, 9, 4 << 20, checkMetadata}, true
	case saslHandshake:
		return api{"SaslHandshake", 1, 0, 8 << 10, checkHandshake}, true
	case apiVersions:
		return api{"ApiVersions", 2, 0, 16 << 10, checkVersions}, true
	case createTopics:
		return api{"CreateTopics", 5, 5, 1 << 20, checkCreateTopics}, true
	case initProducerID:
		return api{"InitProducerId", 4, 2, 4 << 10, checkProducerID}, true
	case describeConfigs:
		return api{"DescribeConfigs", 3, 0, 1 << 20, checkConfigs}, true
	case describeQuorum:
		return api{"DescribeQuorum", 1, always, 64 << 10, checkQuorum}, true
	case saslAuthenticate:
		return api{"SaslAuthenticate", 1, 0, 64 << 10, checkAuthenticate}, true
	}
	return api{}, false
}

// walk walks a frame, without its size, that answers a request, and returns what the
// connection has to know of it. A throttle time above MaxThrottle is lowered in it.
func (a *api) walk(version int16, frame []byte) (*walker, error) {
	w := &walker{b: frame, flexible: a.flexible != 0 && version >= a.flexible}
	w.int32() // the number of the request
	w.tags()
	a.check(w, version)
	return w, w.err
}

func checkProduce(w *walker, version int16) {
	partitions := MaxPartitions
	for range w.list("topics", maxTopics, 6) {
		w.text(maxName)
		n := w.list("partitions", partitions, 14)
		partitions -= n
		for range n {
			checkProduced(w, version)
		}
	}
	if version >= 1 {
		w.throttle()
	}
}

// checkProduced is about one partition.
func checkProduced(w *walker, version int16) {
	w.int32() // number
	w.int16() // error
	w.int64() // first offset
	if version >= 2 {
		w.int64() // time
	}
	if version >= 5 {
		w.int64() // start of the log
	}
	if version >= 8 {
		for range w.list("refused records", w.left(), 6) {
			w.int32()
			w.text(maxText)
		}
		w.text(maxText)
	}
}

// checkFetch is about version 10, which is the only one that is asked for. What is in the
// records is checked by whoever reads them.
func checkFetch(w *walker, version int16) {
	if version < 10 {
		w.fail("version %d is not asked for", version)
	}
	w.throttle()
	w.int16() // error
	w.int32() // session
	partitions := MaxPartitions
	for range w.list("topics", maxTopics, 6) {
		w.text(maxName)
		n := w.list("partitions", partitions, 38)
		partitions -= n
		for range n {
			w.int32() // number
			w.int16() // error
			w.int64() // high watermark
			w.int64() // last stable offset
			w.int64() // start of the log
			w.take(16 * w.list("aborted transactions", maxAborted, 16))
			w.bytes()
		}
	}
}

func checkListOffsets(w *walker, version int16) {
	if version < 1 {
		w.fail("version %d is not asked for", version)
	}
	if version >= 2 {
		w.throttle()
	}
	partitions := MaxPartitions
	for range w.list("topics", maxTopics, 6) {
		w.text(maxName)
		n := w.list("partitions", partitions, 22)
		partitions -= n
		for range n {
			w.int32() // number
			w.int16() // error
			w.int64() // time
			w.int64() // offset
			if version >= 4 {
				w.int32() // epoch
			}
		}
	}
}

func checkMetadata(w *walker, version int16) {
	if version >= 3 {
		w.throttle()
	}
	for range w.list("brokers", maxBrokers, 10) {
		w.int32() // id
		w.host()
		w.int32() // port
		if version >= 1 {
			w.text(maxName) // rack
		}
		w.tags()
	}
	if version >= 2 {
		w.text(maxName) // cluster
	}
	if version >= 1 {
		w.int32() // controller
	}
	partitions := MaxPartitions
	for range w.list("topics", maxTopics, 8) {
		partitions -= checkTopic(w, version, partitions)
	}
	if version >= 8 {
		w.int32() // what the user may do
	}
	w.tags()
}

// checkTopic is about one topic, which may have at most so many partitions, and returns
// how many it has.
func checkTopic(w *walker, version int16, most int) int {
	w.int16() // error
	w.text(maxName)
	if version >= 10 {
		w.take(16) // id
	}
	if version >= 1 {
		w.int8() // internal
	}
	n := w.list("partitions", most, 18)
	for range n {
		w.int16() // error
		w.int32() // number
		w.int32() // leader
		if version >= 7 {
			w.int32() // epoch
		}
		w.replicas()
		w.replicas() // in sync
		if version >= 5 {
			w.replicas() // offline
		}
		w.tags()
	}
	if version >= 8 {
		w.int32() // what the user may do
	}
	w.tags()
	return n
}

func checkHandshake(w *walker, _ int16) {
	w.code = w.int16()
	for range w.list("mechanisms", maxMechanisms, 2) {
		w.mechanisms = append(w.mechanisms, string(w.text(maxName)))
	}
}

func checkAuthenticate(w *walker, version int16) {
	w.code = w.int16()
	w.text(maxText)
	w.bytes()
	if version >= 1 {
		w.int64() // lifetime
	}
}

// checkVersions notes whether the peer takes messages: a controller does not.
func checkVersions(w *walker, version int16) {
	w.code = w.int16()
	var takes [2]bool
	for range w.list("requests", maxAPIs, 6) {
		key := w.int16()
		w.take(4) // versions
		takes[0] = takes[0] || key == produce
		takes[1] = takes[1] || key == metadata
	}
	if version >= 1 {
		w.throttle()
	}
	w.broker = takes[0] && takes[1]
}

func checkCreateTopics(w *walker, version int16) {
	if version >= 2 {
		w.throttle()
	}
	for range w.list("topics", maxTopics, 4) {
		w.text(maxName)
		w.int16() // error
		if version >= 1 {
			w.text(maxText)
		}
		if version >= 5 {
			w.int32() // partitions
			w.int16() // replicas
			for range w.list("settings", maxSettings, 6) {
				w.text(maxText)
				w.text(maxText)
				w.int8() // read only
				w.int8() // source
				w.int8() // secret
				w.tags()
			}
		}
		w.tags()
	}
	w.tags()
}

func checkProducerID(w *walker, _ int16) {
	w.throttle()
	code, id, epoch := w.int16(), w.int64(), w.int16()
	if code == 0 && (id < 0 || epoch < 0) {
		w.fail("it gives no producer id, and no reason: id %d, epoch %d", id, epoch)
	}
	w.tags()
}

func checkConfigs(w *walker, version int16) {
	w.throttle()
	for range w.list("topics", maxTopics, 11) {
		w.int16() // error
		w.text(maxText)
		w.int8() // kind
		w.text(maxName)
		for range w.list("settings", maxSettings, 7) {
			checkConfig(w, version)
		}
	}
}

// checkConfig is about one setting.
func checkConfig(w *walker, version int16) {
	w.text(maxText)
	w.text(maxText)
	w.int8() // read only
	w.int8() // default, or where it comes from
	w.int8() // secret
	if version >= 1 {
		for range w.list("synonyms", maxSettings, 5) {
			w.text(maxText)
			w.text(maxText)
			w.int8()
		}
	}
	if version >= 3 {
		w.int8() // type
		w.text(maxText)
	}
}

func checkQuorum(w *walker, version int16) {
	w.int16() // error
	for range w.list("topics", maxTopics, 3) {
		w.text(maxName)
		for range w.list("partitions", maxTopics, 25) {
			w.int32()     // number
			w.int16()     // error
			w.int32()     // leader
			w.int32()     // epoch
			w.int64()     // high watermark
			for range 2 { // voters, observers
				for range w.list("replicas", maxBrokers, 13) {
					checkQuorumReplica(w, version)
				}
			}
			w.tags()
		}
		w.tags()
	}
	w.tags()
}

func checkQuorumReplica(w *walker, version int16) {
	w.int32() // id
	w.int64() // end of its log
	if version >= 1 {
		w.int64() // when it last asked
		w.int64() // when it had all
	}
	w.tags()
}
