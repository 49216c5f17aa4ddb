package exporter

import "testing"

// The headers are those of Cisco's tables for versions 1 to 8, RFC 3954 section
// 5.1, RFC 7011 section 3.1, and sFlow version 5.
func TestIsFlowExport(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		payload []byte
		want    bool
	}{
		{"version 1", join(be16(1), make([]byte, 14)), true},
		{"version 5", join(be16(5), make([]byte, 22)), true},
		{"version 5, cut", join(be16(5), make([]byte, 21)), false},
		{"version 7", join(be16(7), make([]byte, 22)), true},
		{"version 8", join(be16(8), make([]byte, 26)), true},
		{"version 9", join(be16(9), make([]byte, 18)), true},
		{"version 9, cut", join(be16(9), make([]byte, 17)), false},
		{"IPFIX", join(be16(10), be16(16), make([]byte, 12)), true},
		{"IPFIX of another length", join(be16(10), be16(17), make([]byte, 12)), false},
		{"sFlow of an IPv4 agent", join(be32(5), be32(1), make([]byte, 20)), true},
		{"sFlow of an IPv6 agent", join(be32(5), be32(2), make([]byte, 32)), true},
		{"sFlow of no agent", join(be32(5), be32(3), make([]byte, 32)), false},
		{"version 2", join(be16(2), make([]byte, 40)), false},
		{"nothing", nil, false},
		{"a byte", []byte{0}, false},
		{"text", []byte("root:x:0:0:root:/root:/bin/bash\n"), false},
		{"an executable", join(0x7f, []byte("ELF"), make([]byte, 60)), false},
		{"zeros", make([]byte, 100), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := isFlowExport(tt.payload); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
