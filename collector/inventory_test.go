package collector

import (
	"encoding/binary"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowpub/flowpub/decoder"
)

// annotatedPublisher notes what is known of the exporter of each packet.
type annotatedPublisher struct {
	*fakePublisher
	mu    sync.Mutex
	known []decoder.Annotation
}

func (p *annotatedPublisher) Publish(from netip.AddrPort, at decoder.UnixNano, packet *decoder.ExportPacket) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var known decoder.Annotation
	if packet.Annotation != nil {
		known = *packet.Annotation
	}
	p.known = append(p.known, known)
	return p.fakePublisher.Publish(from, at, packet)
}

// withInventory has the collector read a file of exporters.
func withInventory(t *testing.T, text string) (*testCollector, *annotatedPublisher) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "exporters")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c := newTestCollector(t, 1, 1, func(cfg *Config) { cfg.ExportersFile = path })
	if err := c.readInventory(); err != nil {
		t.Fatal(err)
	}
	p := &annotatedPublisher{fakePublisher: c.publisher}
	c.Collector.publisher = p
	c.addIntakes()
	return c, p
}

// v9Packet is a NetFlow v9 packet with a FlowSet, written by hand.
func v9Packet(sequence uint32, set ...byte) []byte {
	b := binary.BigEndian.AppendUint32([]byte{0, 9, 0, 1}, 3_600_000)
	b = binary.BigEndian.AppendUint32(b, uint32(time.Now().Unix()))
	b = binary.BigEndian.AppendUint32(b, sequence)
	return append(append(b, 0, 0, 0, 7), set...)
}

// What the file says of an exporter is in its packets, also those that waited for
// their template, and of others nothing is.
func TestPacketsCarryWhatIsKnown(t *testing.T) {
	t.Parallel()
	c, p := withInventory(t, "192.0.2.0/24 access 1000\n192.0.2.1 core-1\n2001:db8::/32 - 64\n")
	in := c.intakes[0][0]
	now := time.Now()
	for _, source := range []string{"192.0.2.1:1", "198.51.100.1:2", "192.0.2.2:3", "[2001:db8::1]:4", "192.0.2.1:5"} {
		in.handle(from(source, v5(0, 2, now)), now)
	}
	data := []byte{1, 0, 0, 8, 10, 0, 0, 1}
	templates := []byte{0, 0, 0, 12, 1, 0, 0, 1, 0, 8, 0, 4} // 256: the source address
	in.handle(from("192.0.2.1:9", v9Packet(1, data...)), now)
	in.handle(from("192.0.2.1:9", v9Packet(2, slices.Concat(templates, data)...)), now)

	core := decoder.Annotation{Name: "core-1", SamplingOverride: 1000}
	want := []decoder.Annotation{
		core, {}, {Name: "access", SamplingOverride: 1000}, {SamplingOverride: 64}, core,
		core, core, core, // the packet whose set waits, that set, and the packet with its template
	}
	if !slices.Equal(p.known, want) {
		t.Errorf("got  %+v,\nwant %+v", p.known, want)
	}
}

// Each line about an exporter has its name.
func TestNoticesNameExporters(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, _ := withInventory(t, "192.0.2.1 core-1\n198.51.100.0/24 - 10\n")
		now := time.Now()
		for _, source := range []string{"192.0.2.1:9", "198.51.100.1:9"} {
			c.intakes[0][0].handle(from(source, []byte("GET / HTTP/1.1"), v5(0, 1, now)[:30],
				v5(0, 30, now.Add(-time.Hour)), v5(90, 30, now.Add(-time.Hour))), now)
		}
		<-time.After(gapPatience)
		c.survey()
		for exporter, name := range map[string]string{"192.0.2.1": " exporter_name=core-1 port=9 ", "198.51.100.1": " port=9 "} {
			lines := c.log.Lines("exporter=" + exporter + " ")
			if len(lines) != 4 {
				t.Errorf("%d lines about %s, want 4: %q", len(lines), exporter, lines)
			}
			for _, line := range lines {
				if !strings.Contains(line, "exporter="+exporter+name) {
					t.Errorf("%q lacks %q", line, name)
				}
			}
		}
	})
}

// So have those about samples of sFlow.
func TestNoticesOfSamplesNameExporters(t *testing.T) {
	t.Parallel()
	c, _ := withInventory(t, "192.0.2.1 core-1\n")
	dropping, cut := sflowDatagram(2, 2), sflowDatagram(3, 3, 4)
	binary.BigEndian.PutUint32(dropping[28+8+16:], 7) // samples that the agent dropped
	cut = cut[:len(cut)-4]
	c.intakes[0][0].handle(from("192.0.2.1:9", sflowDatagram(1, 1), dropping, cut), time.Now())
	lines := c.log.Lines("exporter=192.0.2.1 exporter_name=core-1 port=9 ")
	if len(lines) != 2 || !strings.Contains(lines[0], "drops=7") || !strings.Contains(lines[1], "malformed=1") {
		t.Errorf("%q, want a line about samples that the agent dropped, and one about those that arrive cut", lines)
	}
}

// Every mistake in the file is told by line, before anything is started.
func TestMistakesInTheFileOfExporters(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "exporters")
	if err := os.WriteFile(path, []byte("192.0.2.1 a\nrouter b\n192.0.2.1 c\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	cfg.Publisher.Brokers = []string{"localhost:9092"}
	cfg.ExportersFile = path
	want := []string{
		`collector: exporters file: line 2: "router" is no network: `,
		"collector: exporters file: line 3: 192.0.2.1/32 is on line 1, too: remove one",
	}
	err := cfg.Validate()
	if err == nil {
		t.Fatal("it is taken")
	}
	lines := strings.Split(err.Error(), "\n")
	for i, line := range lines {
		if i >= len(want) || !strings.HasPrefix(line, want[i]) {
			t.Errorf("line %d is %q", i+1, line)
		}
	}
	if len(lines) != len(want) {
		t.Errorf("%d lines, want %d", len(lines), len(want))
	}
}
