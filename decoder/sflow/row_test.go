package sflow_test

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/sflow"
)

// A row is a record's values by name; what is zero or not there is left out.
type row map[string]string

func (r row) set(name string, value any) {
	text := fmt.Sprint(value)
	if text != "0" && text != "[]" && text != "" && text != "invalid IP" {
		r[name] = text
	}
}

// got returns the row of a decoded record.
func got(p *decoder.ExportPacket, s *sflow.Samples, index int) row {
	rec, x, source := &p.Records[index], &p.Extensions[index], s.Sources[index]
	r := row{}
	r.set("drops", source.Drops)
	r.set("source", fmt.Sprintf("%d:%d", source.Type, source.Index))
	if source.Discarded {
		r.set("discarded", true)
	}
	r.set("input", rec.InputInterface)
	r.set("output", rec.OutputInterface)
	r.set("octets", rec.Octets)
	r.set("protocol", rec.Protocol)
	r.set("source_address", rec.SourceAddress)
	r.set("destination_address", rec.DestinationAddress)
	r.set("source_port", rec.SourcePort)
	r.set("destination_port", rec.DestinationPort)
	r.set("tcp_flags", rec.TCPFlags)
	r.set("tos", rec.TOS)
	r.set("next_hop", rec.NextHop)
	r.set("source_prefix", rec.SourcePrefixLength)
	r.set("destination_prefix", rec.DestinationPrefixLength)
	r.set("source_as", rec.SourceAS)
	r.set("destination_as", rec.DestinationAS)
	r.set("anomalies", uint32(rec.Anomalies|p.Anomalies))
	r.extension(x)
	return r
}

// names are those of the numbers in an extension.
var names = map[decoder.Field]string{
	decoder.FieldSampleSequence:          "sequence",
	decoder.FieldSourceID:                "source_id",
	decoder.FieldSamplingInterval:        "rate",
	decoder.FieldForwardingStatus:        "forwarding",
	decoder.FieldFrameOctets:             "frame",
	decoder.FieldEthernetType:            "ethertype",
	decoder.FieldVLANID:                  "vlan",
	decoder.FieldCustomerVLANID:          "customer_vlan",
	decoder.FieldPostVLANID:              "post_vlan",
	decoder.FieldMinimumTTL:              "ttl",
	decoder.FieldICMPTypeCode:            "icmp",
	decoder.FieldFragmentOffset:          "fragment_offset",
	decoder.FieldIPv6FlowLabel:           "flow_label",
	decoder.FieldBGPNextAdjacentAS:       "next_as",
	decoder.FieldBGPPreviousAdjacentAS:   "previous_as",
	decoder.FieldLayer2SegmentID:         "segment",
	decoder.FieldPostNAPTSourcePort:      "nat_source_port",
	decoder.FieldPostNAPTDestinationPort: "nat_destination_port",
}

func (r row) extension(x *decoder.Extension) {
	for f, name := range names {
		if x.Present.Has(f) {
			r.set(name, x.Values[f])
		}
	}
	for f, name := range map[decoder.Field]string{decoder.FieldSourceMAC: "source_mac", decoder.FieldDestinationMAC: "destination_mac"} {
		if x.Present.Has(f) {
			r.set(name, macText(x.Values[f]))
		}
	}
	for f, name := range map[decoder.Field]string{
		decoder.FieldBGPNextHop:                "bgp_next_hop",
		decoder.FieldMPLSTopLabelAddress:       "label_address",
		decoder.FieldPostNATSourceAddress:      "nat_source",
		decoder.FieldPostNATDestinationAddress: "nat_destination",
	} {
		if x.Present.Has(f) {
			r.set(name, x.Address(f))
		}
	}
	if x.Present.Has(decoder.FieldMPLSLabels) {
		r.set("labels", x.MPLSLabels)
	}
	if x.Present.Has(decoder.FieldBGPASPath) {
		r.set("path", x.BGPASPath)
	}
	if x.Present.Has(decoder.FieldBGPCommunities) {
		r.set("communities", x.BGPCommunities)
	}
	if x.Present.Has(decoder.FieldFragmentFlags) {
		r.set("fragment_flags", x.Values[decoder.FieldFragmentFlags])
	}
	if x.Present.Has(decoder.FieldFragmentIdentification) {
		r.set("fragment", x.Values[decoder.FieldFragmentIdentification])
	}
	if x.Present.Has(decoder.FieldFragmentFlags) && x.Values[decoder.FieldFragmentFlags]&0x20 != 0 {
		r.set("more_fragments", true)
	}
	if x.Values[decoder.FieldMinimumTTL] != x.Values[decoder.FieldMaximumTTL] && x.Present.Has(decoder.FieldMinimumTTL) {
		r.set("ttl", "two values")
	}
	if x.Present.Has(decoder.FieldSamplingInterval) && x.Values[decoder.FieldSamplingSource] != 6 {
		r.set("rate", "not from the sample")
	}
}

// macText writes a MAC address.
func macText(v uint64) string {
	b := [6]byte{byte(v >> 40), byte(v >> 32), byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}
	digits := hex.EncodeToString(b[:])
	parts := make([]string, 0, len(b))
	for i := 0; i < len(digits); i += 2 {
		parts = append(parts, digits[i:i+2])
	}
	return strings.Join(parts, ":")
}
