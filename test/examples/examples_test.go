//go:build examples

package examples_test

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// Each example reads the same flows, and finds what was sent.
func TestExamples(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.traffic(t)
	for topic, form := range map[string]string{"json": "json", "delimited": "protobuf-delimited"} {
		h.topic(t, topic)
		h.publish(t, topic, []string{"FLOWPUB_KAFKA_VALUE=" + form}, fewFlows)
	}
	h.topic(t, "events")
	h.produce(t, "events", events(t)...)
	t.Run("Go", h.goServices)
	t.Run("CommandLine", h.commandLine)
	t.Run("Values", h.valuesInClickHouse)
	t.Run("WrongForms", h.wrongForms)
	t.Run("ClickHouse", h.clickHouse)
	t.Run("Java", h.javaTopTalkers)
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

func (h *house) goServices(t *testing.T) {
	t.Parallel()
	example := t.TempDir() + "/services"
	run(t, nil, "go", "build", "-o", example, "./examples/go")
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
	out = failing(t, nil, example, "-brokers", h.brokers, "-topic", "json", "-group", "wrong")
	if !strings.Contains(out, "no FlowRecord at json/") {
		t.Errorf("of JSON it says\n%s", out)
	}
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
	for decoder, member := range map[string]string{"protoc": "octets: %d\n", "buf": `"octets":"%d"`} {
		out := run(t, []string{"DECODER=" + decoder}, "examples/cli/one.sh", h.brokers, "flows")
		if !slices.ContainsFunc(h.flows, func(m message) bool { return isIn(out, member, m.flow) }) {
			t.Errorf("%s prints none of the flows:\n%s", decoder, out)
		}
		out = failing(t, []string{"DECODER=" + decoder}, "examples/cli/one.sh", h.brokers, "json")
		if !strings.Contains(out, "parse") {
			t.Errorf("%s says of JSON\n%s", decoder, out)
		}
	}
}

func isIn(out, member string, f *flowv1.FlowRecord) bool {
	return strings.Contains(out, fmt.Sprintf(member, f.GetOctets()))
}
