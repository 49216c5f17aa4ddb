package tail

import (
	"encoding"
	"strings"
	"testing"
)

func TestFilter(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name                                   string
		exporters, addresses, ports, protocols string
		want                                   bool // web, from 10.0.0.1: TCP 192.0.2.17:49152 to 198.51.100.4:443
	}{
		{name: "nothing asked for", want: true},
		{name: "exporter", exporters: "10.0.0.1", want: true},
		{name: "another exporter", exporters: "10.0.0.2"},
		{name: "one of the exporters", exporters: "10.0.0.2,10.0.0.0/30", want: true},
		{name: "the exporter is no address of the flow", addresses: "10.0.0.1"},
		{name: "an address of the flow is no exporter", exporters: "192.0.2.17"},
		{name: "source", addresses: "192.0.2.17", want: true},
		{name: "destination", addresses: "198.51.100.4", want: true},
		{name: "source network", addresses: "192.0.2.0/24", want: true},
		{name: "destination network", addresses: "198.51.0.0/16", want: true},
		{name: "a network with host bits", addresses: "198.51.100.255/24", want: true},
		{name: "another network", addresses: "192.0.3.0/24"},
		{name: "next hop is neither side", addresses: "203.0.113.1"},
		{name: "IPv6", addresses: "::/0"},
		{name: "an IPv4 address written as IPv6", addresses: "::ffff:192.0.2.17", want: true},
		{name: "source port", ports: "49152", want: true},
		{name: "destination port", ports: "80, 443", want: true},
		{name: "another port", ports: "80"},
		{name: "protocol name", protocols: "tcp", want: true},
		{name: "protocol number", protocols: "6", want: true},
		{name: "another protocol", protocols: "UDP,ICMP,47"},
		{name: "all at once", exporters: "10.0.0.1", addresses: "192.0.2.17", ports: "443", protocols: "TCP", want: true},
		{name: "all but one", exporters: "10.0.0.1", addresses: "192.0.2.17", ports: "443", protocols: "UDP"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var filter Filter
			for text, list := range map[*string]encoding.TextUnmarshaler{
				&tt.exporters: &filter.Exporters, &tt.addresses: &filter.Addresses, &tt.ports: &filter.Ports, &tt.protocols: &filter.Protocols,
			} {
				if *text == "" {
					continue
				}
				if err := list.UnmarshalText([]byte(*text)); err != nil {
					t.Fatal(err)
				}
			}
			if got := filter.matches(decoded(t, web())); got != tt.want {
				t.Errorf("matches is %v, want %v", got, tt.want)
			}
		})
	}
}

// What a record does not carry matches nothing that is asked for.
func TestFilterOnMissing(t *testing.T) {
	t.Parallel()
	everything := Filter{}
	if err := everything.Addresses.UnmarshalText([]byte("0.0.0.0/0,::/0")); err != nil {
		t.Fatal(err)
	}
	if everything.matches(decoded(t, bare())) {
		t.Error("a flow without addresses matches an address range")
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		into interface {
			encoding.TextUnmarshaler
			encoding.TextMarshaler
		}
		text string
		want string // as printed again; empty: an error is wanted
		err  string // part of it
	}{
		{"prefixes", new(Prefixes), "192.0.2.1, 2001:db8::/32", "192.0.2.1/32,2001:db8::/32", ""},
		{"zone", new(Prefixes), "fe80::1%eth0", "fe80::1/128", ""},
		{"no prefix", new(Prefixes), "192.0.2.1,router", "", `"router" is not known: write it as 192.0.2.1`},
		{"long prefix", new(Prefixes), "192.0.2.1/33", "", `"192.0.2.1/33" is not known`},
		{"no prefixes", new(Prefixes), "", "", `""`},
		{"ports", new(Ports), "0,65535", "0,65535", ""},
		{"no port", new(Ports), "https", "", `"https" is not known: use a number from 0 to 65535`},
		{"high port", new(Ports), "65536", "", `"65536" is not known`},
		{"protocols", new(Protocols), "icmpv6,17,253", "ICMPv6,UDP,253", ""},
		{"no protocol", new(Protocols), "TCPP", "", `"TCPP" is not known: use a name`},
		{"high protocol", new(Protocols), "256", "", `"256" is not known`},
		{"from start", new(From), "start", "start", ""},
		{"from end", new(From), "end", "end", ""},
		{"from nowhere", new(From), "begin", "", `"begin" is not known: use start or end`},
		{"protobuf", new(Value), "protobuf", "protobuf", ""},
		{"delimited", new(Value), "protobuf-delimited", "protobuf-delimited", ""},
		{"JSON value", new(Value), "json", "json", ""},
		{"Confluent's value", new(Value), "confluent", "confluent", ""},
		{"no value", new(Value), "avro", "", `"avro" is not known: use protobuf, protobuf-delimited, confluent or json`},
		{"table", new(Format), "table", "table", ""},
		{"JSON", new(Format), "json", "json", ""},
		{"CSV", new(Format), "csv", "csv", ""},
		{"XML", new(Format), "xml", "", `"xml" is not known: use table, wide, json or csv`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := tt.into.UnmarshalText([]byte(tt.text))
			if tt.want == "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error is %v, want one with %q", err, tt.err)
				}
				return
			}
			got, _ := tt.into.MarshalText()
			if err != nil || string(got) != tt.want {
				t.Errorf("got %q, error %v; want %q", got, err, tt.want)
			}
		})
	}
}
