package batch

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/internal/flowtest"
	"github.com/flowpub/flowpub/internal/testpage"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// docs/values.md has every form, and of each the header as it is.
func TestPageOfForms(t *testing.T) {
	t.Parallel()
	page := testpage.Read(t, "values.md")
	var forms []string
	for _, row := range page.Rows(t) {
		form, _, _ := strings.Cut(row[0], ",")
		forms = append(forms, strings.Trim(form, "`"))
	}
	header := page.Section(t, "A header that tells the form")
	headers := make(map[string]string)
	for _, row := range header.Rows(t) {
		headers[strings.Trim(row[0], "`")] = strings.Trim(row[1], "`")
	}
	for i, name := range valueNames {
		if !slices.Contains(forms, name) || len(forms) != len(valueNames) {
			t.Errorf("docs/values.md has the forms %v", forms)
		}
		key, value := "content-type", headers[name]
		want := string(append([]byte{2, byte(2 * len(key))}, key...)) + string(append([]byte{byte(2 * len(value))}, value...))
		if got := Headers(key, Value(i)); got != want {
			t.Errorf("the header is %q, want %q", got, want)
		}
	}
	more := fmt.Sprint(len(Headers("content-type", ValueProtobuf)) - len(noHeaders))
	if said := header.Find(t, "two bytes, the name and the value: ([0-9]+) bytes with `content-type`")[0]; said != more {
		t.Errorf("a header takes %s bytes, docs/values.md says %s", more, said)
	}
}

// It has what a header costs, compressed.
func TestPageOfHeaders(t *testing.T) {
	t.Parallel()
	page := testpage.Read(t, "values.md").Section(t, "A header that tells the form")
	said := page.Find(t, "it took ([0-9.]+) to ([0-9.]+) bytes a flow with `zstd-fast`, ([0-9.]+) to ([0-9.]+) with `zstd`, ([0-9.]+) to ([0-9.]+) with `lz4-fast`")
	var got []string
	for _, c := range []Compression{CompressionZstdFast, CompressionZstd, CompressionLZ4Fast} {
		least, most := headerCosts(c)
		got = append(got, fmt.Sprintf("%.1f", least), fmt.Sprintf("%.1f", most))
	}
	if !slices.Equal(got, said) {
		t.Errorf("it took %v bytes, docs/values.md says %v", got, said)
	}
}

// headerCosts are what a header takes of a record in batches of any traffic.
func headerCosts(c Compression) (least, most float64) {
	least = math.Inf(1)
	for _, change := range trafficKinds {
		var size [2]int
		for i, headers := range []string{"", Headers("content-type", ValueProtobuf)} {
			var m testMemory
			b := trafficBatch(&m, c, Framing{Headers: headers}, 100, change)
			NewSealer(c).Seal(&m, b)
			size[i] = len(b.buf)
		}
		each := float64(size[1]-size[0]) / (100 * benchRecords)
		least, most = min(least, each), max(most, each)
	}
	return least, most
}

// It has the first bytes of a delimited value, and what leads to a message in the others.
func TestPageOfLeads(t *testing.T) {
	t.Parallel()
	page := testpage.Read(t, "values.md")
	said := page.Section(t, "protobuf-delimited").Find(t, "A message of ([0-9]+) bytes begins `([0-9a-f]{2}) ([0-9a-f]{2})`. It costs (two) bytes")
	e := Encoder{Framing: Framing{Value: ValueProtobufDelimited}}
	e.Reset(goldenPacket())
	value, message := e.appendValue(nil, 0), bytesOf(t, goldenValue)
	if got := []string{fmt.Sprint(len(message)), fmt.Sprintf("%02x", value[0]), fmt.Sprintf("%02x", value[1]), "two"}; !slices.Equal(got, said) || len(value) != len(message)+2 {
		t.Errorf("it is %v and %d bytes more, docs/values.md says %v", got, len(value)-len(message), said)
	}
	page.Section(t, "confluent").Find(t, "a 0, the schema's id as four bytes, most significant first, a 0 for the first message type in the schema, and the encoded record. It is six bytes a flow")
	e = Encoder{Framing: Framing{Value: ValueConfluent, Schema: 0x01020304}}
	e.Reset(goldenPacket())
	if value := e.appendValue(nil, 0); string(value) != "\x00\x01\x02\x03\x04\x00"+string(message) {
		t.Errorf("a confluent value is %x", value)
	}
}

// The object that it shows is what the encoder writes of the packet of the tests.
func TestPageOfJSON(t *testing.T) {
	t.Parallel()
	shown := testpage.Read(t, "values.md").Section(t, "json").Blocks(t, "json")[0]
	lines := strings.Split(strings.TrimSpace(shown), "\n")
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], " ")
	}
	if got := strings.Join(lines, ""); got != goldenJSON {
		t.Errorf("docs/values.md shows\n%s, want\n%s", got, goldenJSON)
	}
}

// It says after which members those come that not all have.
func TestPageOfMembers(t *testing.T) {
	t.Parallel()
	page := testpage.Read(t, "values.md").Section(t, "json")
	said := page.Find(t, "`(agentAddress)` and `(observationDomainId)` follow `(exporterPort)`, `(samplingOverride)` and `(exporterName)` follow `(headerCount)`")
	from, received, p := extendedPacket()
	p.AgentAddress, p.Annotation = from.Addr(), &decoder.Annotation{Name: "core-1", SamplingOverride: 1000}
	e := Encoder{Framing: Framing{Value: ValueJSON}}
	e.Reset(from, received, p)
	value := e.appendValue(nil, 0)
	all := members(t, value)
	for i, order := range [][]string{{said[2], said[0], said[1]}, {said[5], said[3], said[4]}} {
		if at := slices.Index(all, order[0]); at < 0 || !slices.Equal(all[at:at+3], order) {
			t.Errorf("%d: the members are %v, docs/values.md says %v", i, all, order)
		}
	}
	page.Find(t, "Fields that only other formats carry follow where they are carried, and `samplingInterval` is among them then")
	plain := members(t, []byte(goldenJSON))
	common := slices.DeleteFunc(slices.Clone(all[:len(plain)+3]), func(name string) bool { return slices.Contains(said, name) && !slices.Contains(plain, name) })
	if want := slices.DeleteFunc(plain, func(name string) bool { return name == "samplingInterval" }); !slices.Equal(common, want) || !slices.Contains(all[len(plain)+3:], "samplingInterval") {
		t.Errorf("the members of NetFlow v5 are %v, then %v, want %v", common, all[len(common):], want)
	}
}

// members are the names of an object, in their order.
func members(t *testing.T, object []byte) (names []string) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(string(object)))
	for depth, isName := 0, false; ; {
		token, err := d.Token()
		if err != nil {
			return names
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
			isName = depth == 1
			continue
		case json.Delim('}'), json.Delim(']'):
			depth--
			isName = depth == 1
			continue
		}
		if depth == 1 && isName {
			names = append(names, token.(string)) //nolint:forcetypeassert // a name is one
		}
		isName = depth == 1 && !isName
	}
}

// Five things are not as proto3 would write them, and nothing else: they are the rows of
// the page's table.
func TestPageOfDifferences(t *testing.T) {
	t.Parallel()
	var said []string
	for _, row := range testpage.Read(t, "values.md").Section(t, "json").Rows(t) {
		said = append(said, row[0])
	}
	want := []string{"addresses", "times", "MAC addresses", "`packets`, `octets` and all others of 64 bits", "what a record does not have"}
	if !slices.Equal(said, want) {
		t.Fatalf("docs/values.md has the differences %q, want %q", said, want)
	}
	from, received, p := extendedPacket()
	e := Encoder{Framing: Framing{Value: ValueJSON}}
	e.Reset(from, received, p)
	standard, err := protojson.Marshal(flowtest.Message(from, received, p, 0))
	if err != nil {
		t.Fatal(err)
	}
	var compact bytes.Buffer // it puts spaces here and there
	if err := json.Compact(&compact, standard); err != nil {
		t.Fatal(err)
	}
	ours, theirs := object(t, e.appendValue(nil, 0)), object(t, compact.Bytes())
	fields := (*flowv1.FlowRecord)(nil).ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		checkDifference(t, fields.Get(i), ours, theirs)
	}
	if len(ours) > 0 {
		t.Errorf("members of no field: %v", ours)
	}
}

// checkDifference looks at a field in both objects, and takes it out of ours.
func checkDifference(t *testing.T, d protoreflect.FieldDescriptor, ours, theirs map[string]string) {
	t.Helper()
	name, kind := d.JSONName(), kindOf(d)
	if kind == kindTime {
		name = strings.TrimSuffix(name, "Ns")
	}
	got, there := ours[name]
	want, set := theirs[d.JSONName()]
	delete(ours, name)
	text := strings.Trim(got, `"`)
	switch {
	case !there && !set, !set && (got == "null" || got == "0"):
	case !there:
		t.Errorf("%s is not there; proto3 has %s", name, want)
	case kind == kindTime && !strings.HasSuffix(text, "Z"), kind == kindTime && len(text) != len("2006-01-02T15:04:05.000000000Z"):
		t.Errorf("%s is %s", name, got)
	case kind == kindTime && want[0] != '"':
		t.Errorf("proto3 has %s of %s, and no string of a number", want, name)
	case kind == kindAddress, kind == kindMAC:
		if b, err := base64.StdEncoding.DecodeString(strings.Trim(want, `"`)); err != nil || len(b) < 4 || !strings.ContainsAny(text, ".:") {
			t.Errorf("%s is %s; proto3 has %s, no Base64: %v", name, got, want, err)
		}
	case kind == kindTime:
	case d.Kind() == protoreflect.Uint64Kind:
		if want != `"`+got+`"` {
			t.Errorf("%s is %s; proto3 has %s, want the same as a string", name, got, want)
		}
	case got != want && kind != kindElements: // whose zeros are there, too
		t.Errorf("%s is %s; proto3 has %s", name, got, want)
	}
}

// object is one by its members.
func object(t *testing.T, text []byte) map[string]string {
	t.Helper()
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil {
		t.Fatal(err)
	}
	object := make(map[string]string)
	for name, value := range raw {
		object[name] = string(value)
	}
	return object
}

// It has the size of a record in JSON and in protobuf, and what the default codec makes of both; the times
// beside them are those of BenchmarkValues.
func TestPageOfSizes(t *testing.T) {
	t.Parallel()
	said := testpage.Read(t, "values.md").Section(t, "json").Find(t, "a record of ([0-9]+) bytes in protobuf has ([0-9]+), .* makes ([0-9]+) bytes of it instead of ([0-9]+) \\(`BenchmarkValues`")
	got := []string{
		fmt.Sprintf("%.0f", sizeOf(ValueProtobuf, CompressionNone)), fmt.Sprintf("%.0f", sizeOf(ValueJSON, CompressionNone)),
		fmt.Sprintf("%.0f", sizeOf(ValueJSON, CompressionZstdFast)), fmt.Sprintf("%.0f", sizeOf(ValueProtobuf, CompressionZstdFast)),
	}
	if !slices.Equal(got, said) {
		t.Errorf("they have %v bytes, docs/values.md says %v", got, said)
	}
}

// sizeOf is how many bytes a record has in full batches, on average.
func sizeOf(v Value, c Compression) float64 {
	records, wire := 0, 0
	for packets, i := benchPackets(600), 0; i < len(packets); {
		var m testMemory
		open := Open(make([]byte, 0, 1<<20), c)
		for ; open.Size() < 480<<10 && i < len(packets); i++ {
			e := Encoder{Framing: Framing{Value: v}}
			e.Reset(flowtest.Exporter(uint64(i)), flowtest.Received(uint64(i)), packets[i])
			open.Append(&e, 0, benchRecords)
		}
		records += open.records
		open.Shut()
		NewSealer(c).Seal(&m, &open)
		wire += len(open.buf)
	}
	return float64(wire) / float64(records)
}
