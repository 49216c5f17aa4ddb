package collector

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/internal/testlog"
)

func TestNoticesOnceAnExporterAndMatter(t *testing.T) {
	t.Parallel()
	var book testlog.Book
	n := newNotices(book.Logger(), nil)
	source := netip.MustParseAddrPort("192.0.2.1:50000")
	other := netip.MustParseAddrPort("192.0.2.2:50000")
	for i := range 100 {
		now := time.Duration(i) * time.Hour
		n.foreign(source, protocolNetFlowV9, now)
		n.foreign(source, protocolSFlow, now)
		n.foreign(other, protocolNetFlowV9, now)
		n.notAllowed(source, now)
		n.malformed(source, rejectShort, now)
		n.malformed(source, rejectNoRecords, now)
	}
	if got := len(book.Lines("")); got != 5 {
		t.Errorf("%d lines, want 5", got)
	}
	lines := book.Lines("protocol=netflow_v9")
	if len(lines) != 2 {
		t.Fatalf("%d lines about version 9, want 2", len(lines))
	}
	for _, part := range []string{"level=WARN", "exporter=192.0.2.1", "port=50000", `cure="add netflow_v9 to FLOWPUB_FORMATS, which leaves it out"`} {
		if !strings.Contains(lines[0], part) {
			t.Errorf("%q lacks %s", lines[0], part)
		}
	}
}

// Forged sources get a few lines and a bounded memory, and an exporter that they
// crowded out is named when the rate allows.
func TestNoticesUnderForgedSources(t *testing.T) {
	t.Parallel()
	var book testlog.Book
	n := newNotices(book.Logger(), nil)
	// Within 1,000 s: 10 lines at once and one every 10 s from then on.
	const forged, duration = 100_000, 1000 * time.Second
	for i := range forged {
		now := duration * time.Duration(i) / forged
		n.foreign(forgedSource(i), protocolNoise, now)
	}
	if got := len(book.Lines("")); got < 100 || got > 110 {
		t.Errorf("%d lines, want 10 and then one every 10 s", got)
	}

	exporter := netip.MustParseAddrPort("192.0.2.1:50000")
	n.foreign(exporter, protocolNetFlowV9, duration+noticeEvery)
	if len(book.Lines("exporter=192.0.2.1")) != 1 {
		t.Error("the exporter is not named though the rate allows it")
	}
}

func TestNoticesRememberABoundedNumber(t *testing.T) {
	t.Parallel()
	var book testlog.Book
	n := newNotices(book.Logger(), nil)
	for i := range 3 * maxNotices {
		n.foreign(forgedSource(i), protocolNoise, time.Duration(i)*noticeEvery)
	}
	if b := &n.budgets[newcomer]; len(b.said) != maxNotices || len(b.order) != maxNotices {
		t.Errorf("remembers %d and %d, want %d", len(b.said), len(b.order), maxNotices)
	}
	// The newest is still known, the oldest is not.
	now := time.Duration(3*maxNotices) * noticeEvery
	before := len(book.Lines(""))
	n.foreign(forgedSource(3*maxNotices-1), protocolNoise, now)
	if len(book.Lines("")) != before {
		t.Error("what was said last is said again")
	}
	n.foreign(forgedSource(0), protocolNoise, now)
	if len(book.Lines("")) != before+1 {
		t.Error("what was forgotten is not said again")
	}
}

func TestFindingsAreLogged(t *testing.T) {
	t.Parallel()
	var book testlog.Book
	n := newNotices(book.Logger(), nil)
	key := &streamKey{address: netip.MustParseAddr("192.0.2.1").As16(), port: 50000, StreamID: decoder.StreamID{
		Format: decoder.FormatNetFlowV5, EngineType: 1, EngineID: 2,
	}}
	for i := range 5 {
		n.found(&news{*key, foundLoss | foundUnsequenced | foundSkew, frequent}, time.Duration(i)*time.Hour)
	}
	for _, text := range []string{"flows are missing", "counts neither flows nor packets", "clock is more than a minute"} {
		lines := book.Lines(text)
		if len(lines) != 1 {
			t.Errorf("%d lines say %q, want 1", len(lines), text)
			continue
		}
		if !strings.Contains(lines[0], "exporter=192.0.2.1 port=50000 format=netflow_v5 engine_type=1 engine_id=2") {
			t.Errorf("%q does not name the stream", lines[0])
		}
	}
}

// A stream is named by what its format has.
func TestStreamsAreNamed(t *testing.T) {
	t.Parallel()
	for want, id := range map[string]decoder.StreamID{
		"format=netflow_v9 observation_domain_id=7\n": {Format: decoder.FormatNetFlowV9, Domain: 7},
		"format=ipfix\n": {Format: decoder.FormatIPFIX},
		"format=sflow agent=::1 observation_domain_id=2\n": {Format: decoder.FormatSFlowV5, Domain: 2, Agent: netip.IPv6Loopback().As16()},
		"format=sflow agent=192.0.2.9\n":                   {Format: decoder.FormatSFlowV5, Agent: netip.MustParseAddr("192.0.2.9").As16()},
	} {
		var book testlog.Book
		newNotices(book.Logger(), nil).about(&streamKey{address: netip.MustParseAddr("192.0.2.1").As16(), port: 9, StreamID: id}).Info("here")
		if lines := book.Lines(""); len(lines) != 1 || !strings.HasSuffix(lines[0], "exporter=192.0.2.1 port=9 "+want) {
			t.Errorf("%q, want %q in it", lines, want)
		}
	}
}

// Each standing has lines of its own, so that forged sources take none from an
// exporter that is regular, or allowed by name.
func TestNoticesKeepLinesForEachStanding(t *testing.T) {
	t.Parallel()
	var book testlog.Book
	n := newNotices(book.Logger(), namedBy([]netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}))
	for i := range 1000 {
		n.foreign(forgedSource(i), protocolNoise, 0)
		n.found(&news{streamKey{address: forgedSource(i).Addr().As16()}, foundLoss, frequent}, 0)
	}
	if got := len(book.Lines("")); got != 2*noticeBurst {
		t.Errorf("%d lines about forged sources, want %d", got, 2*noticeBurst)
	}
	exporter := netip.MustParseAddr("198.51.100.1")
	n.found(&news{streamKey{address: exporter.As16()}, foundLoss, regular}, 0)
	n.malformed(netip.MustParseAddrPort("192.0.2.1:1"), rejectShort, 0)
	for _, who := range []string{"exporter=198.51.100.1", "exporter=192.0.2.1 "} {
		if len(book.Lines(who)) != 1 {
			t.Errorf("no line has %s", who)
		}
	}

	// What was said is not said again when the standing has changed.
	n.found(&news{streamKey{address: exporter.As16()}, foundLoss, named}, time.Hour)
	if len(book.Lines("exporter=198.51.100.1")) != 1 {
		t.Error("the loss is told again")
	}
}

func forgedSource(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 1000)
}
