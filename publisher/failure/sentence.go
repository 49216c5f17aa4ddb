package failure

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/segmentio/kafka-go/protocol"

	"github.com/flowpub/flowpub/publisher/answers"
)

// Sentence says an error to operators: what happened, without the functions that
// it came through.
func Sentence(err error) string {
	var (
		said    interface{ Sentence() string }
		known   *Error
		strange *answers.Error
		network *net.OpError
		system  syscall.Errno
	)
	switch {
	case errors.As(err, &said):
		return said.Sentence()
	case errors.As(err, &strange):
		return strange.Error()
	case errors.As(err, &known):
		return strings.TrimPrefix(err.Error(), "publisher: ")
	case errors.Is(err, protocol.ErrNoLeader):
		return ErrNoLeader.Error()
	case errors.Is(err, protocol.ErrNoTopic), errors.Is(err, protocol.ErrNoPartition):
		return "the cluster does not know the topic or partition"
	case errors.As(err, &network) && network.Op == "dial":
		return "no connection" + addressOf(network) + ": " + reason(network)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "the broker did not answer in time"
	case errors.As(err, &network) && errors.As(err, &system):
		return "the connection" + addressOf(network) + " has ended: " + system.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the broker closed the connection"
	}
	return strings.TrimPrefix(err.Error(), "publisher: ")
}

// At is an error with the address of the broker that was asked.
func At(address string, err error) error { return &brokerError{address, err} }

type brokerError struct {
	address string
	err     error
}

// Error is part of error.
func (e *brokerError) Error() string {
	text := Sentence(e.err)
	if strings.Contains(text, e.address) {
		return text
	}
	return "broker " + e.address + ": " + text
}

// Sentence is what operators are told.
func (e *brokerError) Sentence() string { return e.Error() }

// Unwrap is part of what errors.Is and errors.As look for.
func (e *brokerError) Unwrap() error { return e.err }

// addressOf returns where an operation was meant to go; empty if that is not known.
func addressOf(err *net.OpError) string {
	if err.Addr == nil {
		return ""
	}
	return " to " + err.Addr.String()
}

// reason says why a connection was not made.
func reason(err *net.OpError) string {
	var system syscall.Errno
	switch {
	case err.Timeout():
		return "no answer in time"
	case errors.As(err, &system):
		return system.Error()
	}
	return err.Err.Error()
}
