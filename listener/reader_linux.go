//go:build !portable

package listener

import (
	"errors"
	"os"
	"time"
)

// reader reads the datagrams of one socket in batches, with pauses between in
// which they collect. Only one goroutine may use it.
type reader struct {
	*batch
	socket *socket
	pacer  *pacer
	timer  *time.Timer
	pause  time.Duration // before the next read
}

// newReader returns a reader of s.
func (s *socket) newReader() (*reader, error) {
	b, err := newBatch(s.raw, batchSize)
	if err != nil {
		return nil, err
	}
	r := &reader{batch: b, socket: s, pacer: newPacer(s.delay, s.granted), timer: time.NewTimer(time.Hour)}
	r.timer.Stop()
	return r, nil
}

// read waits for datagrams and returns them; they are valid until the next
// call. After stop it returns errStopping.
func (r *reader) read() ([]Datagram, error) {
	for {
		r.rest(r.pause)
		if r.socket.stopping.Load() {
			return nil, errStopping
		}
		datagrams, err := r.poll()
		r.pause = r.pacer.pause(time.Now(), len(datagrams))
		if !errors.Is(err, errQueueEmpty) {
			return datagrams, err
		}
		if r.pause > 0 {
			continue
		}
		if err := r.socket.await(); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, err
		}
	}
}

// readUntil is read up to a time, with what may have been said to stop ignored;
// then it returns errStopping.
func (r *reader) readUntil(end time.Time) ([]Datagram, error) {
	for time.Now().Before(end) {
		datagrams, err := r.poll()
		if !errors.Is(err, errQueueEmpty) {
			return datagrams, err
		}
		r.rest(time.Millisecond)
	}
	return nil, errStopping
}

// rest leaves the socket alone for a time.
func (r *reader) rest(pause time.Duration) {
	if pause > 0 {
		r.timer.Reset(pause)
		<-r.timer.C
	}
}
