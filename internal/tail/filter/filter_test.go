package filter

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/flowpub/flowpub/internal/tail/flow"
	"github.com/flowpub/flowpub/internal/tail/tailtest"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// The flow is TCP from 192.0.2.17:49152 to 198.51.100.4:443 of 10.0.0.1, with flags FIN, SYN, PSH and ACK, AS
// 64496 and 64511, interfaces 3 and 7, 180 packets and 250,000 octets in 2.5 s: 800,000 bit/s, 72 packets/s.
func TestMatch(t *testing.T) {
	t.Parallel()
	f := decoded(t, tailtest.Web())
	for text, want := range map[string]bool{
		"": true, "any": true, "not any": false,
		"host 192.0.2.17": true, "host 198.51.100.4": true, "192.0.2.17": true, "host 10.0.0.1": false, "host 203.0.113.1": false,
		"src host 192.0.2.17": true, "dst host 192.0.2.17": false, "dst 198.51.100.4": true, "SRC IP 192.0.2.17": true,
		"net 192.0.2.0/24": true, "src net 192.0.3.0/24": false, "198.51.100.255/24": true, "host ::ffff:192.0.2.17": true, "::/0": false,
		"host in [10.1.1.1, 192.0.2.17]": true, "src ip in [10.1.1.1 10.1.1.2]": false,
		"port 443": true, "dst port https": true, "src port 443": false, "port 400-500": true, "port 8000-9000": false,
		"portrange 440-450": true, "port > 49151": true, "port < 443": false, "port in [80, 443]": true, "port != 443": true,
		"src port != 49152": false, "port netbios-ns": false,
		"tcp": true, "TCP and port 443": true, "udp": false, "proto tcp": true, "proto 6": true, "proto in [17 6]": true, "proto 17": false,
		"icmp or gre or tcp": true,
		"flags S":            true, "flags SA": true, "flags SR": false, "flags = FSPA": true, "flags = SA": false, "not flags R": true,
		"as 64496": true, "src as 64511": false, "dst as 64511": true, "as 64000-65000": true,
		"if 3": true, "in if 3": true, "out if 3": false, "out interface 7": true, "src if 3": true,
		"exporter 10.0.0.1": true, "exporter 10.0.0.0/8": true, "router 192.0.2.17": false, "nexthop 203.0.113.1": true,
		"name edge": false, "name 'core 1'": false,
		"ip": true, "ip6": false, "ipv4 and tcp": true, "inet6 or port 443": true, "ip 192.0.2.17": true,
		"format v5": true, "format netflow_v5": true, "format in [v9, ipfix]": false,
		"packets > 179": true, "packets >= 180": true, "packets < 180": false, "packets 180": true, "bytes > 249k": true, "octets > 1M": false,
		"octets 250k": true, "duration > 2s": true, "duration < 2500ms": false, "bps > 799k": true, "bps > 800k": false, "pps 72": true,
		"tos 8": true, "sampling 100": true, "vlan 4": false, "domain 0": true, "engine 9": true,
		"anomaly any": true, "anomaly count_above_present": true, "anomaly waited": false,
		"icmp-type 0": false,
		// and binds more than or, not more than both.
		"udp and port 53 or tcp": true, "tcp or udp and port 53": true, "(tcp or udp) and port 53": false,
		"not udp and tcp": true, "not (udp or tcp)": false, "! udp && tcp": true, "not (not tcp)": true, "udp || not tcp": false,
		"((tcp))and(port 443)": true,
	} {
		w, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := w.Match(f); got != want || w.String() != text {
			t.Errorf("%s: %v, want %v", w.String(), got, want)
		}
	}
}

func TestICMP(t *testing.T) {
	t.Parallel()
	f := decoded(t, &flowv1.FlowRecord{
		ExporterAddress: []byte{10, 0, 0, 1}, Protocol: 1, DestinationPort: 3<<8 | 13, ExporterName: "core 1",
		SourceAddress: make([]byte, 16),
	})
	for text, want := range map[string]bool{
		"icmp and icmp-type 3": true, "icmp-code 13": true, "icmp-type 13": false, "name 'core 1'": true, "ip6": true, "duration 0s": false,
	} {
		w, err := Parse(text)
		if err != nil || w.Match(f) != want {
			t.Errorf("%s: error %v, want %v", text, err, want)
		}
	}
}

// The sampling interval that was given for an exporter counts where it is greater, as it does for sums.
func TestSampling(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][3]bool{
		"sampling 512": {true, true, false}, "sampling 0": {false, false, true}, "not sampling > 1": {false, false, true}, "sampling 100": {false, false, false},
	} {
		w, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		for i, record := range []*flowv1.FlowRecord{{SamplingOverride: 512}, {SamplingOverride: 100, SamplingInterval: 512}, {}} {
			record.ExporterAddress = []byte{10, 0, 0, 1}
			if got := w.Match(decoded(t, record)); got != want[i] {
				t.Errorf("%s: %v of record %d, want %v", text, got, i, want[i])
			}
		}
	}
}

// A mistake is named, with where it is and what to write.
func TestMistakes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		at   int // -1: the end
		want string
	}{
		{"hots 10.0.0.1", 0, `"hots" is not known here: write any, host`},
		{"tcp port 80", 4, `"port" does not go on the expression: join tests with and, or`},
		{"tcp and", -1, "a test is missing at the end"},
		{"not", -1, "a test is missing at the end"},
		{"(tcp or udp", 0, "the parenthesis is not closed"},
		{"(tcp udp)", 5, `"udp" does not go on the expression`},
		{"tcp)", 3, `")" does not go on the expression`},
		{"src tcp", 4, `"tcp" does not go behind "src": write an address, host, net, port, as or if`},
		{"in port 3", 3, `"port" does not go behind "in": write if`},
		{"host 10.0.0", 5, `"10.0.0" is no address: write it as 192.0.2.1`},
		{"net 10.0.0.0/33", 4, "is no address"},
		{"port 65536", 5, "a port from 0 to 65535 or a service such as https"},
		{"port 90-80", 5, `"90-80" goes down`},
		{"port > https!", 12, "does not go on"},
		{"port in [80, 443", -1, "the list is not closed: add ]"},
		{"proto 256", 6, `"256" is no protocol`},
		{"flags X", 6, `"X" are no flags: write letters of CEUAPRSF`},
		{"packets > many", 10, `"many" does not fit: write a number, such as 1000 or 10k`},
		{"packets > -1", 10, "does not fit"},
		{"duration > 5", 11, "a time such as 1.5s"},
		{"format v7", 7, "write v5, v9, ipfix or sflow"},
		{"anomaly odd", 8, `"odd" is no anomaly: write any`},
		{"name", -1, "is no exporter's name"},
		{"name 'core", 5, "the quote has no end"},
		{"'tcp'", 0, "is not known here"},
		{strings.Repeat("(", 300) + "tcp", 200, "nested deeper than 200"},
	} {
		_, err := Parse(tt.text)
		syntax, ok := err.(*SyntaxError) //nolint:errorlint // it is promised as such
		if !ok {
			t.Errorf("%s: error is %v", tt.text, err)
			continue
		}
		at := tt.at
		if at < 0 {
			at = len(tt.text)
		}
		if syntax.At != at || !strings.Contains(syntax.Problem, tt.want) {
			t.Errorf("%s: %s at %d, want %s at %d", tt.text, syntax.Problem, syntax.At, tt.want, at)
		}
		lines := strings.Split(err.Error(), "\n")
		if len(lines) != 3 || strings.Index(lines[2], "^") != 4+at {
			t.Errorf("it is not pointed at:\n%v", err)
		}
	}
}

// FuzzParse: whatever is written, it is a filter that can be asked, or a mistake within the text.
func FuzzParse(f *testing.F) {
	f.Add("src net 10.0.0.0/8 and (port 53 or port in [80, 8000-8999]) and not flags = S")
	f.Add("name 'a b' || octets >= 1.5k")
	web := decoded(f, tailtest.Web())
	f.Fuzz(func(t *testing.T, text string) {
		w, err := Parse(text)
		if err != nil {
			syntax, ok := err.(*SyntaxError) //nolint:errorlint // it is promised as such
			if !ok || syntax.At < 0 || syntax.At > len(text) || syntax.Error() == "" {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		w.Match(web)
	})
}

func decoded(tb testing.TB, m *flowv1.FlowRecord) *flow.Flow {
	tb.Helper()
	value, err := proto.Marshal(m)
	if err != nil {
		tb.Fatal(err)
	}
	f := new(flow.Flow)
	if err := f.Decode(flow.Protobuf, value); err != nil {
		tb.Fatal(err)
	}
	return f
}
