package collector

import (
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/netip"
	"os"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/internal/telemetry"
	"github.com/flowpub/flowpub/listener"
)

// malformedPacket is an entry of the malformed packets that the decoder is
// tested with, too. Two of its fields were found by other means than our code.
type malformedPacket struct {
	Name         string `json:"name"`
	Hex          string `json:"hex"`
	WholeRecords int    `json:"whole_records"` // 48 bytes each, after the header
	HeaderCount  *int   `json:"header_count"`  // nil where there is none
}

func malformedPackets(t *testing.T) []malformedPacket {
	t.Helper()
	text, err := os.ReadFile("../decoder/netflow5/testdata/malformed.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Packets  []malformedPacket `json:"packets"`
		Controls []malformedPacket `json:"controls"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Packets) < 80 || len(file.Controls) == 0 {
		t.Fatalf("found %d packets and %d controls; the file is not what it was", len(file.Packets), len(file.Controls))
	}
	return append(file.Packets, file.Controls...)
}

// fate returns what has to become of a payload: "decoded" or a reason.
func fate(payload []byte, p *malformedPacket) string {
	switch {
	case len(payload) >= 2 && (payload[0] != 0 || payload[1] != 5):
		return "version"
	case len(payload) < 24:
		return "short"
	case p.WholeRecords == 0 || *p.HeaderCount == 0:
		return "no_records"
	default:
		return "decoded"
	}
}

func TestEachMalformedPayloadIsBookedOnce(t *testing.T) {
	t.Parallel()
	for _, p := range malformedPackets(t) {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			payload, err := hex.DecodeString(p.Hex)
			if err != nil {
				t.Fatal(err)
			}
			c := newTestCollector(t, 1, 1, func(cfg *Config) { cfg.Formats = []decoder.Format{decoder.FormatNetFlowV5} })
			c.intakes[0][0].handle(from("192.0.2.1:9999", payload), time.Now())

			got := datagramsOf(c.Snapshot())
			want := map[string]uint64{
				"received": 1, "decoded": 0, "not_allowed": 0, "short": 0, "version": 0, "no_records": 0, "foreign": 0,
			}
			want[fate(payload, &p)] = 1
			want["foreign"] = want["version"]
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

// datagramsOf returns the counts of datagrams by name.
func datagramsOf(s telemetry.Snapshot) map[string]uint64 {
	all := map[string]uint64{"received": s.DatagramsReceived, "decoded": 0}
	for _, n := range s.DatagramsDecoded {
		all["decoded"] += n
	}
	maps.Copy(all, s.DatagramsRejected)
	all["foreign"] = 0
	for _, n := range s.DatagramsForeign {
		all["foreign"] += n
	}
	return all
}

func TestNotAllowedComesFirst(t *testing.T) {
	t.Parallel()
	c := newTestCollector(t, 1, 1, func(cfg *Config) {
		cfg.ExportersAllow = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	})
	now := time.Now()
	in := c.intakes[0][0]
	in.handle(from("198.51.100.1:1", v5(0, 2, now), nil, []byte("noise")), now)
	in.handle(from("192.0.2.1:1", v5(0, 2, now), nil, []byte("noise")), now)

	want := map[string]uint64{
		"received": 6, "decoded": 1, "not_allowed": 3, "short": 1, "version": 1, "no_records": 0, "foreign": 1,
	}
	if got := datagramsOf(c.Snapshot()); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := c.Snapshot().FlowsDecoded; got != 2 {
		t.Errorf("%d flows reached the publisher, want the 2 of the allowed exporter", got)
	}
	for _, text := range []string{"exporter=198.51.100.1", "exporter=192.0.2.1 port=1 reason=short", "exporter=192.0.2.1 port=1 protocol=noise"} {
		if lines := c.log.Lines(text); len(lines) != 1 {
			t.Errorf("%d log lines say %s, want 1", len(lines), text)
		}
	}
}

// What could not be decoded is offered as a dead letter, whole and with its
// reason; what is not allowed is nobody's business.
func TestRejectedAreDeadLetters(t *testing.T) {
	t.Parallel()
	c := newTestCollector(t, 1, 1, func(cfg *Config) {
		cfg.ExportersAllow = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	})
	c.publisher.keeps = true
	now := time.Now()
	in := c.intakes[0][0]
	empty := string(v5(0, 1, now)[:24])
	in.handle(from("198.51.100.1:1", []byte("noise")), now)
	in.handle(from("192.0.2.1:7", v5(0, 1, now), nil, []byte("noise"), []byte(empty)), now)

	source, at := netip.MustParseAddrPort("192.0.2.1:7"), decoder.UnixNano(now.UnixNano())
	want := []deadLetter{{source, at, "short", ""}, {source, at, "version", "noise"}, {source, at, "no_records", empty}}
	if got := c.publisher.letters; !reflect.DeepEqual(got, want) {
		t.Errorf("dead letters %v, want %v", got, want)
	}
}

func TestAnomaliesCountOnceAPacket(t *testing.T) {
	t.Parallel()
	now := time.Now()
	// Three records announced and two and a half present; both of these start
	// a millisecond after their end.
	odd := v5(0, 2, now)
	odd[3] = 3
	for _, first := range []int{24 + 24, 24 + 48 + 24} {
		copy(odd[first:], odd[4:8])
		copy(odd[first+4:], odd[4:8])
		odd[first+3]++
	}
	odd = append(odd, make([]byte, 24)...)

	c := newTestCollector(t, 1, 1, nil)
	c.intakes[0][0].handle(from("192.0.2.1:1", odd, odd), now)

	want := map[string]uint64{
		"count_above_present": 2, "partial_record": 2, "trailing_bytes": 0, "count_above_30": 0,
		"nanoseconds_out_of_range": 0, "start_unset": 0, "end_unset": 0, "start_after_end": 2,
		"time_far_from_export": 0,
		"template_provisional": 0,
		"waited":               0,
		"malformed_set":        0,
		"field_width":          0,
		"duplicate_element":    0,
		"value_out_of_range":   0,
		"truncated_header":     0,
	}
	if got := c.Snapshot().PacketsAnomalous; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// All sockets work while several scrapes look. In every one both equations have
// to hold, and no count may go back.
func TestLedgerAddsUpAtEveryScrape(t *testing.T) {
	t.Parallel()
	const sockets, batches, scrapers = 4, 400, 3
	c := newTestCollector(t, 1, sockets, func(cfg *Config) {
		cfg.ExportersAllow = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	})
	now := time.Now()
	batch := append(from("192.0.2.1:1", v5(0, 30, now), v5(30, 1, now), nil, []byte{0, 8}, make([]byte, 24), v5(0, 0, now)),
		from("198.51.100.1:1", v5(0, 2, now))...)

	done := make(chan struct{})
	var reading, scraping sync.WaitGroup
	for _, in := range c.intakes[0] {
		reading.Go(func() {
			for range batches {
				in.handle(batch, time.Now())
			}
		})
	}
	for range scrapers {
		scraping.Go(func() { checkScrapes(t, c.Collector, done) })
	}
	reading.Wait()
	close(done)
	scraping.Wait()

	// A batch: 31 flows in 2 packets; 7 datagrams.
	const n = sockets * batches
	s := c.Snapshot()
	want := map[string]uint64{
		"received": 7 * n, "decoded": 2 * n, "not_allowed": n, "short": n, "version": 2 * n, "no_records": n, "foreign": 2 * n,
	}
	if got := datagramsOf(s); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if s.FlowsDecoded != 31*n {
		t.Errorf("%d flows decoded, want %d", s.FlowsDecoded, 31*n)
	}
}

// checkScrapes scrapes until done is closed, at least once.
func checkScrapes(t *testing.T, c *Collector, done <-chan struct{}) {
	t.Helper()
	var last uint64
	for {
		s := c.Snapshot()
		if datagrams, sets, flows := s.Imbalance(); datagrams != 0 || sets != 0 || flows != 0 {
			t.Errorf("the ledger is off by %d datagrams, %d data sets, %d flows", datagrams, sets, flows)
			return
		}
		if s.DatagramsReceived < last {
			t.Errorf("datagrams received went from %d to %d", last, s.DatagramsReceived)
			return
		}
		last = s.DatagramsReceived
		select {
		case <-done:
			return
		default:
		}
	}
}

func TestIntakeDoesNotAllocate(t *testing.T) {
	c := newTestCollector(t, 1, 1, func(cfg *Config) {
		cfg.ExportersAllow = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
		cfg.Logger = nil
	})
	now := time.Now()
	batch := append(from("192.0.2.1:1", v5(0, 30, now), v5(30, 30, now), nil, []byte{0, 8}, v5(0, 0, now)),
		from("198.51.100.1:1", v5(0, 2, now))...)
	in := c.intakes[0][0]
	if n := testing.AllocsPerRun(100, func() { in.handle(batch, now) }); n != 0 {
		t.Errorf("%v allocations a batch, want none", n)
	}
}

// BenchmarkIntake is the cost of a packet beside reading and publishing it.
func BenchmarkIntake(b *testing.B) {
	now := time.Now()
	for _, test := range []struct {
		name    string
		payload func(i int) []byte
	}{
		{"records=30", func(i int) []byte { return v5(uint32(i)*30, 30, now) }},
		{"records=1", func(i int) []byte { return v5(uint32(i), 1, now) }},
		{"foreign", func(int) []byte { return []byte{0, 8, 0, 0} }},
	} {
		b.Run(test.name, func(b *testing.B) {
			const batchLen, exporters = 64, 16
			p := newFakePublisher()
			c := newCollector(Config{Sockets: 1})
			c.publisher = p
			in := c.newIntake(maxStreams)
			batch := make([]listener.Datagram, batchLen)
			for i := range batch {
				batch[i].From = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i % exporters)}), 2055)
				batch[i].Payload = test.payload(i / exporters)
			}
			b.ReportAllocs()
			for b.Loop() {
				in.handle(batch, now)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/batchLen, "ns/packet")
		})
	}
}
