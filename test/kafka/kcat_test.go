//go:build kafka

package kafka_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// need skips the test when a program is missing that only some tests run; under
// CI that fails it.
func need(t *testing.T, program, debian string) {
	t.Helper()
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	const cure = "%s is not installed: Debian has it in the package %s"
	if os.Getenv("CI") != "" {
		t.Fatalf(cure, program, debian)
	}
	t.Skipf(cure, program, debian)
}

// needJava is need for what kafka.sh uses.
func needJava(t *testing.T) {
	t.Helper()
	need(t, "java", "openjdk-17-jre-headless")
	need(t, "mvn", "maven")
}

// kcat runs kcat, which is librdkafka with a command line, and returns what it
// printed.
func (c *cluster) kcat(t *testing.T, input string, args ...string) []byte {
	t.Helper()
	need(t, "kcat", "kcat")
	cmd := exec.CommandContext(t.Context(), "kcat", append([]string{"-b", strings.Join(c.brokers, ",")}, args...)...)
	cmd.Stdin = strings.NewReader(input)
	var errors strings.Builder
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, errors.String())
	}
	return out
}

// readWithKcat has librdkafka check the batches' checksums, too, which it does
// not do unless asked.
func readWithKcat(t *testing.T, c *cluster, name string, ends []int64) topic {
	t.Helper()
	out := bytes.NewBuffer(c.kcat(t, "", "-C", "-q", "-e", "-o", "beginning", "-t", name, "-X", "check.crcs=true",
		"-f", `%p %o %T %K %S %h\n%k%s\n`))
	got := make(topic, len(ends))
	for out.Len() > 0 {
		p, offset, m := nextFromKcat(t, out)
		if offset != int64(len(got[p])) {
			t.Errorf("partition %d: offset %d, want %d", p, offset, len(got[p]))
		}
		got[p] = append(got[p], m)
	}
	return got
}

// nextFromKcat takes a message from kcat's output: a line with its partition,
// offset, time, the lengths of key and value, and its headers as name=value with
// commas between; key, value and a line feed behind.
func nextFromKcat(t *testing.T, out *bytes.Buffer) (partition int, offset int64, m message) {
	t.Helper()
	line, err := out.ReadString('\n')
	if err != nil {
		t.Fatalf("kcat printed %q: %v", line, err)
	}
	var milliseconds int64
	var key, value int
	if _, err := fmt.Sscan(line, &partition, &offset, &milliseconds, &key, &value); err != nil {
		t.Fatalf("kcat printed %q: %v", line, err)
	}
	if out.Len() < key+value+1 {
		t.Fatalf("behind %q kcat printed %d bytes", line, out.Len())
	}
	m = message{
		key: bytes.Clone(out.Next(key)), value: bytes.Clone(out.Next(value)), time: time.UnixMilli(milliseconds),
		headers: splitHeaders(strings.TrimSuffix(strings.SplitN(line, " ", 6)[5], "\n"), "="),
	}
	out.Next(1)
	return partition, offset, m
}

// splitHeaders reads headers that a program printed with commas between: names
// and values that hold none.
func splitHeaders(text, behindName string) []header {
	var headers []header
	for one := range strings.SplitSeq(text, ",") {
		if name, value, found := strings.Cut(one, behindName); found {
			headers = append(headers, header{name, value})
		}
	}
	return headers
}
