package sink

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// readBuffer is the size of one read: large enough that the system calls
	// cost little, small enough to stay in a processor's cache.
	readBuffer = 256 << 10
	// maxRequest bounds the size that a request may announce: Kafka's default
	// for socket.request.max.bytes.
	maxRequest = 100 << 20
	// maxControlRequest bounds every request but Produce, which is not held in
	// memory.
	maxControlRequest = 1 << 20
)

// session is one connection. It belongs to one goroutine.
type session struct {
	sink *Sink
	conn net.Conn
	in   *bufio.Reader
	left int // bytes of the request that are still to be read
	out  []byte
	// scratch is what numbers and headers of batches are read into.
	scratch [batchHeaderSize]byte
	err     error // the first that reading met
}

// requestHead is what begins every request (Kafka protocol guide, "Request
// Header").
type requestHead struct {
	key, version int16
	correlation  int32
}

func newSession(s *Sink, c net.Conn) *session {
	return &session{sink: s, conn: c, in: bufio.NewReaderSize(c, readBuffer)}
}

// serve answers requests until the connection ends, and says why it did.
func (s *session) serve() error {
	for {
		if err := s.answerNext(); err != nil {
			return err
		}
	}
}

// answerNext reads a request and answers it.
func (s *session) answerNext() error {
	s.left = 4
	s.left = int(s.int32())
	if s.err == nil && (s.left < 0 || s.left > maxRequest) {
		return fmt.Errorf("sink: request of %d bytes", s.left)
	}
	head := requestHead{key: s.int16(), version: s.int16(), correlation: s.int32()}
	s.skipString() // the client's id
	if s.err != nil {
		return s.err
	}
	if head.key == int16(kmsg.Produce) {
		return s.produce(head)
	}
	request, err := s.controlRequest(head)
	if err != nil {
		return err
	}
	response, err := s.sink.respond(request)
	if err != nil {
		return err
	}
	return s.send(head, response)
}

// controlRequest reads the rest of a request that is not Produce.
func (s *session) controlRequest(head requestHead) (kmsg.Request, error) {
	if s.left > maxControlRequest {
		return nil, fmt.Errorf("sink: request %d has %d bytes left", head.key, s.left)
	}
	request := kmsg.RequestForKey(head.key)
	if request == nil {
		return nil, fmt.Errorf("sink: request %d is not known", head.key)
	}
	body := make([]byte, s.left)
	if _, err := io.ReadFull(s.in, body); err != nil {
		return nil, err
	}
	request.SetVersion(head.version)
	if request.IsFlexible() {
		b := kbin.Reader{Src: body}
		kmsg.SkipTags(&b)
		body = b.Src
	}
	if head.version > request.MaxVersion() { // it may still be an ApiVersions
		return request, nil
	}
	if err := request.ReadFrom(body); err != nil {
		return nil, fmt.Errorf("sink: %s request: %w", kmsg.NameForKey(head.key), err)
	}
	return request, nil
}

// send sends a response.
func (s *session) send(head requestHead, response kmsg.Response) error {
	s.out = append(s.out[:0], 0, 0, 0, 0)
	s.out = binary.BigEndian.AppendUint32(s.out, uint32(head.correlation))
	if response.IsFlexible() && response.Key() != int16(kmsg.ApiVersions) {
		s.out = append(s.out, 0) // no tagged fields
	}
	s.out = response.AppendTo(s.out)
	binary.BigEndian.PutUint32(s.out, uint32(len(s.out)-4))
	_, err := s.conn.Write(s.out)
	return err
}

// errEnded is why a session ends that waits while the sink is closed.
var errEnded = errors.New("sink: closed")

// wait lets the sink's delay pass.
func (s *session) wait() error {
	if s.sink.cfg.Delay == 0 {
		return nil
	}
	timer := time.NewTimer(s.sink.cfg.Delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-s.sink.ended:
		return errEnded
	}
}

// read reads n bytes of the request, at most len(scratch). After an error it
// returns zeros.
func (s *session) read(n int) []byte {
	b := s.scratch[:n]
	if s.left -= n; s.left < 0 && s.err == nil {
		s.err = errors.New("sink: request ends too soon")
	}
	if s.err == nil {
		_, s.err = io.ReadFull(s.in, b)
	}
	if s.err != nil {
		clear(b)
	}
	return b
}

func (s *session) int16() int16 { return int16(binary.BigEndian.Uint16(s.read(2))) }
func (s *session) int32() int32 { return int32(binary.BigEndian.Uint32(s.read(4))) }

// skip passes over n bytes of the request; below zero, over none.
func (s *session) skip(n int) {
	if s.left -= max(n, 0); s.left < 0 && s.err == nil {
		s.err = errors.New("sink: request ends too soon")
	}
	if s.err == nil && n > 0 {
		_, s.err = s.in.Discard(n)
	}
}

// skipString passes over a string, which may be null.
func (s *session) skipString() { s.skip(int(s.int16())) }

// string reads a string of up to 249 bytes, the longest name of a topic.
func (s *session) string() string {
	n := int(s.int16())
	if n < 0 || n > maxTopicName || n > s.left {
		s.err = errors.Join(s.err, fmt.Errorf("sink: name of %d bytes", n))
		return ""
	}
	b := make([]byte, n)
	s.left -= n
	if s.err == nil {
		_, s.err = io.ReadFull(s.in, b)
	}
	return string(b)
}
