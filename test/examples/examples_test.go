//go:build examples

package examples_test

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// Each example reads the same flows, and finds what was sent.
func TestExamples(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.traffic(t)
	for topic, settings := range map[string][]string{
		"json": {"FLOWPUB_KAFKA_VALUE=json"}, "delimited": {"FLOWPUB_KAFKA_VALUE=protobuf-delimited"},
		"told": {"FLOWPUB_KAFKA_VALUE_HEADER=content-type"}, "told-json": {"FLOWPUB_KAFKA_VALUE=json", "FLOWPUB_KAFKA_VALUE_HEADER=form"},
	} {
		h.topic(t, topic)
		h.publish(t, topic, settings, fewFlows)
	}
	h.topic(t, "framed") // as confluent has it
	for _, m := range h.flows[:fewFlows] {
		h.produce(t, "framed", append([]byte{0, 0, 0, 0, 1, 0}, m.value...))
	}
	h.topic(t, "events")
	h.produce(t, "events", events(t)...)
	t.Run("Go", h.goServices)
	t.Run("CommandLine", h.commandLine)
	t.Run("Values", h.valuesInClickHouse)
	t.Run("WrongForms", h.wrongForms)
	t.Run("Headers", h.headers)
	t.Run("Codecs", h.codecs)
	t.Run("ClickHouse", h.clickHouse)
	t.Run("Java", h.javaTopTalkers)
	t.Run("Delimited", h.parsesDelimited)
	t.Run("Parquet", h.parquet)
	t.Run("Registry", h.registry)
	t.Run("Python", h.pythonTopNetworks)
}

// services are the octets of each protocol and lower port, as the example prints them.
func services(flows []message) (lines []string) {
	type service struct{ protocol, port uint32 }
	sums := map[service]uint64{}
	for _, m := range flows {
		f := m.flow
		sums[service{f.GetProtocol(), min(f.GetSourcePort(), f.GetDestinationPort())}] += f.GetOctets() * scale(f)
	}
	for s, octets := range sums {
		lines = append(lines, fmt.Sprintf("protocol %3d port %5d %15d octets", s.protocol, s.port, octets))
	}
	return lines
}

// buildServices builds the example in Go.
func buildServices(t *testing.T) string {
	t.Helper()
	example := t.TempDir() + "/services"
	run(t, nil, "go", "build", "-o", example, "./examples/go")
	return example
}

func (h *house) goServices(t *testing.T) {
	t.Parallel()
	example := buildServices(t)
	out := run(t, nil, example, "-brokers", h.brokers, "-n", strconv.Itoa(allFlows))
	// Sums of one interval or several.
	want, got := map[string]uint64{}, map[string]uint64{}
	for _, line := range services(h.flows) {
		addService(t, want, line)
	}
	line := regexp.MustCompile(`protocol .* octets`)
	printed := line.FindAllString(out, -1)
	for _, l := range printed {
		addService(t, got, l)
	}
	n := 0
	for _, m := range regexp.MustCompile(`(\d+) flows`).FindAllStringSubmatch(out, -1) {
		v, _ := strconv.Atoi(m[1])
		n += v
	}
	if n != allFlows {
		t.Errorf("it counted %d flows, want %d", n, allFlows)
	}
	// Whatever is among the first in all has been among the first ten each time.
	top := "protocol   6 port   443"
	if got[top] != want[top] || want[top] == 0 {
		t.Errorf("%s has %d octets, want %d\n%s", top, got[top], want[top], out)
	}
	out = run(t, nil, example, "-brokers", h.brokers, "-topic", "events", "-group", "events", "-n", "8")
	if line := "protocol   6 port   443           21060 octets\n"; !strings.Contains(out, line) {
		t.Errorf("of what counts otherwise it prints\n%s, want %s", out, line)
	}
	h.refuses(t, "protobuf in Go", "cannot parse invalid wire-format data", nil, example)
}

// addService adds what a line says.
func addService(t *testing.T, sums map[string]uint64, line string) {
	t.Helper()
	f := strings.Fields(line)
	octets, err := strconv.ParseUint(f[len(f)-2], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	sums[line[:len("protocol   6 port   443")]] += octets
}

func (h *house) commandLine(t *testing.T) {
	t.Parallel()
	want := map[string]int{}
	for _, m := range h.flows {
		want[address(m.flow.GetExporterAddress()).String()]++
	}
	var lines []string
	for exporter, n := range want {
		lines = append(lines, fmt.Sprintf("%s %d\n", exporter, n))
	}
	slices.Sort(lines)
	if out := run(t, nil, "examples/cli/count.sh", h.brokers, "flows"); out != strings.Join(lines, "") {
		t.Errorf("it counts\n%s, want\n%s", out, lines)
	}
	// What comes later is not counted, or flows that go on coming would keep the count from its end.
	h.topic(t, "later")
	h.produce(t, "later", nil)
	h.produceAt(t, "later", time.Now().Add(30*time.Minute), nil)
	if out := run(t, nil, "examples/cli/count.sh", h.brokers, "later"); out != "192.0.2.1 1\n" {
		t.Errorf("of what came until now it counts\n%s", out)
	}
	for decoder, member := range map[string]string{"protoc": "octets: %d\n", "buf": `"octets":"%d"`} {
		out := run(t, []string{"DECODER=" + decoder}, "examples/cli/one.sh", h.brokers, "flows")
		if !slices.ContainsFunc(h.flows, func(m message) bool { return isIn(out, member, m.flow) }) {
			t.Errorf("%s prints none of the flows:\n%s", decoder, out)
		}
		for _, topic := range otherForms {
			out := failing(t, []string{"DECODER=" + decoder}, "examples/cli/one.sh", h.brokers, topic)
			sees(t, ofOtherForms, decoder, map[string]string{"protoc": "Failed to parse input.", "buf": "cannot parse invalid wire-format data"}[decoder], out)
		}
	}
}

func isIn(out, member string, f *flowv1.FlowRecord) bool {
	return strings.Contains(out, fmt.Sprintf(member, f.GetOctets()))
}
