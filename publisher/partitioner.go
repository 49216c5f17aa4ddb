package publisher

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// Partitioner says how the key of a record, its exporter's address, is mapped
// to a partition. Producers that write to one topic should agree on it, so that
// equal keys meet in one partition whoever wrote them.
//
// The zero value is PartitionerMurmur2.
type Partitioner uint8

// The partitioners, named for their hash.
const (
	// PartitionerMurmur2 is that of the Java clients, and of franz-go: murmur2
	// with the sign bit cleared, modulo the partition count.
	PartitionerMurmur2 Partitioner = iota
	// PartitionerCRC32 is librdkafka's "consistent" and "consistent_random", its
	// default: CRC-32 (IEEE), modulo the partition count.
	PartitionerCRC32
	// PartitionerFNV1a is that of sarama's NewHashPartitioner, its default: 32
	// bit FNV-1a as a signed number, its remainder without the sign.
	PartitionerFNV1a
)

// partitionerNames is indexed by Partitioner.
var partitionerNames = [...]string{"murmur2", "crc32", "fnv1a"}

// String returns "murmur2", "crc32" or "fnv1a".
func (p Partitioner) String() string {
	if int(p) < len(partitionerNames) {
		return partitionerNames[p]
	}
	return fmt.Sprintf("Partitioner(%d)", uint8(p))
}

// MarshalText is String; a value that is no partitioner is an error.
func (p Partitioner) MarshalText() ([]byte, error) {
	if int(p) >= len(partitionerNames) {
		return nil, fmt.Errorf("publisher: partitioner %d is not known: use murmur2, crc32 or fnv1a", uint8(p))
	}
	return []byte(p.String()), nil
}

// UnmarshalText accepts "murmur2", "crc32" and "fnv1a".
func (p *Partitioner) UnmarshalText(b []byte) error {
	for i, name := range partitionerNames {
		if string(b) == name {
			*p = Partitioner(i)
			return nil
		}
	}
	return fmt.Errorf("publisher: partitioner %q is not known: use murmur2, crc32 or fnv1a", b)
}

// hash returns the hash of key. It does not depend on the partition count, so
// it may be kept while that changes.
func (p Partitioner) hash(key []byte) uint32 {
	switch p {
	case PartitionerCRC32:
		return crc32IEEE(key)
	case PartitionerFNV1a:
		return fnv1a(key)
	default:
		return murmur2(key)
	}
}

// of is the partition of a key, of n.
func (p Partitioner) of(key []byte, n int) int { return p.partition(p.hash(key), n) }

// partition maps a hash to one of n partitions; n must be above zero.
func (p Partitioner) partition(hash uint32, n int) int {
	switch p {
	case PartitionerCRC32:
		return int(hash % uint32(n))
	case PartitionerFNV1a:
		return max(int(int32(hash)%int32(n)), -int(int32(hash)%int32(n)))
	default:
		return int(hash & 0x7fffffff % uint32(n))
	}
}

// murmur2 is MurmurHash2 for 32 bits with the seed that Kafka's Java clients
// use (org.apache.kafka.common.utils.Utils.murmur2).
func murmur2(key []byte) uint32 {
	const (
		seed = 0x9747b28c
		m    = 0x5bd1e995
		r    = 24
	)
	h := seed ^ uint32(len(key))
	for ; len(key) >= 4; key = key[4:] {
		k := binary.LittleEndian.Uint32(key) * m
		k ^= k >> r
		h = h*m ^ k*m
	}
	switch len(key) {
	case 3:
		h ^= uint32(key[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(key[1]) << 8
		fallthrough
	case 1:
		h ^= uint32(key[0])
		h *= m
	}
	h ^= h >> 13
	h *= m
	return h ^ h>>15
}

// fnv1a is the 32 bit FNV-1a hash. That of hash/fnv is the same, but costs an
// allocation a key.
func fnv1a(key []byte) uint32 {
	const (
		offset = 2166136261
		prime  = 16777619
	)
	h := uint32(offset)
	for _, c := range key {
		h = (h ^ uint32(c)) * prime
	}
	return h
}

// crc32IEEE is crc32.ChecksumIEEE, which would have the key allocated; for as
// short a key as ours it is no faster.
func crc32IEEE(key []byte) uint32 {
	crc := ^uint32(0)
	for _, b := range key {
		crc = crc32.IEEETable[byte(crc)^b] ^ crc>>8
	}
	return ^crc
}
