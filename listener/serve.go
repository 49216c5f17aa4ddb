package listener

import (
	"errors"
	"fmt"
	"sync"
)

// Serve reads every socket in a goroutine of its own, each with a handler of
// its own, until Drain or Close is called: then it returns nil, after the last
// handler returned. It asks for the handlers before it reads, in order.
//
// A socket that fails ends Serve with an error that names it; the others are
// drained first. What passes by itself is no failure, unless it lasts a second:
// an interrupted call, memory the kernel lacks, word of somebody's datagram
// that found no receiver.
//
// Serve may be called once; after Drain or Close it returns nil at once. When
// it returns, the sockets are closed.
func (l *Listener) Serve(handler func(socket int) Handler) error {
	if begun, err := l.begin(); !begun {
		return err
	}
	defer close(l.served)
	return errors.Join(l.read(handler), l.closeSockets())
}

// begin reports whether there is something to serve; if so, Drain will wait for
// the end of Serve.
func (l *Listener) begin() (begun bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.serving {
		return false, fmt.Errorf("listener: %v is served already: call Serve once", l.addr)
	}
	l.serving = !l.stopped
	return l.serving, nil
}

// read reads all sockets until each has ended, and returns what failed.
func (l *Listener) read(handler func(socket int) Handler) error {
	handlers := make([]Handler, len(l.sockets))
	for i := range handlers {
		handlers[i] = handler(i)
	}
	failed := make([]error, len(l.sockets))
	var readers sync.WaitGroup
	for i, s := range l.sockets {
		readers.Go(func() {
			if failed[i] = s.serve(handlers[i]); failed[i] != nil {
				l.endReading()
			}
		})
	}
	readers.Wait()
	return errors.Join(failed...)
}

// Drain makes an end without losing what was accepted: all sockets refuse new
// datagrams, what the kernel had queued before goes to the handlers, and when
// the last of them has returned the sockets are closed, all at once, since
// closing one would move its senders to the others. Then Drain returns. Senders
// get no answer while datagrams are refused.
//
// It waits for the handlers as long as they take. It may be called more than
// once; each call waits. Close cuts it short. Before Serve it does what Close
// does, since there is no handler yet.
//
// An error names the socket that could not refuse. That one is read on for
// a while instead, as all are on systems other than Linux, and datagrams that
// arrive between its last read and its end are lost uncounted.
func (l *Listener) Drain() error {
	if serving := l.stop(); !serving {
		return l.closeSockets()
	}
	l.endReading()
	<-l.served
	var errs []error
	for _, s := range l.sockets {
		errs = append(errs, s.refuseErr)
	}
	return errors.Join(errs...)
}

// Close closes the sockets at once; what the kernel holds is lost uncounted. It
// does not wait for handlers: Serve returns when they have. It may be called at
// any time and more than once.
func (l *Listener) Close() error {
	l.stop()
	return l.closeSockets()
}

// stop keeps Serve from beginning, and reports whether it has begun.
func (l *Listener) stop() (serving bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	return l.serving
}

// endReading makes every reader, now or when its handler returned, find that no
// more is to be read.
func (l *Listener) endReading() {
	for _, s := range l.sockets {
		s.stop()
	}
}

// closeSockets closes all sockets that are still open.
func (l *Listener) closeSockets() error {
	var errs []error
	for _, s := range l.sockets {
		errs = append(errs, s.close())
	}
	return errors.Join(errs...)
}
