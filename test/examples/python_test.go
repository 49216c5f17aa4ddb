//go:build examples

package examples_test

import (
	"maps"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/flowpub/flowpub/internal/testwait"
)

// pythonEnvironment is what Python needs to find the generated code.
func pythonEnvironment(t *testing.T) []string {
	t.Helper()
	generated := t.TempDir()
	run(t, nil, "python", "-m", "grpc_tools.protoc", "-I", "proto", "--python_out="+generated, "--pyi_out="+generated, "flow/v1/flow_record.proto")
	return []string{"PYTHONPATH=" + generated}
}

func (h *house) pythonTopNetworks(t *testing.T) {
	t.Parallel()
	environ := pythonEnvironment(t)
	for topic, want := range map[string]map[string]uint64{
		"flows":  networks(h.flows),
		"events": {"198.18.0.0/24": 19_060, "2001:db8::/48": 2000},
	} {
		t.Run(topic, func(t *testing.T) {
			t.Parallel()
			flows := map[string]int{"flows": allFlows, "events": 8}[topic]
			checkNetworks(t, want, h.topNetworks(t, environ, topic).awaitFlows(t, flows))
		})
	}
	t.Run("OtherForms", func(t *testing.T) {
		t.Parallel()
		h.refuses(t, "protobuf in Python", "Error parsing message", environ, "python", "examples/python/top_networks.py")
	})
	t.Run("UnreadableValue", func(t *testing.T) {
		t.Parallel()
		h.pythonUnreadable(t, environ)
	})
	t.Run("ScaleOut", func(t *testing.T) {
		t.Parallel()
		out := run(t, environ, "python", "examples/scaleout.py", "--brokers", h.brokers, "--consumers", "1", "--", "python")
		if !regexp.MustCompile(`^52000 flows in \d+ partitions, the fullest has \d+%\npython +1 +[\d,]+ flows/s +[\d.]+ µs of CPU a flow\n$`).MatchString(out) {
			t.Errorf("it prints\n%s", out)
		}
	})
	t.Run("Group", func(t *testing.T) {
		t.Parallel()
		h.pythonGroup(t, environ)
	})
}

// A value that cannot be read is not passed over, nor are flows that came with it: started again, an example
// ends at it again.
func (h *house) pythonUnreadable(t *testing.T, environ []string) {
	t.Helper()
	h.topic(t, "unreadable")
	h.produce(t, "unreadable", slices.Concat(events(t), [][]byte{[]byte("{}")}, events(t))...)
	for _, example := range [][]string{{"examples/python/top_networks.py", "--seconds", "0.1"}, {"examples/parquet/flows_to_parquet.py", t.TempDir()}} {
		for range 2 {
			out := failing(t, environ, "python", append(example, "--brokers", h.brokers, "--topic", "unreadable", "--group", filepath.Base(example[0]))...)
			if !strings.Contains(out, " offset 8: no FlowRecord") {
				t.Errorf("%s says\n%s", example[0], out)
			}
		}
	}
}

// A group of three reads each flow once, also when one of them leaves.
func (h *house) pythonGroup(t *testing.T, environ []string) {
	t.Helper()
	h.topic(t, "group")
	var members members
	for range 3 {
		members = append(members, h.topNetworks(t, environ, "group")...)
	}
	for _, m := range members {
		m.awaitText(t, m.stderr, "partitions", func(s string) bool { return strings.Contains(s, "got ") })
	}
	h.publish(t, "group", nil, plainFlows, plainFlags...)
	members.awaitFlows(t, plainFlows)
	members[0].leaves = true
	if status := members[0].signal(t, syscall.SIGTERM); status != 0 {
		t.Errorf("a member ended with status %d", status)
	}
	h.publish(t, "group", nil, plainFlows, plainFlags...)
	want := map[string]uint64{}
	for f, n := range h.sent(t, plainFlows, plainFlags...) {
		want[network(f.source)] += 2 * uint64(n) * uint64(f.octets) * uint64(f.interval)
	}
	checkNetworks(t, want, members.awaitFlows(t, 2*plainFlows))
	for i, m := range members {
		if len(m.networks(t)) == 0 {
			t.Errorf("member %d of the group has read nothing", i)
		}
	}
}

// members are consumers of a group, each an example.
type members []*program

func (h *house) topNetworks(t *testing.T, environ []string, topic string) members {
	t.Helper()
	return members{start(t, environ, "python", "examples/python/top_networks.py",
		"--brokers", h.brokers, "--topic", topic, "--group", "python-"+topic, "--seconds", "0.5", "--top", "100000")}
}

// awaitFlows waits until the members have printed so many, and returns the sums.
func (all members) awaitFlows(t *testing.T, flows int) map[string]uint64 {
	t.Helper()
	testwait.Until(t, patience, strconv.Itoa(flows)+" flows", func() bool {
		n := 0
		for _, p := range all {
			p.checkRuns(t)
			for _, m := range regexp.MustCompile(`(\d+) flows\n`).FindAllStringSubmatch(p.stdout.text(t), -1) {
				v, _ := strconv.Atoi(m[1])
				n += v
			}
		}
		return n >= flows
	})
	sums := map[string]uint64{}
	for _, p := range all {
		for name, octets := range p.networks(t) {
			sums[name] += octets
		}
	}
	return sums
}

// networks are what an example has printed.
func (p *program) networks(t *testing.T) map[string]uint64 {
	t.Helper()
	sums := map[string]uint64{}
	for _, m := range regexp.MustCompile(`(?m)^  (\S+) +(\d+) octets$`).FindAllStringSubmatch(p.stdout.text(t), -1) {
		octets, err := strconv.ParseUint(m[2], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		sums[m[1]] += octets
	}
	return sums
}

func checkNetworks(t *testing.T, want, got map[string]uint64) {
	t.Helper()
	if !maps.Equal(got, want) {
		t.Errorf("it has sums of %d networks, want %d, or others: %.2000v, want %.2000v", len(got), len(want), got, want)
	}
}

// networks are the octets that each network sent.
func networks(flows []message) map[string]uint64 {
	sums := map[string]uint64{}
	for _, m := range flows {
		sums[network(address(m.flow.GetSourceAddress()))] += m.flow.GetOctets() * scale(m.flow)
	}
	return sums
}

func network(a netip.Addr) string {
	if !a.IsValid() {
		return "-"
	}
	length := 24
	if a.Is6() {
		length = 48
	}
	p, _ := a.Prefix(length)
	return p.String()
}
