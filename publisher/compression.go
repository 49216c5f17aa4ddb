package publisher

import "fmt"

// Compression is the codec of a record batch. Its values are those of the
// batch's attributes.
type Compression uint8

// The codecs Kafka knows.
const (
	CompressionNone Compression = iota
	CompressionGzip
	CompressionSnappy
	CompressionLZ4
	CompressionZstd
)

// compressionNames is indexed by Compression.
var compressionNames = [...]string{"none", "gzip", "snappy", "lz4", "zstd"}

// String returns "none", "gzip", "snappy", "lz4" or "zstd".
func (c Compression) String() string {
	if int(c) < len(compressionNames) {
		return compressionNames[c]
	}
	return fmt.Sprintf("Compression(%d)", uint8(c))
}

// MarshalText is String; a value that is no codec is an error.
func (c Compression) MarshalText() ([]byte, error) {
	if int(c) >= len(compressionNames) {
		return nil, fmt.Errorf("publisher: compression %d is not known: use none, gzip, snappy, lz4 or zstd", uint8(c))
	}
	return []byte(c.String()), nil
}

// UnmarshalText accepts "none", "gzip", "snappy", "lz4" and "zstd".
func (c *Compression) UnmarshalText(b []byte) error {
	for i, name := range compressionNames {
		if string(b) == name {
			*c = Compression(i)
			return nil
		}
	}
	return fmt.Errorf("publisher: compression %q is not known: use none, gzip, snappy, lz4 or zstd", b)
}
