package decoder

import "errors"

// The reasons to refuse a datagram, the same for every format. Decoders return
// them as they are, so that refusing allocates nothing.
var (
	// ErrShort: the datagram ends within its header.
	ErrShort = errors.New("decoder: datagram ends within its header")
	// ErrVersion: the datagram is of another protocol or another version.
	ErrVersion = errors.New("decoder: datagram is of another protocol or version")
	// ErrNoRecords: the header is whole but announces no record, or not one
	// whole record follows it.
	ErrNoRecords = errors.New("decoder: packet without a whole record")
)
