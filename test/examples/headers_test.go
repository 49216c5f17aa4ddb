//go:build examples

package examples_test

import (
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Examples read values whose header tells what they read, and refuse others by their header,
// whatever their name: flowpub's of JSON would be no flow anyway, but who knows of others.
func (h *house) headers(t *testing.T) {
	t.Parallel()
	environ := pythonEnvironment(t)
	few := strconv.Itoa(fewFlows)
	t.Run("Go", func(t *testing.T) {
		t.Parallel()
		example := buildServices(t)
		out := run(t, nil, example, "-brokers", h.brokers, "-topic", "told", "-group", "told", "-n", few)
		if !strings.Contains(out, few+" flows\n") {
			t.Errorf("it prints\n%s", out)
		}
		h.refusesHeader(t, environ, "protobuf", `"`, example)
	})
	t.Run("Python", func(t *testing.T) {
		t.Parallel()
		h.topNetworks(t, environ, "told").awaitFlows(t, fewFlows)
		h.refusesHeader(t, environ, "protobuf", "'", "python", "examples/python/top_networks.py")
	})
	t.Run("Parquet", func(t *testing.T) {
		t.Parallel()
		p := start(t, environ, "python", "examples/parquet/flows_to_parquet.py", t.TempDir(), "--brokers", h.brokers, "--topic", "told", "--seconds", "1")
		members{p}.awaitFlows(t, fewFlows)
		p.leaves = true
		p.signal(t, syscall.SIGTERM)
		h.refusesHeader(t, environ, "protobuf", "'", "python", "examples/parquet/flows_to_parquet.py", t.TempDir())
	})
	t.Run("Registry", func(t *testing.T) {
		t.Parallel()
		h.refusesHeader(t, environ, "confluent", "'", "python", "examples/registry/flows.py")
	})
	t.Run("Java", func(t *testing.T) {
		t.Parallel()
		p := h.failingTopTalkers(t, topTalkersJar, "told-json", "HEADER=form")
		status := p.await(t)
		checkHeaderRefused(t, "protobuf", `"`, p.stderr.text(t))
		if status != 1 {
			t.Errorf("it ends with status %d", status)
		}
	})
}

// refusesHeader runs an example on values that say that they are JSON, and would be no flows.
func (h *house) refusesHeader(t *testing.T, environ []string, reads, quote string, command ...string) {
	t.Helper()
	out := failing(t, environ, command[0], append(command[1:], "--brokers", h.brokers, "--topic", "told-json", "--group", strings.Join(command, " "), "--header", "form")...)
	checkHeaderRefused(t, reads, quote, out)
}

// checkHeaderRefused wants the header, the form, and a cure.
func checkHeaderRefused(t *testing.T, reads, quote, out string) {
	t.Helper()
	for _, part := range []string{
		"the header form says ", quote + "json; flow.v1.FlowRecord" + quote, quote + reads + "; flow.v1.FlowRecord" + quote + " is read here: set FLOWPUB_KAFKA_VALUE=" + reads,
	} {
		if !strings.Contains(out, part) {
			t.Errorf("no %s in\n%.3000s", part, out)
		}
	}
}

// Readers without a codec say which one they lack, as docs/consumers.md has it.
func (h *house) codecs(t *testing.T) {
	t.Parallel()
	t.Run("aiokafka", func(t *testing.T) {
		t.Parallel()
		out := failing(t, nil, "python", "-c", `import asyncio, sys
from aiokafka import AIOKafkaConsumer

async def read():
    consumer = AIOKafkaConsumer("flows", bootstrap_servers=sys.argv[1], auto_offset_reset="earliest")
    await consumer.start()
    try:
        await consumer.getone()
    finally:
        await consumer.stop()

asyncio.run(read())`, h.brokers)
		sees(t, ofNoCodec, "aiokafka", "UnsupportedCodecError: Libraries for zstd compression codec not found", out)
	})
	t.Run("Java", func(t *testing.T) {
		t.Parallel()
		p := h.failingTopTalkers(t, withoutLibrary(t, topTalkersJar, "zstd-jni"), "told")
		if status := p.await(t); status != 1 {
			t.Errorf("it ends with status %d", status)
		}
		sees(t, ofNoCodec, "Java", "NoClassDefFoundError: com/github/luben/zstd/", p.stderr.text(t))
	})
}
