package batch

import "fmt"

// Compression is how record batches are compressed. The values of the codecs
// Kafka knows are those of the batch's attributes.
type Compression uint8

// The codecs Kafka knows, and two that look for repetitions only where the encoder
// knows of some: for readers the same codecs, larger but for less CPU.
const (
	CompressionNone Compression = iota
	CompressionGzip
	CompressionSnappy
	CompressionLZ4
	CompressionZstd
	CompressionLZ4Fast
	CompressionZstdFast
)

// codec is what a batch's attributes say of c.
func (c Compression) codec() Compression {
	switch c {
	case CompressionLZ4Fast:
		return CompressionLZ4
	case CompressionZstdFast:
		return CompressionZstd
	default:
		return c
	}
}

// compressionNames is indexed by Compression.
var compressionNames = [...]string{"none", "gzip", "snappy", "lz4", "zstd", "lz4-fast", "zstd-fast"}

// String returns "none", "gzip", "snappy", "lz4", "zstd", "lz4-fast" or "zstd-fast".
func (c Compression) String() string {
	if int(c) < len(compressionNames) {
		return compressionNames[c]
	}
	return fmt.Sprintf("Compression(%d)", uint8(c))
}

// MarshalText is String; a value that is no codec is an error.
func (c Compression) MarshalText() ([]byte, error) {
	if int(c) >= len(compressionNames) {
		return nil, fmt.Errorf("publisher: compression %d is not known: use none, gzip, snappy, lz4, lz4-fast, zstd or zstd-fast", uint8(c))
	}
	return []byte(c.String()), nil
}

// UnmarshalText accepts "none", "gzip", "snappy", "lz4", "zstd", "lz4-fast"
// and "zstd-fast".
func (c *Compression) UnmarshalText(b []byte) error {
	for i, name := range compressionNames {
		if string(b) == name {
			*c = Compression(i)
			return nil
		}
	}
	return fmt.Errorf("publisher: compression %q is not known: use none, gzip, snappy, lz4, lz4-fast, zstd or zstd-fast", b)
}
