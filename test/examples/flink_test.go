//go:build flink

package examples_test

import (
	"fmt"
	"maps"
	"regexp"
	"strings"
	"testing"
)

// Flink's windows have the hosts that sent most in each minute.
func TestFlink(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.traffic(t)
	h.topic(t, "events")
	h.produce(t, "events", events(t)...)
	for topic, form := range map[string]string{"json": "json", "delimited": "protobuf-delimited"} {
		h.topic(t, topic)
		h.publish(t, topic, []string{"FLOWPUB_KAFKA_VALUE=" + form}, fewFlows)
		sees(t, ofOtherForms, "Flink", "Failed to deserialize PB object", failing(t, nil, "java", h.flinkTop(flinkJar, topic)...))
	}
	out := failing(t, nil, "java", h.flinkTop(withoutLibrary(t, flinkJar, "zstd-jni"), "flows")...)
	sees(t, ofNoCodec, "Flink", "NoClassDefFoundError: com/github/luben/zstd/", out)
	minute := eventTime.Format("2006-01-02T15:04:05Z")
	for topic, want := range map[string]map[string]string{
		"flows": topTalkers(h.flows),
		// The way back of a flow of both directions is not in this query: a row has one host.
		"events": {minute: "198.18.0.1 10060,198.18.0.2 9000,2001:db8:0:0:0:0:0:1 1200"},
	} {
		out := run(t, nil, "java", h.flinkTop(flinkJar, topic)...)
		got := map[string]string{}
		for _, m := range regexp.MustCompile(`(?m)^\+I\[(\S+), (\S+), (\d+)\]$`).FindAllStringSubmatch(out, -1) {
			minute := m[1] + ":00Z"
			got[minute] = strings.TrimPrefix(fmt.Sprintf("%s,%s %s", got[minute], m[2], m[3]), ",")
		}
		for minute, list := range got {
			got[minute] = strings.ReplaceAll(list, "null", "-")
		}
		if !maps.Equal(got, want) {
			t.Errorf("of %s Flink prints\n%s\nwant %v", topic, out, want)
		}
	}
}

const flinkJar = "examples/flink/target/flink-top.jar"

// flinkTop is how the example is run on a topic, until its end.
func (h *house) flinkTop(jar, topic string) []string {
	return []string{
		"-Duser.timezone=UTC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
		"--add-opens=java.base/java.util=ALL-UNNAMED", "--add-opens=java.base/java.lang=ALL-UNNAMED",
		"-jar", jar, "examples/flink/top.sql", "brokers=" + h.brokers, "topic=" + topic, "bounded=latest-offset",
	}
}
