package batch

import "fmt"

// Compression is how record batches are compressed. The values of the codecs
// Kafka knows are those of the batch's attributes.
type Compression uint8

// The codecs Kafka knows, and LZ4 written by the encoder: for readers the same
// codec, larger than with a search for repetitions but free of CPU.
const (
	CompressionNone Compression = iota
	CompressionGzip
	CompressionSnappy
	CompressionLZ4
	CompressionZstd
	CompressionLZ4Fast
)

// codec is what a batch's attributes say of c.
func (c Compression) codec() Compression {
	if c == CompressionLZ4Fast {
		return CompressionLZ4
	}
	return c
}

// compressionNames is indexed by Compression.
var compressionNames = [...]string{"none", "gzip", "snappy", "lz4", "zstd", "lz4-fast"}

// String returns "none", "gzip", "snappy", "lz4", "zstd" or "lz4-fast".
func (c Compression) String() string {
	if int(c) < len(compressionNames) {
		return compressionNames[c]
	}
	return fmt.Sprintf("Compression(%d)", uint8(c))
}

// MarshalText is String; a value that is no codec is an error.
func (c Compression) MarshalText() ([]byte, error) {
	if int(c) >= len(compressionNames) {
		return nil, fmt.Errorf("publisher: compression %d is not known: use none, gzip, snappy, lz4, lz4-fast or zstd", uint8(c))
	}
	return []byte(c.String()), nil
}

// UnmarshalText accepts "none", "gzip", "snappy", "lz4", "zstd" and "lz4-fast".
func (c *Compression) UnmarshalText(b []byte) error {
	for i, name := range compressionNames {
		if string(b) == name {
			*c = Compression(i)
			return nil
		}
	}
	return fmt.Errorf("publisher: compression %q is not known: use none, gzip, snappy, lz4, lz4-fast or zstd", b)
}
