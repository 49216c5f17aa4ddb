package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowpub/flowpub/internal/status"
	"github.com/flowpub/flowpub/internal/testwait"
)

// fakeCollector counts version 5 datagrams, and loses some flows of each one above a number of datagrams
// since it was last asked.
func fakeCollector(t *testing.T, most uint64) (target, page string) {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetReadBuffer(4 << 20); err != nil {
		t.Fatal(err)
	}
	var datagrams, flows, recent, dropped atomic.Uint64
	go func() {
		b := make([]byte, 1<<16)
		for {
			n, err := conn.Read(b)
			if err != nil {
				return
			}
			datagrams.Add(1)
			flows.Add(uint64(n-24) / 48)
			if recent.Add(1) > most {
				dropped.Add(1)
			}
		}
	}()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/status" {
			http.NotFound(w, r)
			return
		}
		recent.Store(0)
		var report status.Report
		report.Now = time.Now()
		report.Verdict.Text = "Nothing is being lost"
		report.Path.Received.Total, report.Path.FlowsDecoded.Total = datagrams.Load(), flows.Load()
		report.Path.FlowsDelivered.Total = flows.Load()
		report.Path.FlowsDropped = map[string]status.Count{"buffer_full": {Total: dropped.Load()}}
		_ = json.NewEncoder(w).Encode(&report) // the test notices
	}))
	t.Cleanup(server.Close)
	return conn.LocalAddr().String(), server.URL
}

// The rate is doubled until something is lost, and the limit is between the last two. The collector here
// takes 400 datagrams of 30 flows within a second: 12,000 flows/s.
func TestFindLimit(t *testing.T) {
	testwait.Long(t)
	t.Parallel()
	target, page := fakeCollector(t, 400)
	code, stdout, stderr := runWith(t, fmt.Sprintf("-target %s -status %s -find-limit -rate 4k -duration 1s", target, page))
	if code != 0 || stderr != "" {
		t.Errorf("exit status %d, %s", code, stderr)
	}
	pattern := `(?s)^[\d,]+ flows/s: nothing lost\n.*16,000 flows/s: .* flows or sets dropped by the collector\n.*\n[\d,]+ flows/s without loss\n$`
	if !regexp.MustCompile(pattern).MatchString(stdout) {
		t.Errorf("it printed\n%s", stdout)
	}
}

// A generator that sends a little less than it is asked for, each time, finds the limit all the same:
// below the 300,000 flows/s at which flows are lost by 5 % at most.
func TestSearchEnds(t *testing.T) {
	t.Parallel()
	for _, sent := range []float64{1, 0.97, 0.93, 0.9} {
		t.Run(fmt.Sprint(sent), func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			tries := 0
			err := search(t.Context(), 20_000, func(_ context.Context, rate float64) (found trial, err error) {
				if tries++; tries > 50 {
					return found, errors.New("the search does not end")
				}
				found.sent = rate * sent
				if found.sent > 300_000 {
					found.counts.kernelDropped = 1
				}
				return found, nil
			}, &out)
			if err != nil {
				t.Fatalf("%v:\n%s", err, out.String())
			}
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			number, _, _ := strings.Cut(lines[len(lines)-1], " flows/s without loss")
			found, err := strconv.Atoi(strings.ReplaceAll(number, ",", ""))
			if err != nil || found < 285_714 || found > 300_000 {
				t.Errorf("found %d flows/s, error %v:\n%s", found, err, out.String())
			}
		})
	}
}

// The summary says what the collector counted.
func TestStatus(t *testing.T) {
	t.Parallel()
	target, page := fakeCollector(t, 1<<60)
	code, stdout, stderr := runWith(t, fmt.Sprintf("-target %s -status %s -flows 300 -rate 10k", target, page))
	if code != 0 || stderr != "" || !regexp.MustCompile(`\nthe collector counted [\d,]+ flows in \d+ datagrams, [\d,]+ delivered, 0 waiting\n$`).MatchString(stdout) {
		t.Errorf("exit status %d, %s\n%s", code, stdout, stderr)
	}
	for _, tt := range []struct{ page, want string }{
		{"http://127.0.0.1:1", `flowgen: the collector does not tell how it does: .*give its HTTP address as -status\n`},
		{page + "/other", `flowgen: http.* answers 404 Not Found: give the HTTP address of a flowpub as -status\n`},
	} {
		code, _, stderr := runWith(t, fmt.Sprintf("-target %s -status %s -flows 30", target, tt.page))
		if code != 1 || !regexp.MustCompile(tt.want).MatchString(stderr) {
			t.Errorf("exit status %d, %s, want %s", code, stderr, tt.want)
		}
	}
}

// A collector that has started anew counts from 0: what is told is what it counted since.
func TestCollectorStartsAnew(t *testing.T) {
	t.Parallel()
	first := state{received: 10, decoded: 300, delivered: 300, kernelDropped: 1, rejected: 2, dropped: 3, missed: 4}
	got := state{received: 12, decoded: 30, delivered: 20, buffered: 10}.since(first)
	if want := (state{received: 2, decoded: 30, delivered: 20, buffered: 10}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
