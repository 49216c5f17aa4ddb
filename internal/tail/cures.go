package tail

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/flowpub/flowpub/internal/config/variable"
	"github.com/flowpub/flowpub/publisher/answers"
)

// unreachable says why there is no connection.
func unreachable(err error) string {
	if name, ok := errors.AsType[*net.DNSError](err); ok {
		return fmt.Sprintf("cannot be looked up (%s): check the name", name.Err)
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refuses the connection: start the broker, or give one that runs as -brokers host:port"
	case isTimeout(err):
		return "does not answer: check the address, the route and the firewall"
	}
	return fmt.Sprintf("cannot be reached: %v", rootCause(err))
}

const (
	otherAddress = "give the address of a Kafka broker as -brokers"
	turnOnTLS    = "set " + variable.TLS + "=true"
	turnOffTLS   = "unset " + variable.TLS + ", or give the address of the encrypted listener"
)

// otherProtocol says what a peer speaks that does not answer as Kafka does.
func otherProtocol(begin []byte, encrypted bool) string {
	switch name := answers.ProtocolOf(begin); {
	case name == "TLS" && !encrypted:
		return "speaks TLS: " + turnOnTLS + ", if it is Kafka"
	case name != "":
		return "speaks " + name + ", not Kafka: " + otherAddress
	}
	return fmt.Sprintf("does not speak Kafka; its answer begins with %q: %s", begin, otherAddress)
}

// noAnswer says why a peer did not answer the first request.
func noAnswer(err error, encrypted bool) string {
	cure := "it wants TLS, or is not Kafka: " + turnOnTLS + ", or " + otherAddress
	if encrypted {
		cure = "it is not Kafka, or wants a client certificate: " + otherAddress + ", or set " + variable.TLSCertFile + " and " + variable.TLSKeyFile
	}
	if isTimeout(err) {
		return fmt.Sprintf("connects, and says nothing for %v: %s", answerTimeout, cure)
	}
	return "connects, and closes without an answer: " + cure
}

// handshakeFailed says why there is no TLS.
func handshakeFailed(err error) string {
	if record, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		if name := answers.ProtocolOf(record.RecordHeader[:]); name != "" {
			return "speaks " + name + ", not TLS: " + otherAddress
		}
		return "does not speak TLS: " + turnOffTLS
	}
	if unknown, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return certificateRefused(unknown)
	}
	switch {
	case isTimeout(err):
		return fmt.Sprintf("does not answer TLS for %v: %s", answerTimeout, turnOffTLS)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return "closes the connection instead of TLS: " + turnOffTLS
	}
	return fmt.Sprintf("refuses TLS (%v): see its log, and "+variable.TLSCertFile+" if it wants a client certificate", rootCause(err))
}

// certificateRefused says what is wrong with a broker's certificate.
func certificateRefused(err error) string {
	cure := "see the certificate, and the clock here"
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		cure = "set " + variable.TLSCAFile + " to the authority that signed it"
	} else if _, ok := errors.AsType[x509.HostnameError](err); ok {
		cure = "set " + variable.TLSServerName + " to a name that it has"
	}
	return fmt.Sprintf("has a certificate that does not hold (%v): %s", rootCause(err), cure)
}

// cures are what to do about the errors of brokers.
var cures = []struct {
	code kafka.Error
	text string
}{
	{kafka.SASLAuthenticationFailed, "the broker refuses the login: correct " + variable.SASLUsername + " and the password, or have a token that is valid"},
	{kafka.UnsupportedSASLMechanism, "the broker does not have this SASL mechanism: choose another as " + variable.SASLMechanism},
	{kafka.IllegalSASLState, "this listener has no SASL: unset " + variable.SASLMechanism + ", or give the address of the one that has"},
	{kafka.GroupAuthorizationFailed, "the user may not use the consumer group: permit READ on it, or leave -group out"},
	{kafka.TopicAuthorizationFailed, "the user may not read the topic: permit READ and DESCRIBE"},
	{kafka.ClusterAuthorizationFailed, "the user may not ask this: permit DESCRIBE"},
	{kafka.LeaderNotAvailable, "a partition has no leader: bring its brokers back"},
}

// explain says an error of the brokers in words for operators.
func (t *topic) explain(err error) error {
	if code := codeOf(err); code != 0 {
		err = code
	}
	err = t.security.Explain(err)
	if peer, ok := errors.AsType[*peerError](err); ok {
		return peer
	}
	for _, c := range cures {
		if errors.Is(err, c.code) {
			return &explainedError{c.text, err}
		}
	}
	if strange, ok := errors.AsType[*answers.Error](err); ok {
		return &explainedError{strange.Text + ": " + strange.Cure, err}
	}
	closed := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	switch {
	case closed && t.security.SASL() == nil:
		return &explainedError{"the broker closes the connection: set " + variable.SASLMechanism + " if it wants SASL, else see its log", err}
	case closed:
		return &explainedError{"the broker closes the connection: correct " + variable.SASLUsername + " and the password, or see its log", err}
	case isTimeout(err):
		return &explainedError{"the brokers do not answer: see their log and load", err}
	}
	return &explainedError{rootCause(err).Error(), err}
}

// codeOf returns Kafka's code for an error of the client that reads; 0 if it has none.
func codeOf(err error) kafka.Error {
	if e, ok := errors.AsType[*kerr.Error](err); ok {
		return kafka.Error(e.Code)
	}
	return 0
}

// explainedError is an error in other words.
type explainedError struct {
	text string
	err  error
}

// Error is part of error.
func (e *explainedError) Error() string { return e.text }

// Unwrap returns the error in its own words.
func (e *explainedError) Unwrap() error { return e.err }

// rootCause is the innermost of the errors that wrap each other. The others say
// which functions were called.
func rootCause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
