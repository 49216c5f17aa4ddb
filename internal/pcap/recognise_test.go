package pcap

import (
	"testing"

	"github.com/flowpub/flowpub/internal/pcap/pcaptest"
)

// The headers are those of Cisco's tables for versions 1 to 8, RFC 3954 section
// 5.1, RFC 7011 section 3.1, and sFlow version 5.
func TestIsFlowExport(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		payload []byte
		want    bool
	}{
		{"version 1", pcaptest.Join(pcaptest.BE16(1), make([]byte, 14)), true},
		{"version 5", pcaptest.Join(pcaptest.BE16(5), make([]byte, 22)), true},
		{"version 5, cut", pcaptest.Join(pcaptest.BE16(5), make([]byte, 21)), false},
		{"version 7", pcaptest.Join(pcaptest.BE16(7), make([]byte, 22)), true},
		{"version 8", pcaptest.Join(pcaptest.BE16(8), make([]byte, 26)), true},
		{"version 9", pcaptest.Join(pcaptest.BE16(9), make([]byte, 18)), true},
		{"version 9, cut", pcaptest.Join(pcaptest.BE16(9), make([]byte, 17)), false},
		{"IPFIX", pcaptest.Join(pcaptest.BE16(10), pcaptest.BE16(16), make([]byte, 12)), true},
		{"IPFIX of another length", pcaptest.Join(pcaptest.BE16(10), pcaptest.BE16(17), make([]byte, 12)), false},
		{"sFlow of an IPv4 agent", pcaptest.Join(pcaptest.BE32(5), pcaptest.BE32(1), make([]byte, 20)), true},
		{"sFlow of an IPv6 agent", pcaptest.Join(pcaptest.BE32(5), pcaptest.BE32(2), make([]byte, 32)), true},
		{"sFlow of no agent", pcaptest.Join(pcaptest.BE32(5), pcaptest.BE32(3), make([]byte, 32)), false},
		{"version 2", pcaptest.Join(pcaptest.BE16(2), make([]byte, 40)), false},
		{"nothing", nil, false},
		{"a byte", []byte{0}, false},
		{"text", []byte("root:x:0:0:root:/root:/bin/bash\n"), false},
		{"an executable", pcaptest.Join(0x7f, []byte("ELF"), make([]byte, 60)), false},
		{"zeros", make([]byte, 100), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := IsFlowExport(tt.payload); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestBeginsLikeFlowExport(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		payload []byte
		want    bool
	}{
		"IPFIX of another length": {pcaptest.Join(pcaptest.BE16(10), pcaptest.BE16(17), make([]byte, 12)), true},
		"version 5, cut":          {pcaptest.Join(pcaptest.BE16(5), make([]byte, 2)), true},
		"sFlow, cut":              {pcaptest.BE32(5), true},
		"cut in the version":      {pcaptest.Join(pcaptest.BE16(9), []byte{0}), false},
		"version 6":               {pcaptest.Join(pcaptest.BE16(6), make([]byte, 40)), false},
		"text":                    {[]byte("hello, this is a name server"), false},
	} {
		if got := BeginsLikeFlowExport(tt.payload); got != tt.want {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
}
