package testpage

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// advice is held by nothing: it says what to do, or where more is.
const advice = "advice"

// statements are all that docs/values.md states, in its order, by how they begin, with what holds them: tests, benchmarks,
// or what the tests of examples do. Who changes the page, changes or finds the test first.
var statements = []struct{ begins, held string }{
	{"Each Kafka message holds one flow record", "TestValuesDelivered"},
	{"Its key, its timestamp and its partition are always the same", "TestValuesDelivered"},
	{"| `protobuf`, the default", "TestPageOfValues TestAppendValueGolden clickHousePanels"},
	{"| `protobuf-delimited`", "TestPageOfLeads parsesDelimited valuesInClickHouse"},
	{"| `confluent`", "TestPageOfLeads registry"},
	{"| `json`", "TestPageOfJSON valuesInClickHouse"},
	{"All topics have the same form", "TestSchemaOfEachTopic"},
	{"Unless [a header]", advice},
	{"`flowtail` reads each", "TestDecodeForms"},
	{"[Dead letters](dead-letters.md)", "TestDeadLettersInEveryForm"},

	{"With `FLOWPUB_KAFKA_VALUE_HEADER=content-type`", "TestPageOfValues TestHeaderIsRead"},
	{"Its value is the form, a semicolon", "TestPageOfForms TestHeaderGolden"},
	{"| `protobuf` |", "TestPageOfForms"},
	{"| `protobuf-delimited` |", "TestPageOfForms"},
	{"| `confluent` |", "TestPageOfForms"},
	{"| `json` |", "TestPageOfForms"},
	{"The package in the message's name", "TestSchema"},
	{"New fields stay within it", "TestFlowRecordContract"},
	{"So a reader compares the whole value", "headers"},
	{"`flowtail` reads each message as its header says", "TestHeaderTellsTheForm"},
	{"The header is the same in all messages", "TestPageOfHeaders"},
	{"Without compression it is two bytes", "TestPageOfForms"},
	{"Without the variable messages have no headers", "TestAppendRecordGolden TestFrozen"},

	{"As `parseDelimitedFrom` of Java and Go's `protodelim` read it", "parsesDelimited TestDelimitedGolden"},
	{"A message of 140 bytes begins", "TestPageOfLeads"},
	{"It costs two bytes a flow", "TestPageOfLeads"},
	{"[Decision 20]", advice},

	{"Confluent's wire format", "TestPageOfLeads TestConfluentGolden"},
	{"It is six bytes a flow", "TestPageOfLeads"},
	{"```sh FLOWPUB_KAFKA_VALUE=confluent", "TestPageOfValues"},
	{"At its start flowpub registers", "TestSchemaOfEachTopic TestSchema"},
	{"A registry that has it already gives its id again", "TestSchemaRegisteredOnce registersByHand"},
	{"Where registering is refused", "TestPageOfStatuses TestSchemaLookedUp"},
	{"```sh jq -Rs", "registersByHand"},
	{"The look-up finds that very text", "TestLookUpFindsThatVeryText"},
	{"**Until a topic has its id**", "TestSchemaAwaitedUntilBufferIsFull TestRegistryComesLate"},
	{"flowpub is not ready", "awaitComplaint"},
	{"The registry is asked again every", "TestPageOfLimits TestRegistryPasswordCorrected TestRegistryAuthorityCorrected"},
	{"What it refuses for one subject", "TestSchemaRefused"},
	{"**Once there is an id**", "TestRegistryIsNotNeededAgain"},
	{"The password is sent to that URL only", "TestRegistryRedirection"},
	{"Of what a registry answers", "TestNoRegistrySecretIsShown TestRegistryErrors"},
	{"`HTTPS_PROXY` and `NO_PROXY`", "TestProxy"},
	{"On Kubernetes the network policy", "TestPageOfNetworkPolicy"},
	{"Tried with Apicurio Registry", "registersByHand"},
	{"`ProtobufDeserializer` of Confluent's", "registry"},
	{"Confluent's own registry was not tried", advice},

	{"```json {\"format\":", "TestPageOfJSON TestJSONIsAsDocumented"},
	{"without the line breaks", "TestPageOfJSON"},
	{"An object has every field that NetFlow v5 has", "TestJSONUnset TestPageOfMembers"},
	{"Fields that only other formats carry", "TestPageOfMembers"},
	{"The names are those of proto3's JSON", "TestPageOfDifferences TestExtensionFieldsAreTheMessages TestJSONIsAsDocumented"},
	{"Lists are arrays, enumerations their names", "TestExtensionGolden TestPageOfDifferences"},
	{"Five things are not as proto3", "TestPageOfDifferences"},
	{"| addresses |", "TestPageOfDifferences"},
	{"| times |", "TestPageOfDifferences TestJSONTimes"},
	{"| MAC addresses |", "TestPageOfDifferences TestExtensionGolden"},
	{"| `packets`, `octets` and all others", "TestPageOfDifferences"},
	{"| what a record does not have |", "TestPageOfDifferences TestJSONUnset"},
	{"It costs: a record of", "TestPageOfSizes BenchmarkValues"},
	{"The buffer holds fewer flows", "TestPageOfLimits"},
	{"A packet with many records can be larger", "TestLargestPacket TestTooLargeIsSplit"},

	{"`packets` and `octets` are as the exporter counted them", "TestValuesDelivered"},
	{"To estimate what was there", "goServices clickHousePanels javaTopTalkers pythonTopNetworks"},
	{"`sampling_override`, which", "TestExportersFile"},
	{"`sampling_interval`, as the exporter says", "TestSamplingInterval"},
	{"and 1: both are 0", "goServices"},

	{"An exporter describes its records in templates", "TestDecode"},
	{"Each field of the message says which elements", "TestElementsAgainstRegistry"},
	{"Beside what all have:", advice},
	{"| `template_id` |", "TestPageOfTemplates"},
	{"| `observation_domain_id` |", "TestPageOfTemplates"},
	{"| an address or time that is not there |", "TestPageOfTemplates"},
	{"| `start_time_ns`, `end_time_ns` |", "TestPageOfTemplates"},
	{"| times in NTP's form", "TestPageOfTemplates"},
	{"| `octets`, `packets`, `counter_kind` |", "TestPageOfTemplates"},
	{"| `reverse_octets`, `reverse_packets` |", "TestPageOfTemplates"},
	{"| `flow_sequence`, `header_count` |", "TestPageOfTemplates"},
	{"| `record_index`, `record_count` |", "TestPageOfTemplates"},
	{"| `elements` |", "TestPageOfTemplates"},
	{"A record that came before its template", "TestPageOfTemplates TestDataBeforeTemplate"},
	{"Events of firewalls", "TestPageOfTemplates goServices"},

	{"A flow sample of sFlow is one packet", "TestPageOfSFlow"},
	{"Its record has, beside what all have:", advice},
	{"| `packets` | 1", "TestPageOfSFlow"},
	{"| `octets` |", "TestPageOfSFlow"},
	{"| `sampling_interval` |", "TestPageOfSFlow"},
	{"| `start_time_ns`, `end_time_ns`, `export_time_ns` |", "TestPageOfSFlow"},
	{"| `exporter_address`, the message's key |", "TestPageOfSFlow TestKey"},
	{"| `agent_address`, `observation_domain_id` |", "TestPageOfSFlow"},
	{"| `flow_sequence`, `sample_sequence` |", "TestPageOfSFlow"},
	{"| `output_interface` |", "TestPageOfSFlow"},
	{"| `vlan_id`, `customer_vlan_id` |", "TestPageOfSFlow"},
	{"| `destination_as`, `bgp_as_path` |", "TestPageOfSFlow"},
	{"Records with `forwarding_status` 128", "TestPageOfSFlowBeside"},
	{"Leave them out where traffic is summed", "goServices"},
	{"The agent's address differs from the source", "TestAgents"},
	{"The key stays the source", "TestPageOfSFlow"},
	{"A record is identified by these fields together", "TestPageOfIdentity"},
	{"Of a tunnel the outer headers count", "TestPageOfSFlowBeside"},
	{"A header that the agent cut short", "TestPageOfSFlowBeside"},
	{"Some agents (Open vSwitch)", "TestPageOfSFlowBeside"},

	{"Each form has its format", "valuesInClickHouse"},
	{"| `protobuf`, the default | `ProtobufSingle`", "valuesInClickHouse clickHousePanels"},
	{"| `protobuf-delimited` | `Protobuf`", "valuesInClickHouse"},
	{"| `json` | `JSONEachRow`", "valuesInClickHouse"},
	{"A format for another form gives no rows", "clickHouseWrongForm"},
	{"Of `protobuf-delimited` `ProtobufSingle` reads", "clickHouseWrongForm"},
	{"Put [`flow_record.proto`]", "clickHousePanels"},
	{"`kafka_schema` names the message", "clickHousePanels"},
	{"Leave out columns that you do not need", "clickHousePanels"},
	{"Addresses arrive as their 4 or 16 bytes", "clickHousePanels clickHouseCopies"},
	{"Keep them as `IPv6`", "valuesInClickHouse"},
	{"An exporter may have an IPv6 address", "TestPageOfIPv6Exporters"},
	{"With `json` there is no schema", "shownForJSON"},
	{"ClickHouse 25.8 reads the times only", "valuesInClickHouse"},
	{"```sql CREATE TABLE flows_queue", "shownForJSON"},
	{"Tried with ClickHouse 25.8.2", "valuesInClickHouse"},
	{"A ClickHouse server was not tried", advice},
}

// Every statement of docs/values.md has something that holds it.
func TestValuesAreHeld(t *testing.T) {
	t.Parallel()
	stated := statementsOf(Read(t, "values.md").text)
	functions := testFunctions(t)
	for i, s := range stated {
		if i >= len(statements) || !strings.HasPrefix(s, statements[i].begins) {
			want := "nothing"
			if i < len(statements) {
				want = statements[i].begins
			}
			t.Fatalf("docs/values.md states\n%s\nhere is %s: say what holds it", s, want)
		}
		for name := range strings.FieldsSeq(statements[i].held) {
			if name != advice && !functions[name] {
				t.Errorf("%s: there is no function %s in tests", statements[i].begins, name)
			}
		}
	}
	if len(statements) != len(stated) {
		t.Errorf("docs/values.md states %d things, here are %d", len(stated), len(statements))
	}
}

// statementsOf are the sentences, the rows of tables and the blocks of code of a page.
func statementsOf(text string) (all []string) {
	sentence := regexp.MustCompile("([.])(\\*\\*)? ([A-Z`\\[*]|flowpub )")
	prose := func(lines []string) {
		for s := range strings.SplitSeq(sentence.ReplaceAllString(strings.Join(lines, " "), "$1$2\n$3"), "\n") {
			if s != "" {
				all = append(all, s)
			}
		}
	}
	var lines []string
	code := false
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "```"):
			if code = !code; code {
				prose(lines)
				lines = []string{line}
			} else {
				all, lines = append(all, strings.Join(lines, " ")), nil
			}
		case code:
			lines = append(lines, line)
		case line == "", strings.HasPrefix(line, "#"), strings.HasPrefix(line, "- "), strings.HasPrefix(line, "|"):
			prose(lines)
			lines = nil
			switch {
			case strings.HasPrefix(line, "|--"): // what is above it is the table's head
				all = all[:len(all)-1]
			case strings.HasPrefix(line, "|"):
				all = append(all, line)
			case strings.HasPrefix(line, "- "):
				lines = []string{line[2:]}
			}
		default:
			lines = append(lines, line)
		}
	}
	prose(lines)
	return all
}

// testFunctions are those of all tests, methods too.
func testFunctions(t *testing.T) map[string]bool {
	t.Helper()
	declared := regexp.MustCompile(`(?m)^func (?:\([^)]*\) )?(\w+)\(`)
	functions := make(map[string]bool)
	root := os.DirFS("../..")
	err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && path != "." && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		if err != nil || d.IsDir() || !strings.HasSuffix(filepath.Base(path), "_test.go") {
			return err
		}
		b, err := fs.ReadFile(root, path)
		for _, m := range declared.FindAllStringSubmatch(string(b), -1) {
			functions[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return functions
}
