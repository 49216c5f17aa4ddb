package collector

import (
	"context"
	"encoding/binary"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/internal/telemetry"
)

// The packets below are written by hand from RFC 3954, section 5, and RFC 7011, section 3.

// v9 returns a NetFlow v9 packet of a device that booted at midnight.
func v9(sequence, domain uint32, at time.Time, sets ...[]byte) []byte {
	b := binary.BigEndian.AppendUint16([]byte{0, 9}, uint16(len(sets)))
	b = binary.BigEndian.AppendUint32(b, uint32(at.UnixMilli()-at.Truncate(24*time.Hour).UnixMilli()))
	b = binary.BigEndian.AppendUint32(b, uint32(at.Unix()))
	b = binary.BigEndian.AppendUint32(b, sequence)
	b = binary.BigEndian.AppendUint32(b, domain)
	return append(b, slices.Concat(sets...)...)
}

// ipfixMessage returns an IPFIX message.
func ipfixMessage(sequence, domain uint32, at time.Time, sets ...[]byte) []byte {
	body := slices.Concat(sets...)
	b := binary.BigEndian.AppendUint16([]byte{0, 10}, uint16(16+len(body)))
	b = binary.BigEndian.AppendUint32(b, uint32(at.Unix()))
	b = binary.BigEndian.AppendUint32(b, sequence)
	b = binary.BigEndian.AppendUint32(b, domain)
	return append(b, body...)
}

// set returns a set.
func set(id uint16, body ...byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, id)
	return append(binary.BigEndian.AppendUint16(b, uint16(4+len(body))), body...)
}

// Set ids of templates.
const (
	v9Templates    = 0
	ipfixTemplates = 2
)

// wide are the bytes of a template of that id: octets (element 1) in 8 bytes, packets (2) in 4.
func wide(id uint16) []byte {
	return append(binary.BigEndian.AppendUint16(nil, id), 0, 2, 0, 1, 0, 8, 0, 2, 0, 4)
}

// octets are the records of the template wide, with so many octets each.
func octets(counts ...uint64) (b []byte) {
	for _, n := range counts {
		b = binary.BigEndian.AppendUint64(b, n)
		b = append(b, 0, 0, 0, 1)
	}
	return b
}

// setsOf returns the counts of data sets by name.
func setsOf(s telemetry.Snapshot) map[string]uint64 {
	all := map[string]uint64{"received": s.DataSetsReceived, "decoded": s.DataSetsDecoded, "waiting": s.DataSetsWaiting}
	maps.Copy(all, s.DataSetsDropped)
	return all
}

// counted returns such counts; those that are not named are 0.
func counted(counts map[string]uint64) map[string]uint64 {
	all := map[string]uint64{"received": 0, "decoded": 0, "waiting": 0, "no_template": 0, "malformed": 0, "limit": 0}
	maps.Copy(all, counts)
	return all
}

func checkSets(t *testing.T, c *testCollector, want map[string]uint64) {
	t.Helper()
	s := c.Snapshot()
	if got := setsOf(s); !reflect.DeepEqual(got, counted(want)) {
		t.Errorf("data sets %v, want %v", got, counted(want))
	}
	if datagrams, sets, flows := s.Imbalance(); datagrams != 0 || sets != 0 || flows != 0 {
		t.Errorf("the ledger is off by %d datagrams, %d data sets, %d flows", datagrams, sets, flows)
	}
}

// All formats arrive on one socket. Those that are left out are rejected, and the log
// says what would let them in.
func TestFormats(t *testing.T) {
	t.Parallel()
	now := time.Now()
	datagrams := map[decoder.Format][]byte{
		decoder.FormatNetFlowV5: v5(0, 1, now),
		decoder.FormatNetFlowV9: v9(0, 0, now, set(v9Templates, wide(256)...), set(256, octets(1)...)),
		decoder.FormatIPFIX:     ipfixMessage(0, 0, now, set(ipfixTemplates, wide(256)...), set(256, octets(1)...)),
		decoder.FormatSFlowV5:   sflowDatagram(0, 1),
	}
	for _, test := range []struct {
		name  string
		taken []decoder.Format
	}{
		{"all", nil},
		{"version 5", []decoder.Format{decoder.FormatNetFlowV5}},
		{"version 9", []decoder.Format{decoder.FormatNetFlowV9}},
		{"sFlow", []decoder.Format{decoder.FormatSFlowV5}},
		{"IPFIX and version 5", []decoder.Format{decoder.FormatIPFIX, decoder.FormatNetFlowV5}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newTestCollector(t, 1, 1, func(cfg *Config) { cfg.Formats = test.taken })
			for _, f := range decoder.Formats() {
				c.intakes[0][0].handle(from("192.0.2.1:1", datagrams[f]), time.Now())
				s, taken := c.Snapshot(), test.taken == nil || slices.Contains(test.taken, f)
				if got := s.DatagramsDecoded[f.String()]; got != uint64(one(taken)) {
					t.Errorf("%v: %d datagrams decoded, want %d", f, got, one(taken))
				}
				if got := s.DatagramsForeign[f.String()]; got != uint64(one(!taken)) {
					t.Errorf("%v: %d datagrams foreign, want %d", f, got, one(!taken))
				}
				if got := len(c.log.Lines("add " + f.String() + " to FLOWPUB_FORMATS")); got != one(!taken) {
					t.Errorf("%v: %d log lines, want %d", f, got, one(!taken))
				}
			}
		})
	}
}

// A format has one name, in metrics and in the configuration.
func TestFormatNames(t *testing.T) {
	t.Parallel()
	for f, name := range map[decoder.Format]string{
		decoder.FormatNetFlowV5: "netflow_v5", decoder.FormatNetFlowV9: "netflow_v9",
		decoder.FormatIPFIX: "ipfix", decoder.FormatSFlowV5: "sflow",
	} {
		if got, err := decoder.ParseFormat(name); got != f || err != nil || f.String() != name {
			t.Errorf("ParseFormat(%q) = %v, %v", name, got, err)
		}
	}
	if _, err := decoder.ParseFormat("v9"); err == nil {
		t.Error("v9 was taken for a format")
	}
	if got := len(decoder.Formats()); got != numFormats {
		t.Errorf("%d formats, want %d", got, numFormats)
	}
	for i, f := range decoder.Formats() {
		if slotOf(f) != i {
			t.Errorf("the slot of %v is %d, want %d", f, slotOf(f), i)
		}
	}
}

// Data before their template wait, are published when it comes, in their order and before the
// records that it came with, as received when they came; and not by another
// exporter's, or another domain's, template.
func TestDataBeforeTemplate(t *testing.T) {
	t.Parallel()
	for _, format := range []decoder.Format{decoder.FormatNetFlowV9, decoder.FormatIPFIX} {
		t.Run(format.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				packet, templates := v9, uint16(v9Templates)
				if format == decoder.FormatIPFIX {
					packet, templates = ipfixMessage, ipfixTemplates
				}
				c := newTestCollector(t, 1, 2, nil)
				c.publisher.keeps = true
				a, b := c.intakes[0][0], c.intakes[0][1]
				begun := time.Now()

				a.handle(from("192.0.2.1:1", packet(0, 7, begun, set(300, octets(10, 11)...))), begun)
				a.handle(from("192.0.2.1:1", packet(1, 7, begun, set(300, octets(12)...), set(301, octets(13)...))), begun.Add(1))
				checkSets(t, c, map[string]uint64{"received": 3, "waiting": 3})
				<-time.After(time.Second)
				now := time.Now()
				b.handle(from("192.0.2.2:1", packet(0, 7, now, set(templates, wide(300)...))), now)
				b.handle(from("192.0.2.1:1", packet(0, 8, now, set(templates, wide(300)...))), now)
				checkSets(t, c, map[string]uint64{"received": 3, "waiting": 3})
				// From a port of its own, by another socket.
				b.handle(from("192.0.2.1:2", packet(2, 7, now, set(templates, wide(300)...), set(300, octets(20)...))), now)
				checkSets(t, c, map[string]uint64{"received": 4, "decoded": 3, "waiting": 1})

				port1, port2 := netip.MustParseAddrPort("192.0.2.1:1"), netip.MustParseAddrPort("192.0.2.1:2")
				at, later := decoder.UnixNano(begun.UnixNano()), decoder.UnixNano(now.UnixNano())
				type published struct {
					from           netip.AddrPort
					received       decoder.UnixNano
					records        int
					octets         uint64
					waited, beyond bool
				}
				want := []published{
					{port1, at, 2, 10, true, true}, {port1, at + 1, 1, 12, true, true}, {port2, later, 1, 20, false, false},
				}
				var got []published
				for _, p := range c.publisher.packets {
					got = append(got, published{p.from, p.received, p.records, p.octets, p.all&decoder.AnomalyWaited != 0, p.first > 0})
				}
				if !reflect.DeepEqual(got, want) {
					t.Errorf("published %+v, want %+v", got, want)
				}
				if s := c.Snapshot(); s.PacketsAnomalous["waited"] != 2 || s.FlowsDecoded != 4 || s.DatagramsDecoded[format.String()] != 5 {
					t.Errorf("%d packets waited, %d flows and %v datagrams decoded", s.PacketsAnomalous["waited"], s.FlowsDecoded, s.DatagramsDecoded)
				}
			})
		})
	}
}

// Flows that waited are their exporter's, whichever socket decodes them.
func TestFlowsThatWaitedAreTheirExporters(t *testing.T) {
	t.Parallel()
	for _, decodes := range []int{0, 1} {
		c := newTestCollector(t, 1, 2, nil)
		now := time.Now()
		c.intakes[0][0].handle(from("192.0.2.1:1", ipfixMessage(0, 7, now, set(300, octets(10, 11)...))), now)
		c.intakes[0][decodes].handle(from("192.0.2.1:2", ipfixMessage(0, 7, now, set(ipfixTemplates, wide(300)...))), now)
		c.survey()
		r := c.Status(true)
		e := exporterOf(t, r, "192.0.2.1")
		if e.Flows != 2 || e.Packets != 2 || !slices.Contains(e.Anomalies, "waited") || r.Exporters.Others.Flows != 0 {
			t.Errorf("socket %d: the exporter is %+v, others have %d flows", decodes, e, r.Exporters.Others.Flows)
		}
	}
}

// What waited may be decoded before its own packet is booked: it finds the account a survey later. What finds none
// is of others, as is what there is no room for.
func TestCreditsOfUnknownExporters(t *testing.T) {
	t.Parallel()
	c := newTestCollector(t, 1, 1, nil)
	c.accounts.credits.add([]late{
		{netip.MustParseAddr("192.0.2.1").As16(), tally{flows: 2}}, {netip.MustParseAddr("192.0.2.2").As16(), tally{flows: 3}},
	})
	check := func(what string, first, others uint64) {
		t.Helper()
		c.survey()
		var flows uint64
		r := c.Status(true)
		for _, e := range r.Exporters.List {
			flows += e.Flows
		}
		if flows != first || r.Exporters.Others.Flows != others {
			t.Errorf("%s: the exporter has %d flows, others %d, want %d and %d", what, flows, r.Exporters.Others.Flows, first, others)
		}
	}
	check("nothing is booked", 0, 0)
	c.intakes[0][0].handle(from("192.0.2.1:1", v5(0, 1, time.Now())), time.Now())
	check("a packet of one is booked", 3, 3)
	all := make([]late, maxStreams+5)
	for i := range all {
		all[i].flows = 1
		binary.BigEndian.PutUint32(all[i].address[:], uint32(i)+1)
	}
	c.accounts.credits.add(all)
	if n := len(c.accounts.credits.by); n != maxStreams {
		t.Errorf("%d addresses have credits, want %d", n, maxStreams)
	}
	check("more than there is room for", 3, 8)
	check("a survey later", 3, 8+maxStreams)
}

// What has waited for a minute in vain is dropped, counted, named in the log once with how
// often the exporter sends its templates, and is a dead letter: a packet of its own, that a
// collector with the template could decode.
func TestTemplateDoesNotCome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newTestCollector(t, 1, 1, func(cfg *Config) { cfg.Publisher.DeadLetterTopic = "dead" })
		c.publisher.keeps = true
		in := c.intakes[0][0]
		handle := func(source string, payload []byte) { in.handle(from(source, payload), time.Now()) }
		// It sends another template every ten minutes.
		for range 2 {
			handle("192.0.2.1:1", v9(0, 7, time.Now(), set(v9Templates, wide(256)...)))
			<-time.After(10 * time.Minute)
		}
		began := time.Now()
		handle("192.0.2.1:1", v9(1, 7, began, set(256, octets(1)...), set(300, octets(10, 11)...)))
		handle("192.0.2.1:1", ipfixMessage(2, 8, began, set(301, octets(12)...)))
		<-time.After(time.Minute)
		c.expireTemplates(time.Since(c.started))
		checkSets(t, c, map[string]uint64{"received": 3, "decoded": 1, "waiting": 2})
		<-time.After(time.Second)
		c.expireTemplates(time.Since(c.started))
		checkSets(t, c, map[string]uint64{"received": 3, "decoded": 1, "no_template": 2})

		source, at := netip.MustParseAddrPort("192.0.2.1:1"), decoder.UnixNano(began.UnixNano())
		first := v9(1, 7, began, set(300, octets(10, 11)...))
		first[3] = 2 // its packet had two sets
		want := []deadLetter{
			{source, at, "no_template", string(first)},
			{source, at, "no_template", string(ipfixMessage(2, 8, began, set(301, octets(12)...)))},
		}
		if !reflect.DeepEqual(c.publisher.letters, want) {
			t.Errorf("dead letters %v, want %v", c.publisher.letters, want)
		}
		lines := c.log.Lines("their template has not come")
		if len(lines) != 1 {
			t.Fatalf("%d log lines, want 1", len(lines))
		}
		for _, part := range []string{"exporter=192.0.2.1", "port=1", "format=netflow_v9", "observation_domain_id=7", "template_id=300",
			`templates_sent="every 10m0s"`, "template data timeout 60", "template-refresh-rate seconds 60"} {
			if len(c.log.Lines(part)) == 0 {
				t.Errorf("%q lacks %s", lines[0], part)
			}
		}
	})
}

// When an exporter restarts, what waited for its templates is not decoded by the new ones.
func TestTemplatesOfARestartedExporter(t *testing.T) {
	t.Parallel()
	c := newTestCollector(t, 1, 1, nil)
	in, now := c.intakes[0][0], time.Now()
	in.handle(from("192.0.2.1:1", v9(0, 7, now, set(300, octets(10)...))), now)
	restarted := v9(0, 7, now, set(v9Templates, wide(300)...))
	binary.BigEndian.PutUint32(restarted[4:], 1000)
	in.handle(from("192.0.2.1:1", restarted), now)
	checkSets(t, c, map[string]uint64{"received": 1, "no_template": 1})
}

// While the collector runs, what has waited for too long is dropped without another datagram; at the
// end nothing waits any more.
func TestWaitingSetsAtTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newTestCollector(t, 1, 1, func(cfg *Config) { cfg.Publisher.DeadLetterTopic = "dead" })
		c.publisher.keeps = true
		c.publisher.onClose = func(context.Context) error {
			if got := len(c.publisher.letters); got != 2 {
				t.Errorf("%d dead letters when the publisher is closed, want 2", got)
			}
			return nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- c.Run(ctx) }()
		c.listeners[0].batches <- from("192.0.2.1:1", v9(0, 7, time.Now(), set(300, octets(10)...)))
		synctest.Wait()
		checkSets(t, c, map[string]uint64{"received": 1, "waiting": 1})
		<-time.After(time.Minute + 2*surveyEvery)
		checkSets(t, c, map[string]uint64{"received": 1, "no_template": 1})
		c.listeners[0].batches <- from("192.0.2.1:1", v9(1, 7, time.Now(), set(300, octets(11)...)))
		synctest.Wait()
		checkSets(t, c, map[string]uint64{"received": 2, "waiting": 1, "no_template": 1})
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		checkSets(t, c, map[string]uint64{"received": 2, "no_template": 2})
	})
}

// namedOctets are the bytes of a template of that id: octets (element 1) in 4 bytes, and a name (82) that tells
// its own length.
func namedOctets(id uint16) []byte {
	return append(binary.BigEndian.AppendUint16(nil, id), 0, 2, 0, 1, 0, 4, 0, 82, 0xff, 0xff)
}

// A set that waited, and in which nothing fits the template that came, is dropped, counted and told
// as if it had come behind it. No count falls.
func TestWaitingSetsThatAreWrong(t *testing.T) {
	t.Parallel()
	c := newTestCollector(t, 1, 1, nil)
	in, now := c.intakes[0][0], time.Now()
	in.handle(from("192.0.2.1:1",
		v9(0, 7, now, set(300, 0, 0, 0, 1, 9, 'b')),                          // its name goes on behind the set
		v9(1, 7, now, set(300, 0, 0, 0, 1, 1, 'a', 0, 0, 0, 2, 9, 'b')),      // so does its second one
		v9(2, 7, now, set(300, 0, 0, 0, 1, 1, 'a', 0, 0, 0, 2, 2, 'b', 'b')), // nothing is wrong
	), now)
	checkSets(t, c, map[string]uint64{"received": 3, "waiting": 3})
	in.handle(from("192.0.2.1:1", v9(3, 7, now, set(v9Templates, namedOctets(300)...))), now)
	checkSets(t, c, map[string]uint64{"received": 3, "decoded": 1, "malformed": 2})
	if s := c.Snapshot(); s.FlowsDecoded != 3 {
		t.Errorf("%d flows decoded, want 3", s.FlowsDecoded)
	}
	if got := len(c.log.Lines("data sets dropped: a length in them is impossible")); got != 1 {
		t.Errorf("%d log lines tell of it, want 1", got)
	}
}

// Samplings that options tell of and that are not kept are counted, and told.
func TestSamplingsThatFindNoRoom(t *testing.T) {
	t.Parallel()
	c := newTestCollector(t, 1, 1, nil)
	in, now := c.intakes[0][0], time.Now()
	options := []byte{2, 0, 0, 4, 0, 8, 0, 1, 0, 0, 0, 48, 0, 1, 0, 34, 0, 2} // of id 512: samplerId in 1 byte, samplingInterval in 2
	var told []byte
	for id := range byte(70) {
		told = append(told, id, 0, 100)
	}
	for range 2 {
		in.handle(from("192.0.2.1:1", v9(0, 7, now, set(1, options...), set(512, told...))), now)
	}
	if s := c.Snapshot(); s.SamplingsRefused != 12 || s.OptionsRecords != 140 {
		t.Errorf("%d samplings refused of %d, want 12 of 140", s.SamplingsRefused, s.OptionsRecords)
	}
	lines := c.log.Lines("samplings are not kept")
	if len(lines) != 1 || !strings.Contains(lines[0], "exporter=192.0.2.1 ") || !strings.Contains(lines[0], "samplings=6 ") {
		t.Errorf("the log has %q", lines)
	}
}

// Sets get the template they wait for, whatever is wrong behind it in its packet.
func TestTemplateBeforeOneThatIsWrong(t *testing.T) {
	t.Parallel()
	c := newTestCollector(t, 1, 1, nil)
	in, now := c.intakes[0][0], time.Now()
	in.handle(from("192.0.2.1:1",
		v9(0, 7, now, set(300, octets(1)...)),
		v9(1, 7, now, set(v9Templates, append(wide(300), wide(301)[:6]...)...)),
	), now)
	checkSets(t, c, map[string]uint64{"received": 1, "decoded": 1})
	if s := c.Snapshot(); s.FlowsDecoded != 1 || s.DatagramsDecoded["netflow_v9"] != 2 {
		t.Errorf("%d flows of %d datagrams decoded, want 1 of 2", s.FlowsDecoded, s.DatagramsDecoded["netflow_v9"])
	}
}

// A set that finds no room is dropped at once.
func TestNoRoomToWait(t *testing.T) {
	t.Parallel()
	c := newTestCollector(t, 1, 1, nil)
	in, now := c.intakes[0][0], time.Now()
	for i := range uint32(300) {
		in.handle(from("192.0.2.1:1", v9(i, 7, now, set(300, octets(10)...))), now)
	}
	checkSets(t, c, map[string]uint64{"received": 300, "waiting": 256, "no_template": 44})
	if got := len(c.log.Lines("their template has not come")); got != 1 {
		t.Errorf("%d log lines, want 1", got)
	}
}

// Sets that are wrong are dropped for what they are, what came before them is published, and
// templates that are not taken are counted.
func TestWrongSets(t *testing.T) {
	t.Parallel()
	c := newTestCollector(t, 1, 1, nil)
	in, now := c.intakes[0][0], time.Now()
	cut := set(256, octets(2)...)
	cut[3]++ // one byte longer than there is
	in.handle(from("192.0.2.1:1",
		v9(0, 7, now, set(v9Templates, wide(256)...), set(256, octets(1)...), cut),
		v9(1, 7, now, set(v9Templates, 1, 0, 0, 1, 0, 1, 0, 0)), // one field of no length
		v9(2, 7, now, set(256, octets(3)...))), now)
	checkSets(t, c, map[string]uint64{"received": 3, "decoded": 1, "malformed": 1, "waiting": 1})
	s := c.Snapshot()
	if s.FlowsDecoded != 1 || s.PacketsAnomalous["malformed_set"] != 1 {
		t.Errorf("%d flows decoded, %d packets with a malformed set; want 1 and 1", s.FlowsDecoded, s.PacketsAnomalous["malformed_set"])
	}
	for _, line := range []string{"data sets dropped: a length in them is impossible", "templates are not taken"} {
		if got := len(c.log.Lines(line)); got != 1 {
			t.Errorf("%d log lines say %q, want 1", got, line)
		}
	}
	if s.TemplatesRefused["invalid"] != 1 || s.TemplateChanges != 1 || s.Templates["wire"] != 0 {
		t.Errorf("templates: refused %v, changed %d, known %v", s.TemplatesRefused, s.TemplateChanges, s.Templates)
	}
}

// One socket gets data, another one the templates, at the same time. In the end no set waits, and
// each is decoded; at every scrape the ledger adds up.
func TestTemplatesAndDataBySeveralSockets(t *testing.T) {
	t.Parallel()
	const rounds = 300
	c := newTestCollector(t, 1, 2, nil)
	done := make(chan struct{})
	var reading, scraping sync.WaitGroup
	scraping.Go(func() { checkScrapes(t, c.Collector, done) })
	now := time.Now()
	reading.Go(func() {
		for id := range uint16(rounds) {
			c.intakes[0][0].handle(from("192.0.2.1:1", v9(0, 7, now, set(256+id, octets(1)...))), now)
		}
	})
	reading.Go(func() {
		for id := range uint16(rounds) {
			c.intakes[0][1].handle(from("192.0.2.1:2", v9(0, 7, now, set(v9Templates, wide(256+id)...))), now)
		}
	})
	reading.Wait()
	close(done)
	scraping.Wait()
	s := setsOf(c.Snapshot())
	if s["waiting"] != 0 || s["decoded"]+s["no_template"] != rounds {
		t.Errorf("data sets %v, want none waiting", s)
	}
}

// Decoding by known templates takes no memory.
func TestTemplatesDoNotAllocate(t *testing.T) {
	c := newTestCollector(t, 1, 1, func(cfg *Config) { cfg.Logger = nil })
	now := time.Now()
	batch := from("192.0.2.1:1",
		v9(0, 7, now, set(v9Templates, wide(256)...), set(256, octets(1, 2, 3)...)),
		ipfixMessage(0, 7, now, set(ipfixTemplates, wide(256)...), set(256, octets(1, 2, 3)...)))
	in := c.intakes[0][0]
	if n := testing.AllocsPerRun(100, func() { in.handle(batch, now) }); n != 0 {
		t.Errorf("%v allocations a batch, want none", n)
	}
}
