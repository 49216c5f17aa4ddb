package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/flowpub/flowpub/listener"
)

// address is a host:port to listen on. The host may be empty, the port 0.
type address string

// UnmarshalText reads a host:port.
func (a *address) UnmarshalText(text []byte) error {
	if _, err := splitHostPort(string(text), 0); err != nil {
		return fmt.Errorf("%q is not host:port: %w, as in :8080", text, err)
	}
	*a = address(text)
	return nil
}

// addresses are several of them.
type addresses []string

// UnmarshalText reads a comma-separated list.
func (a *addresses) UnmarshalText(text []byte) (err error) {
	*a, err = list(text, udpAddress)
	return err
}

// udpAddress checks an address that may be of one interface.
func udpAddress(entry string) (string, error) {
	const examples = ":2055 or 192.0.2.1:2055"
	plain, _, err := listener.SplitInterface(entry)
	if err == nil {
		_, err = splitHostPort(plain, 0)
	}
	if err != nil {
		return "", fmt.Errorf("%q is not host:port: %w, as in %s", entry, err, examples)
	}
	if _, err := listener.ParseAddress(entry); err != nil {
		return "", err
	}
	return entry, nil
}

// brokers are the addresses of Kafka brokers. None lacks its host.
type brokers []string

// UnmarshalText reads a comma-separated list of host:port.
func (b *brokers) UnmarshalText(text []byte) (err error) {
	if strings.Contains(string(text), "@") {
		return errSecretInBroker
	}
	*b, err = list(text, brokerAddress)
	return err
}

// errSecretInBroker quotes nothing: what stands before the @ may be a password.
var errSecretInBroker = errors.New("credentials do not belong here: " +
	"write host:port and set " + Prefix + "KAFKA_SASL_USERNAME and " + Prefix + "KAFKA_SASL_PASSWORD_FILE")

func brokerAddress(entry string) (string, error) {
	host, err := splitHostPort(entry, 1)
	switch {
	case err != nil:
		return "", fmt.Errorf("%q is not host:port: %w, as in kafka:9092", entry, err)
	case host == "":
		return "", fmt.Errorf("%q is not host:port: add the host, as in kafka:9092", entry)
	}
	return entry, nil
}

// splitHostPort returns the host and checks the port, which must be a number
// from least. Its error is the cure.
func splitHostPort(entry string, least int) (host string, err error) {
	if entry == "" {
		return "", errors.New("fill or remove the empty entry")
	}
	if strings.Contains(entry, "://") {
		return "", errors.New("leave out what stands before the host")
	}
	host, port, err := net.SplitHostPort(entry)
	switch {
	case err == nil:
	case strings.Count(entry, ":") > 1 && !strings.Contains(entry, "["):
		return "", errors.New("put the IPv6 address in brackets and add the port")
	case strings.Trim(entry, "0123456789") == "":
		return "", errors.New("put a colon before the port")
	default:
		return "", errors.New("add the port")
	}
	if n, err := strconv.Atoi(port); err != nil || n < least || n > 65535 {
		return "", fmt.Errorf("write the port as a number from %d to 65535", least)
	}
	return host, nil
}

// prefixes are networks.
type prefixes []netip.Prefix

// UnmarshalText reads a comma-separated list in CIDR notation.
func (p *prefixes) UnmarshalText(text []byte) (err error) {
	*p, err = list(text, network)
	return err
}

// network refuses what would match less, or more, than its writer thinks.
func network(entry string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(entry); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.Prefix{}, fmt.Errorf("%q has no prefix length: write %s/%d", entry, addr, addr.BitLen())
	}
	prefix, err := netip.ParsePrefix(entry)
	switch {
	case err != nil:
		return netip.Prefix{}, fmt.Errorf("%q is not a network: write it as 192.0.2.0/24 or 2001:db8::/32", entry)
	case prefix.Addr().Is4In6():
		return netip.Prefix{}, fmt.Errorf("%q would match nothing, since such exporters count as IPv4: write the IPv4 network", entry)
	case prefix != prefix.Masked():
		return netip.Prefix{}, fmt.Errorf("%q has bits beyond its prefix length: write %s", entry, prefix.Masked())
	}
	return prefix, nil
}
