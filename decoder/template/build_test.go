package template_test

import (
	"encoding/binary"
	"net/netip"
)

// A field is an element and its length in a template; pen is for IPFIX alone.
type field struct {
	id, length uint16
	pen        uint32
}

func be16(b []byte, v int) []byte { return binary.BigEndian.AppendUint16(b, uint16(v)) }
func be32(b []byte, v int) []byte { return binary.BigEndian.AppendUint32(b, uint32(v)) }

// set returns a set or FlowSet.
func set(id int, body ...[]byte) []byte {
	var all []byte
	for _, b := range body {
		all = append(all, b...)
	}
	return append(be16(be16(nil, id), 4+len(all)), all...)
}

// definition returns a template.
func definition(id int, fields ...field) []byte {
	b := be16(be16(nil, id), len(fields))
	for _, f := range fields {
		if f.pen != 0 {
			b = be32(be16(be16(b, int(f.id)|0x8000), int(f.length)), int(f.pen))
			continue
		}
		b = be16(be16(b, int(f.id)), int(f.length))
	}
	return b
}

// v9 returns a NetFlow v9 packet of a domain, exported at exportSeconds by an exporter
// that is up for uptime milliseconds.
func v9(domain int, sets ...[]byte) []byte { return v9At(domain, uptime, exportSeconds, sets...) }

const (
	uptime        = 1_000_000
	exportSeconds = 1_717_200_000
)

func v9At(domain, uptime, seconds int, sets ...[]byte) []byte {
	b := be32(be32(be32(be32(be16(be16(nil, 9), len(sets)), uptime), seconds), 1), domain)
	for _, s := range sets {
		b = append(b, s...)
	}
	return b
}

// message returns an IPFIX message of domain 1.
func message(sets ...[]byte) []byte {
	var body []byte
	for _, s := range sets {
		body = append(body, s...)
	}
	return append(be32(be32(be32(be16(be16(nil, 10), 16+len(body)), exportSeconds), 1), 1), body...)
}

// exporterPort returns a source of datagrams.
func exporterPort(n int, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), port)
}

// twentyThree are the fields of a router's usual template: 62 bytes.
var twentyThree = []field{
	{id: 8, length: 4}, {id: 12, length: 4}, {id: 15, length: 4}, {id: 10, length: 4}, {id: 14, length: 4},
	{id: 2, length: 4}, {id: 1, length: 4}, {id: 22, length: 4}, {id: 21, length: 4}, {id: 7, length: 2},
	{id: 11, length: 2}, {id: 6, length: 1}, {id: 4, length: 1}, {id: 5, length: 1}, {id: 61, length: 1},
	{id: 16, length: 4}, {id: 17, length: 4}, {id: 9, length: 1}, {id: 13, length: 1}, {id: 48, length: 2},
	{id: 58, length: 2}, {id: 59, length: 2}, {id: 89, length: 2},
}

// records returns n records of so many bytes, each byte telling where it stands.
func records(n, length int) []byte {
	b := make([]byte, n*length)
	for i := range b {
		b[i] = byte(i*7 + 1)
	}
	return b
}
