package tail

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/flowpub/flowpub/internal/tail/flow"
	"github.com/flowpub/flowpub/internal/tail/tailtest"
	"github.com/flowpub/flowpub/internal/tail/top"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

func TestWideTable(t *testing.T) {
	t.Parallel()
	header := "START (UTC)              SECONDS EXPORTER        VIA   PROTO  SOURCE                DESTINATION           FLAGS     PACKETS     OCTETS  BIT/S ANOMALIES\n"
	if got := layoutOf(&Config{Format: FormatWide}).header; got != header {
		t.Errorf("header is\n%swant\n%s", got, header)
	}
	tests := []struct {
		name   string
		record *flowv1.FlowRecord
		want   string
	}{
		{
			"TCP", tailtest.Web(),
			"2023-11-14 22:13:20.123    2.500 10.0.0.1        v5    TCP    192.0.2.17:49152      198.51.100.4:443      ...AP.SF      180     250000   800k count_above_present\n",
		},
		{
			"UDP without flags, of no duration", &flowv1.FlowRecord{
				ExporterAddress: []byte{10, 0, 0, 1}, SourceAddress: []byte{192, 0, 2, 17}, DestinationAddress: []byte{192, 0, 2, 53},
				SourcePort: 5353, DestinationPort: 53, Protocol: 17, Packets: 1, Octets: 76, StartTimeNs: tailtest.Start, EndTimeNs: tailtest.Start,
			},
			"2023-11-14 22:13:20.123    0.000 10.0.0.1        -     UDP    192.0.2.17:5353       192.0.2.53:53         -               1         76      -\n",
		},
		{
			"longer values than their columns", &flowv1.FlowRecord{
				ExporterAddress: []byte{0x20, 0x01, 0x0d, 0xb8, 15: 1},
				SourceAddress:   []byte{0x20, 0x01, 0x0d, 0xb8, 15: 2}, DestinationAddress: []byte{0x20, 0x01, 0x0d, 0xb8, 15: 3},
				DestinationPort: 32768, Protocol: 58, Packets: 1 << 40, Octets: 1 << 41, StartTimeNs: tailtest.Start, EndTimeNs: tailtest.Start + 10_000_000_000_000,
			},
			"2023-11-14 22:13:20.123 10000.000 2001:db8::1     -     ICMPv6 2001:db8::2           [2001:db8::3]:128.0   -        1099511627776 2199023255552  1.76G\n",
		},
		{
			"start after end, flags without TCP, a bit of no name", &flowv1.FlowRecord{
				ExporterAddress: []byte{10, 0, 0, 1}, SourceAddress: []byte{0, 0, 0, 0}, DestinationAddress: []byte{255, 255, 255, 255},
				Protocol: 253, TcpFlags: 0x80, StartTimeNs: tailtest.End, EndTimeNs: tailtest.Start, Anomalies: 128 | 1<<30,
			},
			"2023-11-14 22:13:22.623        - 10.0.0.1        -     253    0.0.0.0:0             255.255.255.255:0     C.......        0          0      - start_after_end,1073741824\n",
		},
		{
			"TCP without flags", &flowv1.FlowRecord{ExporterAddress: []byte{10, 0, 0, 1}, Protocol: 6},
			"-                              - 10.0.0.1        -     TCP    -                     -                     ........        0          0      -\n",
		},
		{
			"nothing but the exporter", tailtest.Bare(),
			"-                              - 10.0.0.1        -     0      -                     -                     -               0          0      -\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := string(layoutOf(&Config{Format: FormatWide}).append(nil, decoded(t, tt.record))); got != tt.want {
				t.Errorf("got\n%swant\n%s", got, tt.want)
			}
		})
	}
}

// No line is longer than 80 characters, unless addresses or names of protocols are.
func TestTable(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		record *flowv1.FlowRecord
		want   string
	}{
		{
			"TCP with an anomaly", tailtest.Web(),
			"22:13:20 10.0.0.1        TCP  192.0.2.17:49152      198.51.100.4:443       250k!\n",
		},
		{
			"the widest of IPv4", &flowv1.FlowRecord{
				ExporterAddress: []byte{203, 0, 113, 250}, SourceAddress: []byte{198, 51, 100, 201}, DestinationAddress: []byte{198, 51, 100, 202},
				SourcePort: 65535, DestinationPort: 65534, Protocol: 6, Octets: 1_234_567_890, StartTimeNs: tailtest.Start, Anomalies: 2,
			},
			"22:13:20 203.0.113.250   TCP  198.51.100.201:65535  198.51.100.202:65534  1.23G!\n",
		},
		{
			"nothing but the exporter", tailtest.Bare(),
			"-        10.0.0.1        0    -                     -                         0\n",
		},
	}
	const header = "START    EXPORTER        PROT SOURCE                DESTINATION           OCTETS\n"
	if got := layoutOf(&Config{Format: FormatTable}).header; got != header || len(got) > 81 {
		t.Errorf("header is\n%swant\n%s", got, header)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := string(layoutOf(&Config{Format: FormatTable}).append(nil, decoded(t, tt.record)))
			if got != tt.want || len(got) > 81 {
				t.Errorf("got\n%swant\n%s", got, tt.want)
			}
		})
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		record *flowv1.FlowRecord
		want   string
	}{
		{
			"every field", tailtest.Web(),
			`{"startTime":"2023-11-14T22:13:20.123000000Z","endTime":"2023-11-14T22:13:22.623000000Z","durationSeconds":2.5,` +
				`"exporterAddress":"10.0.0.1","exporterPort":50001,"protocol":6,"protocolName":"TCP",` +
				`"sourceAddress":"192.0.2.17","sourcePort":49152,"destinationAddress":"198.51.100.4","destinationPort":443,` +
				`"tcpFlags":27,"tcpFlagLetters":"...AP.SF","packets":180,"octets":250000,"bitsPerSecond":800000,` +
				`"inputInterface":3,"outputInterface":7,"nextHop":"203.0.113.1","tos":8,"sourceAs":64496,"destinationAs":64511,` +
				`"sourcePrefixLength":24,"destinationPrefixLength":19,"samplingMode":1,"samplingInterval":100,` +
				`"receiveTime":"2023-11-14T22:13:23.001000001Z","exportTime":"2023-11-14T22:13:23.000000001Z",` +
				`"flowSequence":4000000000,"recordIndex":2,"recordCount":30,"headerCount":31,"engineType":1,"engineId":9,` +
				`"systemUptimeMs":86400000,"firstUptimeMs":86397123,"lastUptimeMs":86399623,` +
				`"format":"EXPORT_FORMAT_NETFLOW_V5","anomalies":1}` + "\n",
		},
		{
			"nothing but the exporter", tailtest.Bare(),
			`{"startTime":null,"endTime":null,"durationSeconds":null,` +
				`"exporterAddress":"10.0.0.1","exporterPort":0,"protocol":0,"protocolName":"0",` +
				`"sourceAddress":null,"sourcePort":0,"destinationAddress":null,"destinationPort":0,` +
				`"tcpFlags":0,"tcpFlagLetters":"........","packets":0,"octets":0,"bitsPerSecond":null,` +
				`"inputInterface":0,"outputInterface":0,"nextHop":null,"tos":0,"sourceAs":0,"destinationAs":0,` +
				`"sourcePrefixLength":0,"destinationPrefixLength":0,"samplingMode":0,"samplingInterval":0,` +
				`"receiveTime":null,"exportTime":null,` +
				`"flowSequence":0,"recordIndex":0,"recordCount":0,"headerCount":0,"engineType":0,"engineId":0,` +
				`"systemUptimeMs":0,"firstUptimeMs":0,"lastUptimeMs":0,` +
				`"format":"EXPORT_FORMAT_UNSPECIFIED","anomalies":0}` + "\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := string(appendJSON(nil, decoded(t, tt.record))); got != tt.want {
				t.Errorf("got\n%swant\n%s", got, tt.want)
			}
		})
	}
}

func TestCSV(t *testing.T) {
	t.Parallel()
	others := strings.Repeat(",", 63)
	want := "startTime,endTime,durationSeconds,exporterAddress,exporterPort,protocol,protocolName," +
		"sourceAddress,sourcePort,destinationAddress,destinationPort,tcpFlags,tcpFlagLetters,packets,octets,bitsPerSecond," +
		"inputInterface,outputInterface,nextHop,tos,sourceAs,destinationAs,sourcePrefixLength,destinationPrefixLength," +
		"samplingMode,samplingInterval,receiveTime,exportTime,flowSequence,recordIndex,recordCount,headerCount," +
		"engineType,engineId,systemUptimeMs,firstUptimeMs,lastUptimeMs,format,anomalies" +
		",observationDomainId,templateId,samplingSource,samplerId,samplingAlgorithm,samplingPacketInterval,samplingPacketSpace,flowDirection" +
		",flowEndReason,forwardingStatus,postPackets,postOctets,reversePackets,reverseOctets,counterKind,minimumTtl" +
		",maximumTtl,ethernetType,sourceMac,destinationMac,postSourceMac,postDestinationMac,vlanId,postVlanId" +
		",customerVlanId,icmpTypeCode,fragmentIdentification,fragmentOffset,fragmentFlags,ipv6FlowLabel,bgpNextHop,bgpNextAdjacentAs" +
		",bgpPreviousAdjacentAs,bgpAsPath,bgpCommunities,ingressVrfId,egressVrfId,ingressPhysicalInterface,egressPhysicalInterface,mplsLabels" +
		",mplsTopLabelAddress,postNatSourceAddress,postNatDestinationAddress,postNaptSourcePort,postNaptDestinationPort,natEvent,firewallEvent,firewallExtendedEvent" +
		",flowId,observationTime,applicationId,observationPointId,postTos,layer2SegmentId,droppedPackets,droppedOctets" +
		",agentAddress,sampleSequence,sourceId,frameOctets,samplingOverride,exporterName,elements" +
		"\n" +
		"2023-11-14T22:13:20.123000000Z,2023-11-14T22:13:22.623000000Z,2.5,10.0.0.1,50001,6,TCP," +
		"192.0.2.17,49152,198.51.100.4,443,27,...AP.SF,180,250000,800000," +
		"3,7,203.0.113.1,8,64496,64511,24,19,1,100,2023-11-14T22:13:23.001000001Z,2023-11-14T22:13:23.000000001Z," +
		"4000000000,2,30,31,1,9,86400000,86397123,86399623,EXPORT_FORMAT_NETFLOW_V5,1" + others + "\n" +
		",,,10.0.0.1,0,0,0,,0,,0,0,........,0,0,,0,0,,0,0,0,0,0,0,0,,,0,0,0,0,0,0,0,0,0,EXPORT_FORMAT_UNSPECIFIED,0" + others + "\n"
	layout := layoutOf(&Config{Format: FormatCSV})
	got := layout.append([]byte(layout.header), decoded(t, tailtest.Web()))
	got = layout.append(got, decoded(t, tailtest.Bare()))
	if string(got) != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

const richJSON = `"observationDomainId":7,"samplingSource":"SAMPLING_SOURCE_SAMPLER","reversePackets":18446744073709551615,"counterKind":"9",` +
	`"sourceMac":"00:01:02:ab:cd:ef","bgpAsPath":[64496,64511],"postNatSourceAddress":"192.0.2.9",` +
	`"observationTime":"2023-11-14T22:13:20.123000000Z","applicationId":"AwAAUA==","exporterName":"a \"router\", here",` +
	`"elements":[{"enterprise":9,"id":12235,"value":"YWJj"},{"enterprise":0,"id":95,"value":""}]}`

// Fields that only some formats carry are printed when they are carried.
func TestOtherFields(t *testing.T) {
	t.Parallel()
	object := string(appendJSON(nil, decoded(t, tailtest.Rich())))
	_, others, _ := strings.Cut(object, `"anomalies":0,`)
	if others != richJSON+"\n" {
		t.Errorf("got\n%swant\n%s", others, richJSON)
	}
	line := string(appendCSV(nil, decoded(t, tailtest.Rich())))
	_, others, _ = strings.Cut(line, "EXPORT_FORMAT_UNSPECIFIED,0,")
	want := "7,,SAMPLING_SOURCE_SAMPLER,,,,,,,,,,18446744073709551615,,9,,,,00:01:02:ab:cd:ef,,,,,,,,,,,,,,," +
		`"[64496,64511]",,,,,,,,192.0.2.9,,,,,,,,2023-11-14T22:13:20.123000000Z,AwAAUA==,,,,,,,,,,,"a ""router"", here",` +
		`"[{""enterprise"":9,""id"":12235,""value"":""YWJj""},{""enterprise"":0,""id"":95,""value"":""""}]"` + "\n"
	if others != want {
		t.Errorf("got\n%swant\n%s", others, want)
	}
}

// A field that is added to the record must be printed too.
func TestFieldsAreComplete(t *testing.T) {
	t.Parallel()
	printed := make(map[string]bool)
	for _, f := range fields {
		if printed[f.name] {
			t.Errorf("%s is printed twice", f.name)
		}
		printed[f.name] = true
	}
	for i := range flow.Descriptors.Len() {
		if name := flow.NameOf(flow.Descriptors.Get(i)); !printed[name] {
			t.Errorf("%s is not printed", name)
		}
	}
}

func TestAppendSI(t *testing.T) {
	t.Parallel()
	tests := []struct {
		number float64
		want   string
	}{
		{0, "0"},
		{0.4, "0"},
		{999.4, "999"},
		{999.5, "1.00k"},
		{1234, "1.23k"},
		{9994, "9.99k"},
		{9996, "10.0k"},
		{99_940, "99.9k"},
		{99_960, "100k"},
		{999_499, "999k"},
		{999_500, "1.00M"},
		{45_600_000, "45.6M"},
		{789e9, "789G"},
		{1e12, "1.00T"},
		{1e27, "1000Y"},
	}
	for _, tt := range tests {
		if got := string(appendSI(nil, tt.number)); got != tt.want {
			t.Errorf("%v is printed as %s, want %s", tt.number, got, tt.want)
		}
	}
}

// FuzzLayouts: whatever a message holds, if it is printed, then as one line that
// readers of the format understand.
func FuzzLayouts(f *testing.F) {
	f.Add(tailtest.Marshal(f, tailtest.Web()))
	f.Add(tailtest.Marshal(f, tailtest.Bare()))
	f.Add(tailtest.Marshal(f, tailtest.Rich()))
	f.Add([]byte("hello"))
	f.Fuzz(func(t *testing.T, value []byte) {
		var decoded flow.Flow
		if decoded.Decode(flow.Protobuf, value) != nil {
			return
		}
		var object map[string]any
		line := appendJSON(nil, &decoded)
		if err := json.Unmarshal(line, &object); err != nil {
			t.Errorf("%v: %s", err, line)
		}
		table, err := csv.NewReader(strings.NewReader(csvHeader() + string(appendCSV(nil, &decoded)))).ReadAll()
		if err != nil || len(table) != 2 || len(table[1]) != len(fields) {
			t.Fatalf("%q, error %v", table, err)
		}
		compareJSONWithCSV(t, object, table[1])
		if row := string(layoutOf(&Config{Format: FormatWide}).append(nil, &decoded)); strings.Index(row, "\n") != len(row)-1 || len(row) < 2 {
			t.Errorf("not a line: %q", row)
		}
	})
}

func compareJSONWithCSV(t *testing.T, object map[string]any, values []string) {
	t.Helper()
	for i, value := range values {
		var want any
		switch {
		case value == "":
		case fields[i].quoted:
			want = value
		default:
			if err := json.Unmarshal([]byte(value), &want); err != nil {
				t.Fatal(err)
			}
		}
		if got := object[fields[i].name]; !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %v as JSON and %v as CSV", fields[i].name, got, want)
		}
	}
}

func decoded(tb testing.TB, record *flowv1.FlowRecord) *flow.Flow {
	tb.Helper()
	f := new(flow.Flow)
	if err := f.Decode(flow.Protobuf, tailtest.Marshal(tb, record)); err != nil {
		tb.Fatal(err)
	}
	return f
}

// The column has the interval by which sums are scaled.
func TestSamplingColumn(t *testing.T) {
	t.Parallel()
	record := tailtest.Bare()
	record.SamplingOverride, record.SamplingInterval = 512, 100
	if got := string(layoutOf(&Config{Format: FormatTable, Columns: []string{"sampling"}}).append(nil, decoded(t, record))); got != "     512\n" {
		t.Errorf("a flow's line is %q", got)
	}
}

// A table shows texts that others chose as text: nothing of them reaches the terminal as a command.
func TestTablesAreText(t *testing.T) {
	t.Parallel()
	record := tailtest.Bare()
	record.ExporterName = "a\x1b]0;b\a\nc\u009b2Jd\u202eé"
	const want = "a?]0;b??c?2Jd?é"
	if got := string(layoutOf(&Config{Format: FormatTable, Columns: []string{"name"}}).append(nil, decoded(t, record))); got != want+"\n" {
		t.Errorf("a flow's line is %q, want %q", got, want)
	}
	var out strings.Builder
	r := newRanking(&Config{Format: FormatTable, Top: top.Config{Keys: keysOf(t, "name")}, Out: &out})
	if err := errors.Join(r.begin(), r.add(decoded(t, record)), r.end()); err != nil {
		t.Fatal(err)
	}
	if got := strings.Split(out.String(), "\n"); len(got) != 4 || !strings.HasPrefix(got[1], want+" ") {
		t.Errorf("the sums are %q, want one of %q", got, want)
	}
}
