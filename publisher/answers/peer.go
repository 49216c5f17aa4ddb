package answers

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/flowpub/flowpub/internal/config/variable"
)

// Kind is what is wrong with a peer.
type Kind uint8

// The kinds of errors.
const (
	// NotKafka: something else answers at the address.
	NotKafka Kind = iota
	// WrongTLS: the peer wants TLS and gets none, or the reverse.
	WrongTLS
	// WrongSASL: the peer wants a login and gets none, or another kind of login.
	WrongSASL
	// Malformed: the peer speaks Kafka, but this answer cannot be used.
	Malformed
)

// Error is why an answer is not shown to the client.
type Error struct {
	Kind Kind
	// Text says what the peer did, Cure what to do about it.
	Text, Cure string
}

// Error is part of error.
func (e *Error) Error() string { return e.Text }

// cureAddress is for whoever configured a port that is not Kafka's.
const cureAddress = "name the host and port of a Kafka broker in " + variable.Brokers + ", or correct the broker's advertised.listeners"

func notKafka(address, what string) *Error {
	return &Error{NotKafka, address + " does not speak Kafka: " + what, cureAddress}
}

// wantsTLS tells of a peer that takes TLS only.
func wantsTLS(address string) *Error {
	return &Error{
		WrongTLS, address + " speaks TLS, and flowpub does not: " + variable.TLS + " is false",
		"set " + variable.TLS + "=true, or name a port without TLS in " + variable.Brokers,
	}
}

// wantsPlain tells of a broker without TLS.
func wantsPlain(address string) *Error {
	return &Error{
		WrongTLS, address + " speaks Kafka without TLS, and flowpub wants TLS: " + variable.TLS + " is true",
		"name the broker's port for TLS in " + variable.Brokers + ", or set " + variable.TLS + "=false",
	}
}

// name says what a peer is whose first bytes are no answer of Kafka's; nil if they say
// nothing.
func name(address string, head []byte) *Error {
	switch {
	case len(head) == 0:
		return nil
	case isTLSRecord(head):
		return wantsTLS(address)
	}
	if what := notTLS(head); what != "" {
		return notKafka(address, "it seems to speak "+what)
	}
	if text := printable(head); text != "" {
		return notKafka(address, "it answers with the text "+text)
	}
	return nil
}

// isTLSRecord reports whether a record of TLS begins there: an alert or a handshake
// (RFC 8446, section 5.1).
func isTLSRecord(head []byte) bool {
	return len(head) >= 3 && (head[0] == 0x15 || head[0] == 0x16) && head[1] == 3 && head[2] <= 4
}

// beginnings are the first bytes by which protocols are known, the longer before the
// shorter.
var beginnings = []struct{ bytes, protocol string }{
	{"HTTP/", "HTTP"},
	{"<!DOCTYPE", "HTTP"},
	{"<html", "HTTP"},
	{"SSH-", "SSH"},
	{"RTSP/", "RTSP"},
	{"SIP/", "SIP"},
	{"ICY ", "Icecast"},
	{"* OK", "IMAP"},
	{"* BYE", "IMAP"},
	{"+PONG", "Redis"},
	{"-ERR unknown command", "Redis"},
	{"-ERR Protocol error", "Redis"},
	{"-ERR wrong number", "Redis"},
	{"-NOAUTH", "Redis"},
	{"-DENIED", "Redis"},
	{"-LOADING", "Redis"},
	{"-MISCONF", "Redis"},
	{"-ERR 'Unknown Protocol Operation'", "NATS"},
	{"INFO {", "NATS"},
	{"+OK", "POP3 or Redis"},
	{"-ERR", "POP3 or Redis"},
	{"ERROR\r\n", "memcached"},
	{"CLIENT_ERROR", "memcached"},
	{"SERVER_ERROR", "memcached"},
	{"ERROR\n", "STOMP"},
	{"AMQP", "AMQP"},
	{"RFB ", "VNC"},
	{"@RSYNCD:", "rsync"},
	{"<?xml", "XMPP"},
	{"<stream", "XMPP"},
	{"ESFATAL", "PostgreSQL"},
	{"EFATAL", "PostgreSQL"},
	{"\xff\xfb", "Telnet"},
	{"\xff\xfd", "Telnet"},
	{"\xff\xfe", "Telnet"},
	{"\x04\x01", "Microsoft SQL Server"},
	{"\x20\x02\x00", "MQTT"},
}

// ProtocolOf names the protocol, other than Kafka's, that begins so; empty if it is
// not known. The first 32 bytes are enough.
func ProtocolOf(head []byte) string {
	if isTLSRecord(head) {
		return "TLS"
	}
	return notTLS(head)
}

// notTLS is ProtocolOf without TLS.
func notTLS(head []byte) string {
	for _, b := range beginnings {
		if bytes.HasPrefix(head, []byte(b.bytes)) {
			return b.protocol
		}
	}
	at := func(i int) byte {
		if i < len(head) {
			return head[i]
		}
		return 0
	}
	switch {
	case len(head) >= 4 && isDigits(head[:3]) && (head[3] == ' ' || head[3] == '-'):
		return mailOrFiles(head)
	case at(0) == 'E' && at(1) == 0 && at(2) == 0 && at(5) == 'S': // an error, its length, its severity
		return "PostgreSQL"
	case len(head) >= 5 && head[3] == 0 && (head[4] == 0x0a || head[4] == 0xff): // the first packet: version 10, or an error
		return "MySQL"
	case len(head) >= 9 && head[0] == 0 && head[3] == 4 && bytes.Equal(head[4:9], make([]byte, 5)): // SETTINGS of stream 0
		return "HTTP/2"
	}
	return ""
}

func isDigits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// mailOrFiles tells apart the protocols that greet with a number of three digits.
func mailOrFiles(head []byte) string {
	text := strings.ToUpper(string(head))
	switch {
	case strings.Contains(text, "SMTP"), strings.Contains(text, "MAIL"), strings.Contains(text, "POSTFIX"), strings.Contains(text, "EXIM"):
		return "SMTP"
	case strings.Contains(text, "FTP"):
		return "FTP"
	}
	return "SMTP or FTP"
}

// mostQuoted bounds what is shown of a peer's words.
const mostQuoted = 32

// printable quotes the beginning of a text; empty if it is none.
func printable(head []byte) string {
	head = head[:min(len(head), mostQuoted)]
	for _, c := range head {
		if (c < 0x20 || c > 0x7e) && c != '\r' && c != '\n' && c != '\t' {
			return ""
		}
	}
	return strconv.Quote(string(head))
}

// malformed tells of an answer that cannot be used.
func malformed(address, answer, format string, args ...any) *Error {
	return &Error{
		Malformed,
		fmt.Sprintf("%s answers %s with what cannot be used: ", address, answer) + fmt.Sprintf(format, args...),
		"look at that broker's version and log, and for a proxy in front of it",
	}
}
