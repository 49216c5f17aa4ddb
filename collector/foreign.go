package collector

import (
	"encoding/binary"

	"github.com/flowpub/flowpub/internal/config/variable"
)

// protocol classifies datagrams that are of no format taken here.
type protocol uint8

const (
	protocolNoise protocol = iota // none of the others
	protocolNetFlowV1
	protocolNetFlowV5
	protocolNetFlowV7
	protocolNetFlowV8
	protocolNetFlowV9
	protocolIPFIX
	protocolSFlow
	protocolSFlowOld // version 2 or 4

	protocols // how many there are
)

// String returns the protocol's metric label.
func (p protocol) String() string {
	return [protocols]string{"noise", "netflow_v1", "netflow_v5", "netflow_v7", "netflow_v8", "netflow_v9", "ipfix", "sflow", "sflow_old"}[p]
}

// cure tells an operator what to do about an exporter of the protocol.
func (p protocol) cure() string {
	switch p {
	case protocolNetFlowV1, protocolNetFlowV7, protocolNetFlowV8:
		return "set the exporter to NetFlow version 9, IPFIX or NetFlow version 5"
	case protocolNetFlowV5, protocolNetFlowV9, protocolIPFIX, protocolSFlow:
		return "add " + p.String() + " to " + variable.Formats + ", which leaves it out"
	case protocolSFlowOld:
		return "set the agent to sFlow version 5"
	default:
		return "find out what sends to this port; name the exporters in " + variable.ExportersAllow + " to refuse the rest"
	}
}

// Sizes in bytes. NetFlow versions 1, 5, 7 and 8: Cisco, NetFlow Export Datagram
// Formats. Version 9: RFC 3954, section 5.1. IPFIX: RFC 7011, section 3.1.
const (
	v1HeaderLen    = 16
	v5HeaderLen    = 24
	v7HeaderLen    = 24
	v8HeaderLen    = 28
	v9HeaderLen    = 20
	ipfixHeaderLen = 16
	sFlowHeaderLen = 28 // version 5 with an IPv4 agent address
	v1v7RecordLen  = 52
	v5RecordLen    = 48
	setHeaderLen   = 4
)

// classify guesses the protocol of a datagram that was rejected for its version: of
// no format that is known, or of one that FLOWPUB_FORMATS leaves out. It looks at lengths as
// well as at the version, so that chance bytes are not taken for an exporter that
// somebody should set up differently.
func classify(b []byte) protocol {
	if p := classifySFlow(b); p != protocolNoise {
		return p
	}
	if len(b) < setHeaderLen {
		return protocolNoise
	}
	version, second := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
	switch {
	case version == 1 && holdsRecords(b, v1HeaderLen, v1v7RecordLen, second):
		return protocolNetFlowV1
	case version == 5 && holdsRecords(b, v5HeaderLen, v5RecordLen, min(second, 1)):
		return protocolNetFlowV5
	case version == 7 && holdsRecords(b, v7HeaderLen, v1v7RecordLen, second):
		return protocolNetFlowV7
	case version == 8 && len(b) >= v8HeaderLen:
		return protocolNetFlowV8
	case version == 9 && holdsFlowSet(b):
		return protocolNetFlowV9
	case version == 10 && len(b) >= ipfixHeaderLen && second == len(b):
		return protocolIPFIX
	default:
		return protocolNoise
	}
}

// classifySFlow knows versions 2, 4 and 5: a 32-bit version, then the type of the
// agent's address, 1 for IPv4 or 2 for IPv6 (sFlow version 5, section 5).
func classifySFlow(b []byte) protocol {
	if len(b) < sFlowHeaderLen {
		return protocolNoise
	}
	version, addressType := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	switch {
	case addressType != 1 && addressType != 2:
		return protocolNoise
	case version == 5:
		return protocolSFlow
	case version == 2 || version == 4:
		return protocolSFlowOld
	default:
		return protocolNoise
	}
}

// holdsRecords reports whether the announced records, at least one, are there.
func holdsRecords(b []byte, headerLen, recordLen, count int) bool {
	return count > 0 && len(b) >= headerLen+count*recordLen
}

// holdsFlowSet reports whether a version 9 header is followed by a FlowSet that
// fits, or by nothing. FlowSet IDs are 0 and 1 for templates and 256 or more
// for data (RFC 3954, section 5.2 and 5.3).
func holdsFlowSet(b []byte) bool {
	if len(b) == v9HeaderLen {
		return true
	}
	if len(b) < v9HeaderLen+setHeaderLen {
		return false
	}
	set := b[v9HeaderLen:]
	id, length := binary.BigEndian.Uint16(set), int(binary.BigEndian.Uint16(set[2:]))
	return (id <= 1 || id >= 256) && length >= setHeaderLen && length <= len(set)
}
