package publisher

import (
	"encoding/binary"
	"errors"
	"io"
	"sync"
)

// errRevoked is what a client gets that reads a batch after it gave up on it.
var errRevoked = errors.New("publisher: the attempt has ended")

// recordSet gives a batch to the client as the protocol writes it, a size and
// then the bytes. The client may still read it when the attempt has ended for
// us, after a time-out: revoke makes sure that it never reads memory that has
// another use by then.
type recordSet struct {
	mu      sync.Mutex
	batch   []byte
	taken   bool
	revoked bool
}

// WriteTo copies the record set; it is all that io.Copy calls.
func (r *recordSet) WriteTo(w io.Writer) (int64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.revoked {
		return 0, errRevoked
	}
	r.taken = true
	var size [4]byte
	binary.BigEndian.PutUint32(size[:], uint32(len(r.batch)))
	n, err := w.Write(size[:])
	if err != nil {
		return int64(n), err
	}
	m, err := w.Write(r.batch)
	return int64(n + m), err
}

// revoke ends the client's access and reports whether it had the batch: if not,
// nothing of it can have reached a broker.
func (r *recordSet) revoke() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.revoked = true
	return r.taken
}

// Read is not used: a client that calls it gets an error, not half a batch.
func (*recordSet) Read([]byte) (int, error) { return 0, errors.ErrUnsupported }
