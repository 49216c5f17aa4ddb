package wire

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/flowpub/flowpub/decoder/template"
	"github.com/flowpub/flowpub/internal/corpus"
	"github.com/flowpub/flowpub/internal/testpage"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// fact is what a row of a table says: what flows have of some fields.
type fact struct {
	flows  []*flowv1.FlowRecord
	fields func(*flowv1.FlowRecord) []any
	want   []string
}

// checkFacts checks each row of a table of docs/values.md. A row that has no fact, or says
// something else than it, is an error, and so is a fact without a row.
func checkFacts(t *testing.T, heading string, facts map[string]fact) {
	t.Helper()
	rows := testpage.Read(t, "values.md").Section(t, heading).Rows(t)
	for _, row := range rows {
		text := strings.Join(row, ": ")
		if f, known := facts[text]; known {
			f.check(t, text)
		} else {
			t.Errorf("docs/values.md says what nothing checks: %s", text)
		}
	}
	if len(facts) != len(rows) {
		t.Errorf("there are %d facts, docs/values.md has %d rows", len(facts), len(rows))
	}
}

func (f fact) check(t *testing.T, text string) {
	t.Helper()
	var got []string
	for _, m := range f.flows {
		got = append(got, strings.TrimSuffix(fmt.Sprintln(f.fields(m)...), "\n"))
	}
	if !slices.Equal(got, f.want) {
		t.Errorf("%s:\n%q, want %q", text, got, f.want)
	}
}

// flowsOf are the messages that datagrams of one exporter become.
func flowsOf(t *testing.T, d *Decoder, datagrams ...[]byte) (flows []*flowv1.FlowRecord) {
	t.Helper()
	for _, b := range datagrams {
		if err := d.Decode(b, exporter, received, func(value []byte) error {
			m := new(flowv1.FlowRecord)
			flows = append(flows, m)
			return proto.Unmarshal(value, m)
		}); err != nil {
			t.Fatal(err)
		}
	}
	return flows
}

// Datagrams of NetFlow v9 and IPFIX by hand, of RFC 3954 and RFC 7011: exported at 1,717,200,000 s,
// v9 by an exporter that is up for 1,000 s.
func inV9(t *testing.T, count, sequence, domain int, sets ...string) []byte {
	t.Helper()
	return datagram(t, fmt.Sprintf("0009 %04x 000f4240 665a6480 %08x %08x", count, sequence, domain), strings.Join(sets, ""))
}

func inIPFIX(t *testing.T, sequence, domain int, sets ...string) []byte {
	t.Helper()
	b := datagram(t, fmt.Sprintf("000a 0000 665a6480 %08x %08x", sequence, domain), strings.Join(sets, ""))
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	return b
}

func TestPageOfTemplates(t *testing.T) {
	t.Parallel()
	const definition, records = "000c 0100 0001 0001 0004", "0100 000c 00000005 00000006"
	checkFacts(t, "Records of NetFlow v9 and IPFIX", map[string]fact{
		"`template_id`: which kind of record it is: exporters have several, for IPv4, IPv6, address translation, firewall events": {
			flowsOf(t, New(), inV9(t, 4, 1, 9, "0000 0018 0100 0001 0008 0004", "0101 0001 0001 0004", "0000 0000", "0100 0008 c0000211", "0101 0008 0000012c")),
			func(f *flowv1.FlowRecord) []any { return []any{f.GetTemplateId(), f.GetSourceAddress(), f.GetOctets()} },
			[]string{"256 [192 0 2 17] 0", "257 [] 300"},
		},
		// One id, of which each domain has its own: octets, and packets.
		"`observation_domain_id`: whose templates, samplers and sequence they are: a line card, or all of the device": {
			flowsOf(t, New(), inIPFIX(t, 1, 7, "0002", definition), inIPFIX(t, 1, 8, "0002 000c 0100 0001 0002 0004"),
				inIPFIX(t, 1, 7, "0100 0008 00000005"), inIPFIX(t, 9, 8, "0100 0008 00000006")),
			func(f *flowv1.FlowRecord) []any {
				return []any{f.GetObservationDomainId(), f.GetFlowSequence(), f.GetOctets(), f.GetPackets()}
			},
			[]string{"7 1 5 0", "8 9 0 6"},
		},
		"an address or time that is not there: empty, or 0: the template has no such element": {
			flowsOf(t, New(), inIPFIX(t, 1, 7, "0002", definition, "0100 0008 00000005")),
			func(f *flowv1.FlowRecord) []any {
				return []any{len(f.GetSourceAddress()), len(f.GetDestinationAddress()), len(f.GetNextHop()), f.GetStartTimeNs(), f.GetEndTimeNs()}
			},
			[]string{"0 0 0 0 0"},
		},
		"`start_time_ns`, `end_time_ns`: the finest that the record has; 0 in IPFIX if it has uptimes and the exporter does not tell when it booted":                                                             flowTimes(t),
		"times in NTP's form: elements 154 to 157, 324, 325: of 1970 to 2104: their seconds were full in 2036 and have counted anew since, so those without the highest bit are of 2036 and later; 0 is no time": ntpTimes(t),
		// 1 and 2 are what came since, 85 and 86 totals, 231 and 233 an initiator's octets and an event.
		"`octets`, `packets`, `counter_kind`: what came since the flow's last record; with `counter_kind` total all until now: take the last; event: see `firewall_event`": {
			flowsOf(t, New(), inIPFIX(t, 1, 7,
				"0002 0010 0100 0002 0001 0004 0002 0004", "0002 0010 0101 0002 0055 0004 0056 0004", "0002 0010 0102 0002 00e7 0004 00e9 0001",
				"0100 000c 00000005 00000001", "0101 000c 00000006 00000002", "0102 0009 00000007 02")),
			func(f *flowv1.FlowRecord) []any {
				return []any{f.GetOctets(), f.GetPackets(), f.GetCounterKind(), f.GetFirewallEvent()}
			},
			[]string{"5 1 COUNTER_KIND_UNSPECIFIED 0", "6 2 COUNTER_KIND_TOTAL 0", "7 0 COUNTER_KIND_EVENT 2"},
		},
		// RFC 5103: the same elements of enterprise 29305.
		"`reverse_octets`, `reverse_packets`: the other direction, where one record has both": {
			flowsOf(t, New(), inIPFIX(t, 1, 7,
				"0002 0020 0100 0004 0001 0004 0002 0004 8001 0004 00007279 8002 0004 00007279", "0100 0014 00000005 00000001 00000006 00000002")),
			func(f *flowv1.FlowRecord) []any {
				return []any{f.GetOctets(), f.GetPackets(), f.GetReverseOctets(), f.GetReversePackets()}
			},
			[]string{"5 1 6 2"},
		},
		"`flow_sequence`, `header_count`: by the specifications v9 numbers packets, IPFIX data records; v9's count is of records of all kinds, IPFIX has none": {
			flowsOf(t, New(), inV9(t, 3, 41, 9, "0000", definition, records), inIPFIX(t, 42, 9, "0002", definition, records)),
			func(f *flowv1.FlowRecord) []any { return []any{f.GetFlowSequence(), f.GetHeaderCount()} },
			[]string{"41 3", "41 3", "42 0", "42 0"},
		},
		// The set that waits follows a header of 20 bytes, a set of 12 that need not wait, and a head of 4.
		"`record_index`, `record_count`: among the flow records of the packet; of a set that waited for its template (`ANOMALY_WAITED`) among those of the set, counted from 4,096 plus where the set's records begin in the datagram": {
			flowsOf(t, New(), inV9(t, 1, 1, 9, "0000 000c 0101 0001 0001 0004"), inV9(t, 4, 2, 9, "0101 000c 00000001 00000002", records), inV9(t, 1, 3, 9, "0000", definition)),
			func(f *flowv1.FlowRecord) []any {
				return []any{f.GetOctets(), f.GetRecordCount(), f.GetRecordIndex(), f.GetAnomalies()&uint32(flowv1.Anomaly_ANOMALY_WAITED) != 0}
			},
			[]string{"1 2 0 false", "2 2 1 false", fmt.Sprint("5 2 ", 4096+20+12+4, " true"), fmt.Sprint("6 2 ", 4096+20+12+4+1, " true")},
		},
		// Enterprise 9's element 12235, of variable length, and 136.
		"`elements`: what `FLOWPUB_ELEMENTS` names, as exported": {
			flowsOf(t, wanting(t, "9/12235,136"), inIPFIX(t, 1, 7, "0002 0018 0100 0003 0001 0004 afcb ffff 00000009 0088 0001", "0100 000d 00000005 03 616263 02")),
			func(f *flowv1.FlowRecord) (all []any) {
				for _, e := range f.GetElements() {
					all = append(all, e.GetEnterprise(), e.GetId(), string(e.GetValue()))
				}
				return all
			},
			[]string{"9 12235 abc 0 136 \x02"},
		},
	})
}

// flowTimes are of a record in seconds and milliseconds (150, 152), and of records with an uptime (22): in v9, and in
// IPFIX without and with the time of the boot (160), an hour before the export.
func flowTimes(t *testing.T) fact {
	t.Helper()
	const exported = 1_717_200_000_000_000_000
	return fact{
		flowsOf(t, New(),
			inIPFIX(t, 1, 7, "0002 0010 0100 0002 0096 0004 0098 0008", "0100 0010 665a6481 0000018fd1189401"),
			inV9(t, 2, 1, 7, "0000 000c 0100 0001 0016 0004", "0100 0008 000f3e58"),
			inIPFIX(t, 2, 7, "0002 000c 0101 0001 0016 0004", "0101 0008 000f3e58"),
			inIPFIX(t, 3, 7, "0002 0010 0102 0002 0016 0004 00a0 0008", "0102 0010 000003e8 0000018fd0e1a580")),
		func(f *flowv1.FlowRecord) []any { return []any{f.GetStartTimeNs()} },
		[]string{fmt.Sprint(exported + 1_000_000), fmt.Sprint(exported - 1_000_000_000), "0", fmt.Sprint(exported - 3_600_000_000_000 + 1_000_000_000)},
	}
}

// ntpTimes are of nanoseconds (156, 157, 325) and of microseconds (154, 155, 324), of which the lowest 11 bits are left out.
// 1900 is 2,208,988,800 s before 1970, and seconds are full after 2^32.
func ntpTimes(t *testing.T) fact {
	t.Helper()
	const second, full, epoch = 1_000_000_000, 1 << 32, 2_208_988_800
	return fact{
		flowsOf(t, New(), inIPFIX(t, 1, 7,
			"0002 0014 0100 0003 009c 0008 009d 0008 0145 0008", "0002 0014 0101 0003 009a 0008 009b 0008 0144 0008",
			"0100 001c ea04e300 80000000 00000001 00000000 7fffffff 00000000",
			"0101 001c ea04e300 800007ff 00000000 00000000 83aa7e81 00000000")),
		func(f *flowv1.FlowRecord) []any {
			return []any{f.GetStartTimeNs(), f.GetEndTimeNs(), f.GetObservationTimeNs()}
		},
		[]string{
			fmt.Sprint(1_717_200_000*second+second/2, " ", (full+1-epoch)*second, " ", uint64(full+1<<31-1-epoch)*second),
			fmt.Sprint(1_717_200_000*second+second/2, " 0 ", second),
		},
	}
}

// wanting returns a decoder that keeps elements.
func wanting(t *testing.T, elements string) *Decoder {
	t.Helper()
	wanted, err := template.ParseSelection(elements)
	if err != nil {
		t.Fatal(err)
	}
	d := New()
	d.table = template.NewTable(template.Config{Elements: wanted})
	d.room, d.reader = template.NewRoom(d.table), template.NewReader(d.table)
	return d
}

// sample is a datagram of sFlow v5 by hand, with one sample: from agent 192.0.2.200, sub-agent 3, number 7.
func sample(t *testing.T, format int, head string, records ...string) []byte {
	t.Helper()
	body := datagram(t, head, fmt.Sprintf("%08x", len(records)), strings.Join(records, ""))
	return append(datagram(t, "00000005 00000001 c00002c8 00000003 00000007 0001e240 00000001", fmt.Sprintf("%08x %08x", format, len(body))), body...)
}

// record is one of a sample: sFlow's format 1 is the header of a frame.
func record(format int, content string) string {
	digits := strings.ReplaceAll(content, " ", "")
	padding := strings.Repeat("00", -len(digits)/2&3)
	return fmt.Sprintf("%08x %08x", format, len(digits)/2) + digits + padding
}

func frame(protocol, length int, header string) string {
	digits := strings.ReplaceAll(header, " ", "")
	return record(1, fmt.Sprintf("%08x %08x 00000004 %08x", protocol, length, len(digits)/2)+digits+strings.Repeat("00", -len(digits)/2&3))
}

// Sample 9 of interface 5, one packet of 1,000, from interface 11 to 12; a frame of TCP in IPv4, from
// 10.1.1.1 to 198.51.100.9, whose IP length is 40.
const (
	head  = "00000009 00000005 000003e8 000186a0 00000002 0000000b 0000000c"
	macs  = "020000000002 020000000001"
	tcp   = "9c40 01bb 00000001 00000002 5018 03e8 0000 0000"
	ipTCP = "45 28 0028 1234 0000 3d 06 0000 0a010101 c6336409" + tcp
)

// to is head with another output interface.
func to(output string) string { return strings.TrimSuffix(head, "0000000c") + output }

func TestPageOfSFlow(t *testing.T) {
	t.Parallel()
	ip := frame(1, 64, macs+"0800"+ipTCP)
	one := func(head string, records ...string) []*flowv1.FlowRecord {
		return flowsOf(t, New(), sample(t, 1, head, records...))
	}
	vlans := record(1001, "00000064 00000001 000000c8 00000002") // from 100 to 200
	checkFacts(t, "Records of sFlow", map[string]fact{
		"`packets`: 1": {one(head, ip), func(f *flowv1.FlowRecord) []any { return []any{f.GetPackets()} }, []string{"1"}},
		"`octets`: the packet's IP length; 0 if it is no IP. `frame_octets` is the frame's on the wire": {
			slices.Concat(one(head, ip), one(head, frame(1, 64, macs+"0806 0001 0800 0604 0001"))),
			func(f *flowv1.FlowRecord) []any { return []any{f.GetOctets(), f.GetFrameOctets()} },
			[]string{"40 64", "0 64"},
		},
		"`sampling_interval`: the sample's own rate, with `sampling_source` 6 (`SAMPLING_SOURCE_SFLOW_SAMPLE`). Multiply by it": {
			one(head, ip),
			func(f *flowv1.FlowRecord) []any {
				return []any{f.GetSamplingInterval(), int(f.GetSamplingSource()), f.GetSamplingSource()}
			},
			[]string{"1000 6 SAMPLING_SOURCE_SFLOW_SAMPLE"},
		},
		"`start_time_ns`, `end_time_ns`, `export_time_ns`: 0: sFlow tells no times. Take `receive_time_ns`": {
			one(head, ip),
			func(f *flowv1.FlowRecord) []any {
				return []any{f.GetStartTimeNs(), f.GetEndTimeNs(), f.GetExportTimeNs(), f.GetReceiveTimeNs()}
			},
			[]string{fmt.Sprint("0 0 0 ", received.UnixNano())},
		},
		"`exporter_address`, the message's key: where the datagram came from": {
			one(head, ip),
			func(f *flowv1.FlowRecord) []any { return []any{f.GetExporterAddress(), f.GetExporterPort()} },
			[]string{"[192 0 2 1] 50000"},
		},
		"`agent_address`, `observation_domain_id`: the agent's address as it says, and its sub-agent": {
			one(head, ip),
			func(f *flowv1.FlowRecord) []any { return []any{f.GetAgentAddress(), f.GetObservationDomainId()} },
			[]string{"[192 0 2 200] 3"},
		},
		"`flow_sequence`, `sample_sequence`: the datagram's number, by agent and sub-agent; the sample's, by `source_id`": {
			one(head, ip),
			func(f *flowv1.FlowRecord) []any {
				return []any{f.GetFlowSequence(), f.GetSampleSequence(), f.GetSourceId()}
			},
			[]string{"7 9 5"},
		},
		"`output_interface`: 0 if the packet was dropped, then `forwarding_status` is 128; if it went out by several interfaces; or to the agent itself": {
			slices.Concat(one(head, ip), one(to("40000102"), ip), one(to("80000007"), ip), one(to("3fffffff"), ip)),
			func(f *flowv1.FlowRecord) []any { return []any{f.GetOutputInterface(), f.GetForwardingStatus()} },
			[]string{"12 0", "0 128", "0 0", "0 0"},
		},
		"`vlan_id`, `customer_vlan_id`: the frame's tags, outer and inner; without a tag what the switch says": {
			slices.Concat(one(head, frame(1, 72, macs+"88a8 200a 8100 f014 0800"+ipTCP), vlans), one(head, ip, vlans)),
			func(f *flowv1.FlowRecord) []any { return []any{f.GetVlanId(), f.GetCustomerVlanId()} },
			[]string{"10 20", "100 0"},
		},
		"`destination_as`, `bgp_as_path`: the path's last AS, and all of them": {
			one(head, ip, record(1003, "00000001 0a000001 0000fbf4 0000fbf5 0000fbf6 00000001 00000002 00000002 0000fbf7 0000fbf9 00000000 00000064")),
			func(f *flowv1.FlowRecord) []any { return []any{f.GetDestinationAs(), f.GetBgpAsPath()} },
			[]string{"64505 [64503 64505]"},
		},
	})
}

// What stands beside that table.
func TestPageOfSFlowBeside(t *testing.T) {
	t.Parallel()
	const (
		told  = "Records with `forwarding_status` 128 and without `sampling_interval` are packets that an agent reported as dropped, beside its samples."
		outer = "Of a tunnel the outer headers count; `layer2_segment_id` has the network of VXLAN and NVGRE."
		odd   = "A header that the agent cut short is read as far as it goes, and has the anomaly `ANOMALY_TRUNCATED_HEADER`. " +
			"Some agents (Open vSwitch) cut the frame's length, too: an IP length that does not fit into it is published as it is, with " +
			"`ANOMALY_VALUE_OUT_OF_RANGE`, and so is an IP length of 0, which network cards leave to be filled in."
		vxlan = "45 00 0060 0000 0000 3d 11 0000 0a010101 c6336409 c000 12b5 004c 0000 08000000 00abcd00" + macs + "0800" + ipTCP
		nvgre = "45 00 0060 0000 0000 3d 2f 0000 0a010101 c6336409 2000 6558 00abcd07" + macs + "0800" + ipTCP
	)
	page := testpage.Read(t, "values.md").Section(t, "Records of sFlow")
	for text, f := range map[string]fact{
		// Format 5: number 9, source 0:5, 2 dropped, from interface 11 to 12, reason 258.
		told: {
			flowsOf(t, New(), sample(t, 5, "00000009 00000000 00000005 00000002 0000000b 0000000c 00000102", frame(1, 64, macs+"0800"+ipTCP))),
			func(f *flowv1.FlowRecord) []any {
				return []any{f.GetForwardingStatus(), f.GetSamplingInterval(), f.GetOctets()}
			},
			[]string{"128 0 40"},
		},
		outer: {
			flowsOf(t, New(), sample(t, 1, head, frame(11, 100, vxlan)), sample(t, 1, head, frame(11, 100, nvgre))),
			func(f *flowv1.FlowRecord) []any {
				return []any{f.GetOctets(), f.GetProtocol(), f.GetLayer2SegmentId() & 0xffffff}
			},
			[]string{"96 17 43981", "96 47 43981"},
		},
		odd: {
			flowsOf(t, New(),
				sample(t, 1, head, frame(1, 64, macs+"0800"+strings.TrimSuffix(ipTCP, tcp))),
				sample(t, 1, head, frame(1, 53, macs+"0800"+ipTCP)),
				sample(t, 1, head, frame(1, 9014, macs+"0800"+strings.Replace(ipTCP, "0028", "0000", 1)))),
			func(f *flowv1.FlowRecord) []any {
				return []any{f.GetOctets(), f.GetSourcePort(), flowv1.Anomaly(f.GetAnomalies())}
			},
			[]string{"40 0 ANOMALY_TRUNCATED_HEADER", "40 40000 ANOMALY_VALUE_OUT_OF_RANGE", "0 40000 ANOMALY_VALUE_OUT_OF_RANGE"},
		},
	} {
		page.Find(t, regexp.QuoteMeta(text))
		f.check(t, text)
	}
}

// The fields that docs/values.md has for it identify a record of sFlow, in all recordings: what is equal
// in them is equal in all but the time of receipt, a copy that the network made.
func TestPageOfIdentity(t *testing.T) {
	t.Parallel()
	said := testpage.Read(t, "values.md").Section(t, "Records of sFlow").Find(t, "A record is identified by these fields together: (.*?`)\\.")[0]
	names := regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(said, -1)
	records, copies := 0, 0
	for _, path := range corpus.Find(t, 3, "../../../decoder/sflow/testdata/*/*.pcap.gz") {
		d, known := New(), map[string]*flowv1.FlowRecord{}
		for _, in := range corpus.Datagrams(t, path) {
			_ = d.Decode(in.Payload, in.From, received, func(value []byte) error { // some are malformed
				m := new(flowv1.FlowRecord)
				if err := proto.Unmarshal(value, m); err != nil {
					return err
				}
				identity := ""
				for _, name := range names {
					field := m.ProtoReflect().Descriptor().Fields().ByName(protoreflect.Name(name[1]))
					if field == nil {
						t.Fatalf("no field %s", name[1])
					}
					identity += m.ProtoReflect().Get(field).String() + " "
				}
				if other := known[identity]; other == nil {
					known[identity] = m
				} else if copies++; !proto.Equal(m, other) {
					t.Errorf("%s: %s is of two records:\n%v\n%v", path, identity, m, other)
				}
				records++
				return nil
			})
		}
	}
	if t.Logf("%d records, %d copies", records, copies); records < 400 {
		t.Errorf("the recordings have %d records", records)
	}
}

// An exporter may have an IPv6 address although it sends NetFlow v5.
func TestPageOfIPv6Exporters(t *testing.T) {
	t.Parallel()
	testpage.Read(t, "values.md").Section(t, "ClickHouse").Find(t, "An exporter may have an IPv6 address although it sends NetFlow v5.")
	payload := datagram(t, "0005 0001 000003e8 6553f100 00000000 00000064 00000000", strings.Repeat("00", 48))
	from := netip.MustParseAddrPort("[2001:db8::1]:2055")
	if err := New().Decode(payload, from, received, func(value []byte) error {
		m := new(flowv1.FlowRecord)
		err := proto.Unmarshal(value, m)
		if a, _ := netip.AddrFromSlice(m.GetExporterAddress()); a != from.Addr() || m.GetFormat() != flowv1.ExportFormat_EXPORT_FORMAT_NETFLOW_V5 {
			t.Errorf("the exporter is %v, of %v", a, m.GetFormat())
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}
