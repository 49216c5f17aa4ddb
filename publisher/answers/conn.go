package answers

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/flowpub/flowpub/internal/config/variable"
)

const (
	// frameTime is the longest that an answer may take from its first byte to its last.
	frameTime = 10 * time.Second
	// patience is how long a peer may be silent on a new connection before it is asked
	// what it is.
	patience = time.Second
	// keptFrame is the largest memory that a connection keeps for the next answer.
	keptFrame = 64 << 10
	// A request begins with its size, its kind, its version and its number, the last of
	// which its answer has behind its own size.
	requestHead = 12
	answerHead  = 8
	sizeBytes   = 4
)

// request is one whose answer is due.
type request struct {
	key, version int16
	id           int32
	raw          bool // bytes of a login, without a request around them
}

// Conn is a connection on which only whole answers that were checked are read. One
// goroutine at a time uses it, as the client does; Close is safe for concurrent use.
type Conn struct {
	net.Conn
	checker *Checker
	address string
	reader  *bufio.Reader
	limit   time.Time // set by the client
	begun   bool      // its first limit was taken away

	// Of what is written: the head of the request under way, as far as it is there,
	// and how much of the rest is to come.
	head [requestHead]byte
	have int
	rest int
	raw  int // how many messages of a login come without requests around them

	due      request
	waiting  bool // the answer to due was not read yet
	answered int  // how many answers there were
	memory   bytes.Buffer
	frame    []byte // what the client has not read of the last answer
	err      error

	throttled atomic.Bool // the broker asked to be left alone
}

func newConn(c *Checker, conn net.Conn, address string) *Conn {
	return &Conn{Conn: conn, checker: c, address: address, reader: bufio.NewReader(conn)}
}

// Close is part of net.Conn. What the broker asked for on this connection is void.
func (c *Conn) Close() error {
	err := c.Conn.Close()
	c.checker.forget(c)
	return err
}

// SetDeadline is part of net.Conn. It takes every limit, but not its first removal: the
// client takes its limit for connecting away before the broker has taken the password,
// and a broker that says no more would then have it wait for ever. Each request sets
// its own.
func (c *Conn) SetDeadline(limit time.Time) error {
	if limit.IsZero() && !c.begun {
		c.begun = true
		return nil
	}
	c.limit = limit
	return c.Conn.SetDeadline(limit)
}

// Write is part of net.Conn. Of what is written only the head of each request is
// looked at.
func (c *Conn) Write(b []byte) (int, error) {
	c.note(b)
	return c.Conn.Write(b)
}

// note follows the requests in what is written.
func (c *Conn) note(b []byte) {
	for len(b) > 0 {
		if c.rest > 0 {
			n := min(c.rest, len(b))
			c.rest -= n
			b = b[n:]
			continue
		}
		whole := requestHead
		if c.raw > 0 {
			whole = sizeBytes
		}
		n := copy(c.head[c.have:whole], b)
		b = b[n:]
		if c.have += n; c.have == whole {
			c.begin()
		}
	}
}

// begin notes what answer is due to the request whose head is there.
func (c *Conn) begin() {
	size := int(binary.BigEndian.Uint32(c.head[:]))
	c.rest = max(0, size+sizeBytes-c.have)
	c.have = 0
	c.waiting, c.frame = true, nil
	if c.raw > 0 {
		c.due = request{raw: true}
		return
	}
	c.due = request{
		key:     int16(binary.BigEndian.Uint16(c.head[4:])),
		version: int16(binary.BigEndian.Uint16(c.head[6:])),
		id:      int32(binary.BigEndian.Uint32(c.head[8:])),
	}
}

// Read is part of net.Conn.
func (c *Conn) Read(b []byte) (int, error) {
	if len(c.frame) == 0 {
		if c.err == nil {
			c.frame, c.err = c.next()
		}
		if c.err != nil {
			return 0, c.err
		}
	}
	n := copy(b, c.frame)
	c.frame = c.frame[n:]
	return n, nil
}

var errNothingDue = errors.New("the client reads an answer that it did not ask for")

// next returns the answer that is due, with its size before it.
func (c *Conn) next() ([]byte, error) {
	if !c.waiting {
		return nil, errNothingDue
	}
	c.waiting = false
	if c.answered == 0 {
		if err := c.awaitFirst(); err != nil {
			return nil, err
		}
	}
	if c.due.raw {
		return c.nextRaw()
	}
	a, known := apiOf(c.due.key)
	if !known || c.due.version < 0 || c.due.version > a.newest {
		return nil, malformed(c.address, fmt.Sprintf("request %d", c.due.key), "version %d of it is not known here", c.due.version)
	}
	frame, err := c.readAnswer(a.name, a.size)
	if err != nil {
		return nil, err
	}
	w, err := a.walk(c.due.version, frame[sizeBytes:])
	if err != nil {
		return nil, malformed(c.address, a.name, "%v", err)
	}
	if err := c.learn(w); err != nil {
		return nil, err
	}
	return frame, nil
}

// learn acts on what an answer tells.
func (c *Conn) learn(w *walker) error {
	c.answered++
	switch c.due.key {
	case apiVersions:
		if w.code == 0 && !w.broker {
			return &Error{
				NotKafka, c.address + " speaks Kafka, but takes no messages: it is a controller, or something like that",
				"name a port of a broker in " + variable.Brokers,
			}
		}
		c.checker.peers.trust(c.address)
	case saslHandshake:
		return c.handshaken(w)
	}
	if c.due.key == produce {
		c.checker.throttle(c, w.asked)
	}
	return nil
}

// Codes of SaslHandshake's answer.
const (
	unsupportedMechanism = 33
	illegalState         = 34
)

// handshaken acts on the answer to the beginning of a login.
func (c *Conn) handshaken(w *walker) error {
	switch w.code {
	case 0:
		if c.due.version == 0 {
			c.raw = rawMessages(c.checker.Mechanism)
		}
	case illegalState:
		return &Error{
			WrongSASL, c.address + " takes no login: that listener is without SASL",
			"name a port with SASL in " + variable.Brokers + ", or leave " + variable.SASLMechanism + " out",
		}
	case unsupportedMechanism:
		if offered := offer(w.mechanisms); offered != "" {
			return &Error{
				WrongSASL, fmt.Sprintf("%s does not take the login %s: it takes %s", c.address, c.checker.Mechanism, offered),
				"set " + variable.SASLMechanism + " to one that the broker takes, or enable this one there",
			}
		}
	}
	return nil
}

// offer lists the mechanisms of a broker, those that are words.
func offer(mechanisms []string) string {
	var words []string
	for _, m := range mechanisms[:min(len(mechanisms), 8)] {
		if len(m) <= mostQuoted && m != "" && strings.Trim(m, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == "" {
			words = append(words, m)
		}
	}
	return strings.Join(words, ", ")
}

// rawMessages is how many messages a login takes that succeeds.
func rawMessages(mechanism string) int {
	if strings.HasPrefix(mechanism, "SCRAM-") {
		return 2
	}
	return 1
}

// nextRaw returns the answer to bytes of a login. A broker that says something where
// the login should end is told more.
func (c *Conn) nextRaw() ([]byte, error) {
	a, _ := apiOf(saslAuthenticate)
	head, err := c.reader.Peek(sizeBytes)
	if err != nil {
		return nil, err
	}
	size := int(int32(binary.BigEndian.Uint32(head)))
	if size < 0 || size > a.size {
		return nil, malformed(c.address, a.name, "it would have %d bytes: at most %d are taken", size, a.size)
	}
	frame, err := c.whole(size)
	if err != nil {
		return nil, err
	}
	if c.raw > 1 || size == 0 || c.checker.Mechanism != "OAUTHBEARER" {
		c.raw--
	}
	return frame, nil
}

// readAnswer returns an answer with its size before it, of at most so many bytes.
func (c *Conn) readAnswer(answer string, most int) ([]byte, error) {
	head, err := c.answerHead()
	if err != nil {
		return nil, c.cutOff(head, err)
	}
	size := int(int32(binary.BigEndian.Uint32(head)))
	id := int32(binary.BigEndian.Uint32(head[sizeBytes:]))
	if id != c.due.id || size < sizeBytes || size > most {
		return nil, c.stranger(answer, size, id, most)
	}
	return c.whole(size)
}

// answerHead returns the size and the number of an answer. A peer that has sent less
// as its first answer, and then no more for a while, may have said what it is.
func (c *Conn) answerHead() ([]byte, error) {
	soon := time.Now().Add(patience / 2)
	if c.answered > 0 || !c.limit.IsZero() && c.limit.Before(soon) {
		return c.reader.Peek(answerHead)
	}
	_ = c.SetReadDeadline(soon)
	head, err := c.reader.Peek(answerHead)
	_ = c.SetReadDeadline(c.limit)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return head, err
	}
	if e := name(c.address, head); e != nil {
		return nil, e
	}
	return c.reader.Peek(answerHead)
}

// stranger says what a peer is whose answer has a wrong head.
func (c *Conn) stranger(answer string, size int, id int32, most int) error {
	if c.answered == 0 {
		head := c.greeting()
		switch e := name(c.address, head); {
		case e != nil:
			return e
		case bytes.HasPrefix(head[sizeBytes:], c.head[4:]):
			return notKafka(c.address, "it sends back what it is sent")
		}
	}
	if size < sizeBytes || size > most {
		return malformed(c.address, answer, "it would have %d bytes: at most %d are taken", size, most)
	}
	return malformed(c.address, answer, "it answers request %d, and %d is due", id, c.due.id)
}

// greeting returns the first bytes of a peer, with what comes right behind them.
func (c *Conn) greeting() []byte {
	_ = c.SetReadDeadline(time.Now().Add(patience / 5))
	head, _ := c.reader.Peek(64)
	return head
}

// cutOff says what a connection means that ends with so much of an answer.
func (c *Conn) cutOff(head []byte, err error) error {
	if c.answered == 0 && len(head) > 0 {
		if e := name(c.address, head); e != nil {
			return e
		}
	}
	switch {
	case len(head) > 0 && errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	case c.answered == 1 && c.checker.Mechanism == "" && c.due.key == metadata && isClosed(err):
		return &Error{
			WrongSASL, c.address + " closes the connection at the first request: that listener seems to want a login",
			"set " + variable.SASLMechanism + " and what goes with it, or name a port without SASL in " + variable.Brokers,
		}
	}
	return err
}

// isClosed reports whether the peer has ended the connection.
func isClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// whole reads a frame of so many bytes behind its size. Memory is taken as bytes come.
func (c *Conn) whole(size int) ([]byte, error) {
	limit := time.Now().Add(frameTime)
	if c.reader.Buffered() < sizeBytes+size && (c.limit.IsZero() || limit.Before(c.limit)) {
		_ = c.SetReadDeadline(limit)
		defer func() { _ = c.SetReadDeadline(c.limit) }()
	}
	if c.memory.Cap() > keptFrame {
		c.memory = bytes.Buffer{}
	}
	c.memory.Reset()
	n, err := io.CopyN(&c.memory, c.reader, int64(sizeBytes+size))
	if err != nil && n > 0 && errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return c.memory.Bytes(), err
}

// awaitFirst waits for the first byte of a peer. One that is silent for a while, or
// ends the connection, is asked what it is, since brokers answer the first request
// whoever sends it.
func (c *Conn) awaitFirst() error {
	soon := time.Now().Add(patience)
	silence := c.limit.IsZero() || soon.Before(c.limit)
	if silence {
		_ = c.SetReadDeadline(soon)
	}
	_, err := c.reader.Peek(1)
	_ = c.SetReadDeadline(c.limit)
	switch {
	case err == nil:
		return nil
	case isClosed(err):
		if e := c.checker.peers.ask(context.Background(), c.address, c.checker.TLS); e != nil {
			return e
		}
		return err
	case silence && errors.Is(err, os.ErrDeadlineExceeded):
		if e := c.checker.peers.ask(context.Background(), c.address, c.checker.TLS); e != nil {
			return e
		}
		return nil
	}
	return err
}
