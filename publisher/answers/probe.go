package answers

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// probeTime bounds asking a peer what it is; with patience it is named within 2 s.
	probeTime = 700 * time.Millisecond
	// probePause is how long the result is kept: a broker that hangs is not asked again and again.
	probePause = time.Minute
	// maxPeers bounds how many addresses are remembered.
	maxPeers = 4 * maxBrokers
)

// peers is what is known of addresses. It is safe for concurrent use.
type peers struct {
	mu    sync.Mutex
	known map[string]peer
}

type peer struct {
	kafka bool // it has answered as a broker
	asked time.Time
	found *Error // what it is, when it was asked
}

// trust notes that a broker answers at an address: it is never asked what it is.
func (p *peers) trust(address string) { p.set(address, peer{kafka: true}) }

func (p *peers) set(address string, now peer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, known := p.known[address]; p.known == nil || !known && len(p.known) >= maxPeers {
		p.known = make(map[string]peer)
	}
	p.known[address] = now
}

func (p *peers) get(address string) peer {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known[address]
}

// ask finds out, on connections of its own, what a peer is that did not answer the
// first request; nil if that is not known. The client encrypts or it does not.
func (p *peers) ask(ctx context.Context, address string, encrypted bool) *Error {
	before := p.get(address)
	if before.kafka || time.Since(before.asked) < probePause {
		return before.found
	}
	questions := []question{askTLS, askText}
	if encrypted {
		questions = []question{askPlain, askText}
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	answers := make(chan *Error, len(questions))
	for _, q := range questions {
		go func() { answers <- q(ctx, address) }()
	}
	var found *Error
	for range questions {
		if e := <-answers; e != nil {
			found = e
			break
		}
	}
	p.set(address, peer{asked: time.Now(), found: found})
	return found
}

// question asks a peer what it is, and returns nil if it does not tell.
type question func(ctx context.Context, address string) *Error

// askTLS offers TLS.
func askTLS(ctx context.Context, address string) *Error {
	conn, err := dial(ctx, address)
	if err != nil {
		return nil
	}
	defer func() { _ = conn.Close() }()
	host, _, _ := net.SplitHostPort(address)
	err = tls.Client(conn, &tls.Config{
		ServerName: host, MinVersion: tls.VersionTLS12, InsecureSkipVerify: true, //nolint:gosec // nothing is sent over it
	}).HandshakeContext(ctx)
	var network *net.OpError
	record, strange := errors.AsType[tls.RecordHeaderError](err)
	switch {
	case strange:
		return name(address, record.RecordHeader[:])
	case err == nil, errors.As(err, &network) && network.Op == "remote error":
		return wantsTLS(address)
	}
	return nil
}

// askText sends a line that servers of HTTP and of other protocols of lines answer.
func askText(ctx context.Context, address string) *Error {
	head := exchange(ctx, address, []byte("GET / HTTP/1.0\r\n\r\n"))
	if isTLSRecord(head) {
		return nil // askTLS is surer
	}
	return name(address, head)
}

// probeID numbers the request of askPlain.
const probeID = 0x666c6f77

// askPlain sends a request of Kafka's without encryption.
func askPlain(ctx context.Context, address string) *Error {
	b := binary.BigEndian.AppendUint32(nil, 10) // its size
	b = binary.BigEndian.AppendUint16(b, apiVersions)
	b = binary.BigEndian.AppendUint16(b, 0) // version
	b = binary.BigEndian.AppendUint32(b, probeID)
	b = binary.BigEndian.AppendUint16(b, 0) // no name
	head := exchange(ctx, address, b)
	if len(head) >= answerHead && binary.BigEndian.Uint32(head[sizeBytes:]) == probeID {
		return wantsPlain(address)
	}
	if isTLSRecord(head) {
		return nil
	}
	return name(address, head)
}

// exchange returns the first bytes of a peer that was sent something.
func exchange(ctx context.Context, address string, sent []byte) []byte {
	conn, err := dial(ctx, address)
	if err != nil {
		return nil
	}
	defer func() { _ = conn.Close() }()
	if limit, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(limit)
	}
	if _, err := conn.Write(sent); err != nil {
		return nil
	}
	head := make([]byte, 64)
	n, _ := io.ReadAtLeast(conn, head, answerHead)
	return head[:n]
}

func dial(ctx context.Context, address string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", address)
}
