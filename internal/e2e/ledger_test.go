//go:build linux

package e2e

import (
	"bufio"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// ledger is flowpub's account of all datagrams and flows.
type ledger struct {
	DatagramsReceived uint64            `json:"datagrams_received"`
	DatagramsDecoded  map[string]uint64 `json:"datagrams_decoded"`
	DatagramsRejected map[string]uint64 `json:"datagrams_rejected"`
	KernelDropped     uint64            `json:"datagrams_kernel_dropped"`
	SetsReceived      uint64            `json:"data_sets_received"`
	SetsDecoded       uint64            `json:"data_sets_decoded"`
	SetsDropped       map[string]uint64 `json:"data_sets_dropped"`
	SetsWaiting       uint64            `json:"data_sets_waiting"`
	FlowsDecoded      uint64            `json:"flows_decoded"`
	FlowsDelivered    uint64            `json:"flows_delivered"`
	FlowsDropped      map[string]uint64 `json:"flows_dropped"`
	FlowsBuffered     uint64            `json:"flows_buffered"`
	FlowsDuplicated   uint64            `json:"flows_possibly_duplicated"`
	FlowsMissed       uint64            `json:"flows_missed"`
	PacketsMissed     map[string]uint64 `json:"export_packets_missed"`
}

// check fails the test unless the three equations hold.
func (l *ledger) check(t *testing.T) {
	t.Helper()
	if l.DatagramsReceived != sum(l.DatagramsDecoded)+sum(l.DatagramsRejected) {
		t.Errorf("received %d datagrams, but decoded %v and rejected %v", l.DatagramsReceived, l.DatagramsDecoded, l.DatagramsRejected)
	}
	if l.SetsReceived != l.SetsDecoded+sum(l.SetsDropped)+l.SetsWaiting {
		t.Errorf("received %d data sets, but decoded %d, dropped %v and %d wait", l.SetsReceived, l.SetsDecoded, l.SetsDropped, l.SetsWaiting)
	}
	if l.FlowsDecoded != l.FlowsDelivered+sum(l.FlowsDropped)+l.FlowsBuffered {
		t.Errorf("decoded %d flows, but delivered %d, dropped %v and has %d",
			l.FlowsDecoded, l.FlowsDelivered, l.FlowsDropped, l.FlowsBuffered)
	}
}

func sum(counts map[string]uint64) (total uint64) {
	for n := range maps.Values(counts) {
		total += n
	}
	return total
}

// metrics is a scrape: values by name, with the label as in the text.
type metrics map[string]float64

// get asks flowpub for a page.
func (p *process) get(t *testing.T, path string) (status int, body string) {
	t.Helper()
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http://" + p.HTTP + path)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(content)
}

// scrape reads the metrics and checks the ledger in them.
func (p *process) scrape(t *testing.T) metrics {
	t.Helper()
	status, body := p.get(t, "/metrics")
	if status != http.StatusOK {
		t.Fatalf("metrics: status %d: %s", status, body)
	}
	m := make(metrics)
	for lines := bufio.NewScanner(strings.NewReader(body)); lines.Scan(); {
		name, value, found := strings.Cut(lines.Text(), " ")
		if !found || name == "#" {
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Fatalf("metrics: %q: %v", lines.Text(), err)
		}
		m[name] = n
	}
	m.ledger().check(t)
	return m
}

// count returns a value that is there, as all of flowpub's are.
func (m metrics) count(name string) uint64 { return uint64(m["flowpub_"+name]) }

// counts returns the values of a metric by its label's value.
func (m metrics) counts(name string) map[string]uint64 {
	all := make(map[string]uint64)
	for key, value := range m {
		if family, label, found := strings.Cut(key, "{"); found && family == "flowpub_"+name {
			_, label, _ = strings.Cut(label, `"`)
			all[strings.TrimSuffix(label, `"}`)] = uint64(value)
		}
	}
	return all
}

func (m metrics) ledger() *ledger {
	return &ledger{
		DatagramsReceived: m.count("datagrams_received_total"),
		DatagramsDecoded:  m.counts("datagrams_decoded_total"),
		DatagramsRejected: m.counts("datagrams_rejected_total"),
		KernelDropped:     m.count("datagrams_kernel_dropped_total"),
		SetsReceived:      m.count("data_sets_received_total"),
		SetsDecoded:       m.count("data_sets_decoded_total"),
		SetsDropped:       m.counts("data_sets_dropped_total"),
		SetsWaiting:       m.count("data_sets_waiting"),
		FlowsDecoded:      m.count("flows_decoded_total"),
		FlowsDelivered:    m.count("flows_delivered_total"),
		FlowsDropped:      m.counts("flows_dropped_total"),
		FlowsBuffered:     m.count("flows_buffered"),
		FlowsDuplicated:   m.count("flows_possibly_duplicated_total"),
		FlowsMissed:       m.count("flows_missed_total"),
		PacketsMissed:     m.counts("export_packets_missed_total"),
	}
}

// buffersGranted reports whether the receive buffers are as large as asked for.
func (m metrics) buffersGranted() bool {
	buffers := m.counts("receive_buffer_bytes")
	return buffers["granted"] >= buffers["asked"] && buffers["asked"] > 0
}

// checkKernelDrops fails the test if the kernel dropped anything though flowpub
// has the receive buffers it asked for.
func checkKernelDrops(t *testing.T, m metrics) {
	t.Helper()
	drops := m.ledger().KernelDropped
	if drops > 0 && m.buffersGranted() {
		t.Errorf("the kernel dropped %d datagrams", drops)
	}
	if drops > 0 && !m.buffersGranted() {
		t.Logf("the kernel dropped %d datagrams: it does not grant larger receive buffers", drops)
	}
}
