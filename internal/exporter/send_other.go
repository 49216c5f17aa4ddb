//go:build !linux

package exporter

// batch sends datagrams one by one, where the system has no call for several.
type batch struct{}

func newBatch() *batch { return new(batch) }

// send sends the first payload and returns 1, or 0 with an error. It waits
// while the socket is full.
func (*batch) send(from *socket, payloads [][]byte) (int, error) {
	if _, err := from.conn.Write(payloads[0]); err != nil {
		return 0, err
	}
	return 1, nil
}

// pendingError is nil: the error of the last send is not asked for here.
func (*socket) pendingError() error { return nil }
