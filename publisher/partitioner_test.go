package publisher

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	kafka "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
)

// The vectors of murmur2 are those of Apache Kafka's UtilsTest.testMurmur2, the
// others the published check values of CRC-32 and FNV-1a.
func TestHash(t *testing.T) {
	t.Parallel()
	tests := []struct {
		partitioner Partitioner
		key         string
		want        uint32
	}{
		{PartitionerMurmur2, "21", 0xc5f2f8ec},                                               // -973932308
		{PartitionerMurmur2, "foobar", 0xd0e47bbe},                                           // -790332482
		{PartitionerMurmur2, "abc", 0x1c94221b},                                              // 479470107
		{PartitionerMurmur2, "a-little-bit-long-string", 0xc53b1da0},                         // -985981536
		{PartitionerMurmur2, "a-little-bit-longer-string", 0xa768c9c3},                       // -1486304829
		{PartitionerMurmur2, "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", 0xfc7d49cd}, // -58897971
		{PartitionerCRC32, "123456789", 0xcbf43926},
		{PartitionerCRC32, "", 0},
		{PartitionerFNV1a, "", 0x811c9dc5},
		{PartitionerFNV1a, "a", 0xe40c292c},
		{PartitionerFNV1a, "foobar", 0xbf9cf968},
	}
	for _, tt := range tests {
		if got := tt.partitioner.hash([]byte(tt.key)); got != tt.want {
			t.Errorf("%v of %q is %#x, want %#x", tt.partitioner, tt.key, got, tt.want)
		}
	}
}

// The partitions were found by independent implementations that agree:
// BuiltInPartitioner.partitionForKey of Apache Kafka 4.3.1 (murmur2), kafka-go's
// balancers, and zlib's CRC-32 and the hashes' definitions in Python. They must
// never change: a consumer that joins flows with other data of the same key
// depends on them.
func TestPartition(t *testing.T) {
	t.Parallel()
	tests := []struct {
		partitioner  Partitioner
		key          string
		of6, of12    int
		of100, ofOne int
	}{
		{PartitionerMurmur2, "192.0.2.1", 1, 7, 35, 0},
		{PartitionerMurmur2, "192.0.2.2", 5, 11, 71, 0},
		{PartitionerMurmur2, "198.51.100.77", 3, 3, 95, 0},
		{PartitionerMurmur2, "10.0.0.1", 4, 10, 10, 0},
		{PartitionerMurmur2, "2001:db8::1", 2, 8, 56, 0}, // the hash has the sign bit
		{PartitionerMurmur2, "2001:db8:ffff:1:2:3:4:5", 3, 3, 31, 0},
		{PartitionerCRC32, "192.0.2.1", 5, 11, 51, 0},
		{PartitionerCRC32, "192.0.2.2", 5, 5, 77, 0},
		{PartitionerCRC32, "198.51.100.77", 2, 2, 26, 0},
		{PartitionerCRC32, "10.0.0.1", 5, 11, 7, 0},
		{PartitionerCRC32, "2001:db8::1", 0, 6, 94, 0},
		{PartitionerCRC32, "2001:db8:ffff:1:2:3:4:5", 2, 2, 66, 0},
		{PartitionerFNV1a, "192.0.2.1", 4, 4, 76, 0},
		{PartitionerFNV1a, "192.0.2.2", 1, 1, 33, 0},
		{PartitionerFNV1a, "198.51.100.77", 0, 6, 6, 0},
		{PartitionerFNV1a, "10.0.0.1", 5, 11, 23, 0}, // the hash has the sign bit
		{PartitionerFNV1a, "2001:db8::1", 1, 7, 87, 0},
		{PartitionerFNV1a, "2001:db8:ffff:1:2:3:4:5", 3, 9, 1, 0}, // here too
	}
	for _, tt := range tests {
		hash := tt.partitioner.hash([]byte(tt.key))
		for n, want := range map[int]int{1: tt.ofOne, 6: tt.of6, 12: tt.of12, 100: tt.of100} {
			if got := tt.partitioner.partition(hash, n); got != want {
				t.Errorf("%v puts %s in partition %d of %d, want %d", tt.partitioner, tt.key, got, n, want)
			}
		}
	}
}

// TestPartitionAgrees compares with other clients on random addresses.
func TestPartitionAgrees(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	franz := kgo.StickyKeyPartitioner(nil).ForTopic("flows")
	for range 5000 {
		var address [16]byte
		for i := range address {
			address[i] = byte(random.Uint32())
		}
		key := []byte(netip.AddrFrom16(address).String())
		if random.IntN(2) == 0 {
			key = []byte(netip.AddrFrom4([4]byte(address[:4])).String())
		}
		n := 1 + random.IntN(200)
		partitions := make([]int, n)
		for i := range partitions {
			partitions[i] = i
		}
		message := kafka.Message{Key: key}
		for p, want := range map[Partitioner][]int{
			PartitionerMurmur2: {kafka.Murmur2Balancer{}.Balance(message, partitions...), franz.Partition(&kgo.Record{Key: key}, n)},
			PartitionerCRC32:   {kafka.CRC32Balancer{}.Balance(message, partitions...)},
			PartitionerFNV1a:   {(&kafka.Hash{}).Balance(message, partitions...)},
		} {
			for _, w := range want {
				if got := p.partition(p.hash(key), n); got != w {
					t.Fatalf("%v puts %s in partition %d of %d, others in %d", p, key, got, n, w)
				}
			}
		}
	}
}

func TestPartitionerText(t *testing.T) {
	t.Parallel()
	for p, want := range map[Partitioner]string{PartitionerMurmur2: "murmur2", PartitionerCRC32: "crc32", PartitionerFNV1a: "fnv1a"} {
		text, err := p.MarshalText()
		if err != nil || string(text) != want || p.String() != want {
			t.Errorf("text of %d is %q, %q, %v; want %q", p, text, p.String(), err, want)
		}
		got := Partitioner(99)
		if err := got.UnmarshalText([]byte(want)); err != nil || got != p {
			t.Errorf("%q is read as %d, %v; want %d", want, got, err, p)
		}
	}
	var p Partitioner
	wantError(t, p.UnmarshalText([]byte("random")), `publisher: partitioner "random" is not known: use murmur2, crc32 or fnv1a`)
	_, err := Partitioner(7).MarshalText()
	wantError(t, err, "publisher: partitioner 7 is not known: use murmur2, crc32 or fnv1a")
	if got := fmt.Sprint(Partitioner(7)); got != "Partitioner(7)" {
		t.Errorf("String is %q", got)
	}
}

// wantError fails the test if err does not say exactly this.
func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
}
