package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/flowpub/flowpub/internal/status"
)

const (
	// askTimeout is how long a collector under load has to answer.
	askTimeout = 5 * time.Second
	// maxReport is more than a report without exporters has.
	maxReport = 4 << 20
)

// collector is one that is asked by HTTP what becomes of flows. It belongs to one goroutine at a
// time.
type collector struct {
	url    string
	client http.Client
	first  state
}

// newCollector returns the collector at an address of HTTP.
func newCollector(address string) *collector {
	return &collector{url: strings.TrimSuffix(address, "/") + "/status?exporters=none", client: http.Client{Timeout: askTimeout}}
}

// state is what a collector has counted.
type state struct {
	received, decoded, delivered, buffered uint64 // datagrams, then flows
	kernelDropped, rejected, dropped       uint64
	missed                                 uint64
	verdict                                string
	at                                     time.Time // by the collector's clock
}

// ask returns what the collector has counted so far.
func (c *collector) ask(ctx context.Context) (state, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url, http.NoBody)
	if err != nil {
		return state{}, err
	}
	answer, err := c.client.Do(request)
	if err != nil {
		return state{}, fmt.Errorf("the collector does not tell how it does: %w; give its HTTP address as -status", err)
	}
	defer answer.Body.Close() //nolint:errcheck // it was only read
	if answer.StatusCode != http.StatusOK {
		return state{}, fmt.Errorf("%s answers %s: give the HTTP address of a flowpub as -status", c.url, answer.Status)
	}
	var report status.Report
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxReport)).Decode(&report); err != nil {
		return state{}, fmt.Errorf("%s is no report: %w; give the HTTP address of a flowpub as -status", c.url, err)
	}
	return stateOf(&report), nil
}

func stateOf(r *status.Report) state {
	p := &r.Path
	return state{
		received: p.Received.Total, decoded: p.FlowsDecoded.Total, delivered: p.FlowsDelivered.Total, buffered: p.FlowsBuffered,
		kernelDropped: p.KernelDropped.Total, rejected: sum(p.Rejected), dropped: sum(p.FlowsDropped) + sum(p.SetsDropped),
		missed:  p.FlowsMissed.Total + p.PacketsMissed.Total + p.SamplesMissed.Total,
		verdict: r.Verdict.Text,
		at:      r.Now,
	}
}

func sum(counts map[string]status.Count) (all uint64) {
	for _, c := range counts {
		all += c.Total
	}
	return all
}

// begin notes where the counts begin.
func (c *collector) begin(ctx context.Context) (err error) {
	c.first, err = c.ask(ctx)
	return err
}

// since returns what was counted since another state, or since the collector has started
// anew.
func (s state) since(first state) state {
	s.received = grown(first.received, s.received)
	s.decoded = grown(first.decoded, s.decoded)
	s.delivered = grown(first.delivered, s.delivered)
	s.kernelDropped = grown(first.kernelDropped, s.kernelDropped)
	s.rejected = grown(first.rejected, s.rejected)
	s.dropped = grown(first.dropped, s.dropped)
	s.missed = grown(first.missed, s.missed)
	return s
}

// grown is by how much a counter has grown. One that is smaller began anew.
func grown(first, now uint64) uint64 {
	if now < first {
		return now
	}
	return now - first
}

// line is how the collector does, for the line that is rewritten.
func (c *collector) line(ctx context.Context) string {
	s, err := c.ask(ctx)
	if err != nil {
		return "the collector does not answer"
	}
	return "collector: " + s.verdict + ", " + s.since(c.first).String()
}

// sinceBegin is the same for the summary, when ctx may have ended.
func (c *collector) sinceBegin(ctx context.Context) string {
	s, err := c.ask(context.WithoutCancel(ctx))
	if err != nil {
		return err.Error()
	}
	return "the collector counted " + s.since(c.first).String()
}

// String tells the counts.
func (s state) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s flows in %s datagrams, %s delivered, %s waiting", thousands(s.decoded), thousands(s.received),
		thousands(s.delivered), thousands(s.buffered))
	for _, loss := range []remark{
		{s.kernelDropped, "datagrams dropped by the kernel"}, {s.rejected, "datagrams rejected"}, {s.dropped, "flows or sets dropped"},
		{s.missed, "missed"},
	} {
		if loss.n > 0 {
			fmt.Fprintf(&text, ", %s %s", thousands(loss.n), loss.text)
		}
	}
	return text.String()
}
