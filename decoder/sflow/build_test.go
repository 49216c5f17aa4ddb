package sflow_test

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"
)

// words returns numbers of 32 bits.
func words(values ...uint32) (b []byte) {
	for _, v := range values {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return b
}

// join returns all bytes in a row.
func join(parts ...[]byte) (b []byte) {
	for _, part := range parts {
		b = append(b, part...)
	}
	return b
}

// opaque returns a sample, or a record of one, padded to four bytes.
func opaque(format uint32, parts ...[]byte) []byte {
	content := join(parts...)
	b := append(words(format, uint32(len(content))), content...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// datagram returns one that announces so many samples, and has those given.
func datagram(announced int, samples ...[]byte) []byte {
	return join(words(5, 1, 0xc00002c8, 3, 7, 123456, uint32(announced)), join(samples...))
}

// sample returns a flow sample with these records: number 9 of interface 5, one of 1000
// packets, 2 dropped, from interface 11 to 12.
func sample(records ...[]byte) []byte {
	return opaque(1, words(9, 5, 1000, 100000, 2, 11, 12, uint32(len(records))), join(records...))
}

// header returns the record of a sampled header.
func header(protocol, length uint32, frame []byte) []byte {
	return opaque(1, words(protocol, length, 4, uint32(len(frame))), frame)
}

// unhex returns the bytes of hexadecimal digits, between which there may be spaces.
func unhex(tb testing.TB, digits string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// The parts of frames.
const (
	macs   = "020000000002 020000000001 "
	vlan10 = "8100 000a "
	tcp    = "9c40 01bb 00000001 00000002 5018 03e8 0000 0000"                                        // 40000 to 443, PSH and ACK
	ip4    = "45 28 0028 1234 0000 3d 06 0000 0a010101 c6336409 "                                     // 10.1.1.1 to 198.51.100.9, 40 bytes of TCP
	ip6    = "62812345 0014 06 40 20010db8000000000000000000000001 20010db8000000000000000000000002 " // TCP of 20 bytes
)
