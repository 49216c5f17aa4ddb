package main

import (
	"fmt"
	"math/bits"
	"time"
)

const (
	// A record of the topic: a key, and a value of a head and the definition of a template
	// of so many fields.
	topicKey       = 1 + 16 + 2 + 4 + 2
	topicValueHead = 1 + 1 + 8 + 8 + 8
	fieldsEach     = 23
	// recordCost is what reading a record took: 0.72 s for 200,000.
	recordCost = 3600 * time.Nanosecond
	// batchRecords is about how many fit in a request of the writer's.
	batchRecords = 3000
	batchHead    = 61
	// writtenAgain is how old a record is, in hours, on average, when it is written again.
	writtenAgain = 18
	// learning is how many new templates a process writes a second.
	learning = 100
)

// topicRecord is the size of a record.
func topicRecord() int {
	definition := 2 + 4*fieldsEach // the number of fields, then type and length of each
	value := topicValueHead + definition
	body := 1 + varint(0) + varint(batchRecords/2) + varint(topicKey) + topicKey + varint(value) + value + 1
	return varint(body) + body
}

// varint is the size of a number as Kafka's records have it.
func varint(n int) int { return (bits.Len64(uint64(n)<<1|1) + 6) / 7 }

// topicTable is how large the topic gets, and what a start reads of it.
func topicTable() table {
	t := table{name: "topic", head: []string{
		"exporters", "pods", "templates", "topic", "read at the start in", "kept", "written/h", "all learned in", "a roll-out reads",
	}}
	for _, f := range []struct{ exporters, pods int }{{20, 1}, {200, 3}, {2000, 12}, {5000, 50}, {20_000, 200}, {100_000, 1000}} {
		n := f.exporters * templatesEach
		size := float64(n*topicRecord() + (n+batchRecords-1)/batchRecords*batchHead)
		t.add(count(f.exporters), count(f.pods), count(n), megabytes(size),
			duration((time.Duration(n) * recordCost).Seconds()), count(min(n, restorable)),
			short(float64(n)/writtenAgain), duration(max(1, float64(max(0, n-1000*f.pods))/float64(learning*f.pods))), megabytes(size*float64(f.pods)))
	}
	return t
}

// megabytes prints a number of bytes.
func megabytes(n float64) string {
	switch {
	case n < 1e6:
		return fmt.Sprintf("%.0f kB", n/1e3)
	case n < 1e9:
		return fmt.Sprintf("%s MB", short(n/1e6))
	default:
		return fmt.Sprintf("%s GB", short(n/1e9))
	}
}
