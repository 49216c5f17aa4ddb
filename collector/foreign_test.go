package collector

import (
	"encoding/hex"
	"slices"
	"strings"
	"testing"
)

// Names of entries in malformed.json and what they are; real ones were captured
// from exporters.
func TestClassifyKnownPackets(t *testing.T) {
	t.Parallel()
	known := map[string]protocol{
		"sflow_v5_real": protocolSFlow, "nfv9_real": protocolNetFlowV9, "nfv9_hdr": protocolNetFlowV9,
		"ipfix_min": protocolIPFIX, "ipfix_template": protocolIPFIX, "nfv1_2rec": protocolNetFlowV1,
		"nfv7_1rec": protocolNetFlowV7, "nfv8_hdr": protocolNetFlowV8,
		"ascii_syslog": protocolNoise, "http_get": protocolNoise, "dns_query": protocolNoise, "ntp_client": protocolNoise,
		"snmp_get": protocolNoise, "noise_24": protocolNoise, "noise_1464": protocolNoise, "all_ff_72": protocolNoise,
		"all_00_72": protocolNoise, "huge_65507_zero": protocolNoise, "jflow_cflowd_v500": protocolNoise, "little_endian": protocolNoise,
	}
	for _, p := range malformedPackets(t) {
		want, there := known[p.Name]
		if !there {
			continue
		}
		delete(known, p.Name)
		payload, err := hex.DecodeString(p.Hex)
		if err != nil {
			t.Fatal(err)
		}
		if got := classify(payload); got != want {
			t.Errorf("%s: got %v, want %v", p.Name, got, want)
		}
	}
	if len(known) > 0 {
		t.Errorf("not in the file: %v", known)
	}
}

func TestClassify(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		hex  string // spaces separate fields
		pad  int    // zero bytes to follow
		want protocol
	}{
		{"two bytes", "0009", 0, protocolNoise},
		{"v1, one record", "0001 0001 000003e8 665a6480 00000000", 52, protocolNetFlowV1},
		{"v1, record cut off", "0001 0001 000003e8 665a6480 00000000", 51, protocolNoise},
		{"v1, no record", "0001 0000 000003e8 665a6480 00000000", 0, protocolNoise},
		{"v5, one record", "0005 0001 000003e8 665a6480 00000000 00000001 00000000", 48, protocolNetFlowV5},
		{"v5, record cut off", "0005 0001 000003e8 665a6480 00000000 00000001 00000000", 47, protocolNoise},
		{"v5, one of two records", "0005 0002 000003e8 665a6480 00000000 00000001 00000000", 48, protocolNetFlowV5},
		{"v5, no record", "0005 0000 000003e8 665a6480 00000000 00000001 00000000", 48, protocolNoise},
		{"v7, one record", "0007 0001 000003e8 665a6480 00000000 00000001 00000000", 52, protocolNetFlowV7},
		{"v7, record cut off", "0007 0001 000003e8 665a6480 00000000 00000001 00000000", 51, protocolNoise},
		{"v8, header cut off", "0008 0001", 23, protocolNoise},
		{"v9, header only", "0009 0000 000003e8 665a6480 00000001 00000000", 0, protocolNetFlowV9},
		{"v9, options template", "0009 0001 000003e8 665a6480 00000001 00000000 0001 0014", 16, protocolNetFlowV9},
		{"v9, data", "0009 0001 000003e8 665a6480 00000001 00000000 0104 0020", 28, protocolNetFlowV9},
		{"v9, reserved FlowSet ID", "0009 0001 000003e8 665a6480 00000001 00000000 0002 0014", 16, protocolNoise},
		{"v9, FlowSet longer than the datagram", "0009 0001 000003e8 665a6480 00000001 00000000 0104 0021", 28, protocolNoise},
		{"v9, FlowSet shorter than its header", "0009 0001 000003e8 665a6480 00000001 00000000 0104 0003", 28, protocolNoise},
		{"v9, cut off in the FlowSet's header", "0009 0001 000003e8 665a6480 00000001 00000000 0104", 0, protocolNoise},
		{"IPFIX, wrong length", "000a 0011 665a6480 00000001 00000000", 0, protocolNoise},
		{"sFlow v5, IPv6 agent", "00000005 00000002", 40, protocolSFlow},
		{"sFlow v4", "00000004 00000001", 20, protocolSFlowOld},
		{"sFlow v2", "00000002 00000001", 20, protocolSFlowOld},
		{"sFlow, unknown address type", "00000005 00000003", 40, protocolNoise},
		{"sFlow, header cut off", "00000005 00000001", 19, protocolNoise},
		{"version 6", "0006 0001", 100, protocolNoise},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b, err := hex.DecodeString(strings.ReplaceAll(test.hex, " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			if got := classify(append(b, make([]byte, test.pad)...)); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

// classify is told to look at whatever anybody sends.
func FuzzClassify(f *testing.F) {
	f.Add([]byte{0, 9, 0, 1})
	f.Add([]byte{0, 10, 0, 4})
	f.Fuzz(func(t *testing.T, b []byte) {
		p := classify(b)
		if p >= protocols {
			t.Errorf("%d is not a protocol", p)
		}
	})
}

func TestLabelsAreComplete(t *testing.T) {
	t.Parallel()
	var names []string
	for p := range protocols {
		names = append(names, p.String())
		if p.cure() == "" {
			t.Errorf("%v has no cure", p)
		}
	}
	want := []string{"noise", "netflow_v1", "netflow_v5", "netflow_v7", "netflow_v8", "netflow_v9", "ipfix", "sflow", "sflow_old"}
	if !slices.Equal(names, want) {
		t.Errorf("protocols %v, want %v", names, want)
	}
}
