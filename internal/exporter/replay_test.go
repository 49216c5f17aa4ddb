package exporter

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowpub/flowpub/internal/pcap/pcaptest"
)

// captureFile writes a capture and returns its name.
func captureFile(t *testing.T, capture []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "capture")
	if err := os.WriteFile(name, capture, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// replayed runs a replay and returns it.
func replayed(t *testing.T, c ReplayConfig, out transmitter) *Replay {
	t.Helper()
	r, err := NewReplay(c)
	if err != nil {
		t.Fatal(err)
	}
	if out != nil {
		r.out = out
	}
	if err := r.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReplayGivesExportersOwnAddresses(t *testing.T) {
	t.Parallel()
	c := listen(t, "127.0.0.1")
	r := replayed(t, ReplayConfig{
		Files: []string{"../../decoder/netflow5/testdata/crafted_edges.pcap"}, Target: c.LocalAddr().String(), OwnSources: true, Pace: PaceUnlimited,
	}, nil)

	// 51 packets of 48 exporters, 81 flows; the table names each flow's exporter.
	given := map[netip.Addr]netip.Addr{}
	packets := receive(t, c, 51)
	sources := r.Sources()
	for _, line := range expectedFlows(t, "../../decoder/netflow5/testdata/crafted_edges.pcap.expected.csv") {
		var packet, index int
		var name string
		if _, err := fmt.Sscan(line, &packet, &index, &name); err != nil {
			t.Fatal(err)
		}
		original := netip.MustParseAddrPort(name)
		if _, known := given[original.Addr()]; !known {
			given[original.Addr()] = addressOf(127<<24 | 10<<16 | uint32(len(given)+1))
		}
		if from := packets[packet].source; from.Addr() != given[original.Addr()] || from != sources[original] {
			t.Errorf("packet %d of %v came from %v, the map says %v; want %v", packet, original, from, sources[original], given[original.Addr()])
		}
	}
	stats := r.Stats()
	if len(sources) != 48 || len(given) != 48 || stats.Datagrams != 51 || stats.Flows != 81 || stats.Octets != 51*24+81*48 {
		t.Errorf("%d sources, %+v: want 48, and 51 datagrams, 81 flows", len(sources), stats)
	}
}

func TestReplayChoosesFirstSource(t *testing.T) {
	t.Parallel()
	file := captureFile(t, pcaptest.Pcap(101, pcaptest.IPv6(17, pcaptest.UDP("a")), pcaptest.IPv4(0, 0, pcaptest.UDP("b")), pcaptest.IPv6(17, pcaptest.UDP("c"))))
	r := replayed(t, ReplayConfig{Payloads: true, Files: []string{file}, OwnSources: true, FirstSource: netip.MustParseAddr("127.77.0.255"), Pace: PaceUnlimited}, new(recorder))
	for original, want := range map[string]string{pcaptest.Source6: "127.77.0.255", pcaptest.Source4: "127.77.1.0"} {
		if got := r.Sources()[netip.MustParseAddrPort(original)].Addr().String(); got != want {
			t.Errorf("%s was given %s, want %s", original, got, want)
		}
	}
}

func TestReplayToIPv6(t *testing.T) {
	t.Parallel()
	c := listen(t, "::1")
	file := captureFile(t, pcaptest.Pcap(101, pcaptest.IPv4(0, 0, pcaptest.UDP("a")), pcaptest.IPv6(17, pcaptest.UDP("b"))))
	r := replayed(t, ReplayConfig{Payloads: true, Files: []string{file}, Target: c.LocalAddr().String(), Pace: PaceUnlimited}, nil)
	for i, d := range receive(t, c, 2) {
		original := netip.MustParseAddrPort([]string{pcaptest.Source4, pcaptest.Source6}[i])
		if string(d.payload) != []string{"a", "b"}[i] || r.Sources()[original] != d.source {
			t.Errorf("datagram %d: %q from %v, want that of %v", i, d.payload, d.source, original)
		}
	}
}

func TestReplayKeepsPorts(t *testing.T) {
	t.Parallel()
	// A port that is free, and one that is not, at an address of no other test.
	const address = "127.4.0.1"
	taken, free := listen(t, address), listen(t, address)
	ports := []uint16{portOf(t, taken), portOf(t, free)}
	free.Close()
	from := func(port uint16) []byte {
		return pcaptest.IPv4(0, 0, pcaptest.Join(pcaptest.BE16(int(port)), pcaptest.BE16(2055), pcaptest.BE16(9), pcaptest.BE16(0), "x"))
	}
	file := captureFile(t, pcaptest.Pcap(101, from(ports[0]), from(ports[1])))
	r := replayed(t, ReplayConfig{Payloads: true, Files: []string{file}, KeepPorts: true, OwnSources: true, FirstSource: netip.MustParseAddr(address), Pace: PaceUnlimited}, new(recorder))
	for i, kept := range []bool{false, true} {
		original := netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), ports[i])
		got := r.Sources()[original]
		if got.Addr().String() != address || (got.Port() == ports[i]) != kept {
			t.Errorf("%v was sent from %v, want %s and the same port: %v", original, got, address, kept)
		}
	}
}

func TestReplayLeavesOut(t *testing.T) {
	t.Parallel()
	v5 := string(pcaptest.Join(pcaptest.BE16(5), pcaptest.BE16(1), make([]byte, 20+48)))
	odd := string(pcaptest.Join(pcaptest.BE16(5), pcaptest.BE16(2), make([]byte, 20+48)))
	file := captureFile(t, pcaptest.Pcap(101, pcaptest.IPv4(0, 0, pcaptest.UDP(v5)), pcaptest.IPv4(0, 0, pcaptest.UDP("\x00\x09 other")),
		pcaptest.IPv4(0, 0, pcaptest.UDP("")), pcaptest.IPv4(0, 0, pcaptest.UDP(v5))[:60], pcaptest.IPv4(0, 0, pcaptest.UDP(odd))))
	tests := []struct {
		name   string
		onlyV5 bool
		want   ReplayStats
	}{
		{"all", false, ReplayStats{Datagrams: 4, Octets: 72 + 8 + 72, Flows: 2, Others: 2, Truncated: 1}},
		{"other protocols", true, ReplayStats{Datagrams: 2, Octets: 72 + 72, Flows: 2, Foreign: 2, Truncated: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := replayed(t, ReplayConfig{Payloads: true, Files: []string{file}, OnlyV5: tt.onlyV5, Pace: PaceUnlimited}, new(recorder))
			if got := r.Stats(); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestReplayPace(t *testing.T) {
	t.Parallel()
	ip := pcaptest.IPv4(0, 0, pcaptest.UDP("x"))
	seconds := func(times ...int) []byte {
		file := pcaptest.Pcap(101)
		for _, s := range times {
			file = pcaptest.Join(file, pcaptest.BE32(s), pcaptest.BE32(0), pcaptest.BE32(len(ip)), pcaptest.BE32(len(ip)), ip)
		}
		return file
	}
	tests := []struct {
		name    string
		capture []byte
		config  ReplayConfig
		want    []int // milliseconds from the start
	}{
		{"recorded", seconds(100, 100, 103, 101, 110), ReplayConfig{Payloads: true, Loops: 1}, []int{0, 0, 3000, 3000, 10_000}},
		{"recorded, twice", seconds(100, 102), ReplayConfig{Payloads: true, Loops: 2}, []int{0, 2000, 2000, 4000}},
		{"recorded, no times", pcaptest.Join(pcaptest.BE16(5), make([]byte, 22)), ReplayConfig{Payloads: true, Loops: 2}, []int{0, 0}},
		{"fixed", seconds(100, 200, 300, 400), ReplayConfig{Payloads: true, Pace: PaceFixed, Rate: 10}, []int{100, 200, 300, 400}},
		{"unlimited", seconds(100, 200, 300, 400), ReplayConfig{Payloads: true, Pace: PaceUnlimited}, []int{0, 0, 0, 0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.config.Files = []string{captureFile(t, tt.capture)}
			synctest.Test(t, func(t *testing.T) {
				begun, out := time.Now(), new(recorder)
				replayed(t, tt.config, out)
				var got []int
				for _, d := range out.sent {
					got = append(got, int(d.at.Sub(begun).Milliseconds()))
				}
				if !slices.Equal(got, tt.want) {
					t.Errorf("sent after %v ms, want %v", got, tt.want)
				}
			})
		})
	}
}

func TestReplayEndsWithContext(t *testing.T) {
	t.Parallel()
	ip := pcaptest.IPv4(0, 0, pcaptest.UDP("x"))
	file := captureFile(t, pcaptest.Join(pcaptest.Pcap(101, ip), pcaptest.BE32(math.MaxInt32), pcaptest.BE32(0), pcaptest.BE32(len(ip)), pcaptest.BE32(len(ip)), ip))
	for _, pace := range []Pace{PaceRecorded, PaceFixed, PaceUnlimited} {
		ctx, cancel := context.WithCancel(t.Context())
		r, err := NewReplay(ReplayConfig{Payloads: true, Files: []string{file}, Pace: pace, Rate: 0.001, Loops: math.MaxInt})
		if err != nil {
			t.Fatal(err)
		}
		r.out = transmitFunc(func() { cancel() })
		if pace == PaceFixed {
			cancel() // the first datagram would be sent in an hour
		}
		if err := r.Run(ctx); err != nil {
			t.Errorf("pace %v: %v", pace, err)
		}
		for s := range maps.Values(r.sockets) {
			if err := s.close(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("pace %v: a socket was left open", pace)
			}
		}
		cancel()
	}
}

func TestReplayReportsFiles(t *testing.T) {
	t.Parallel()
	manySources := pcaptest.Pcap(101)
	for i := range MaxReplayed + 1 {
		ip := pcaptest.IPv4(0, 0, pcaptest.Join(pcaptest.BE16(i+1), pcaptest.BE16(2055), pcaptest.BE16(8), pcaptest.BE16(0)))
		manySources = pcaptest.Join(manySources, pcaptest.BE32(0), pcaptest.BE32(0), pcaptest.BE32(len(ip)), pcaptest.BE32(len(ip)), ip)
	}
	tests := []struct {
		name string
		file string
		want string
	}{
		{"missing", filepath.Join(t.TempDir(), "missing"), "no such file"},
		{"cut off", captureFile(t, pcaptest.Pcap(101)[:20]), "after 0 packets: unexpected EOF"},
		{"no capture", captureFile(t, []byte("root:x:0:0:root:/root:/bin/bash\n")), "neither pcap nor pcapng"},
		{"no exporter", captureFile(t, pcaptest.Pcap(101, pcaptest.IPv4(1, 0, pcaptest.UDP("hello, this is a name server")))), "holds no datagram of NetFlow, IPFIX or sFlow"},
		{"too many sources", captureFile(t, manySources), "more than 1024 sources: leave out"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, err := NewReplay(ReplayConfig{Payloads: tt.name == "too many sources", Files: []string{tt.file}, Pace: PaceUnlimited})
			if err != nil {
				t.Fatal(err)
			}
			r.out = new(recorder)
			err = r.Run(t.Context())
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "exporter: replaying "+tt.file) {
				t.Errorf("error is %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestReplayOfAnyPayload(t *testing.T) {
	t.Parallel()
	sent := new(recorder)
	replayed(t, ReplayConfig{Files: []string{captureFile(t, []byte("noise"))}, Payloads: true}, sent)
	if len(sent.sent) != 1 || string(sent.sent[0].payload) != "noise" {
		t.Errorf("sent %v, want the file as it is", sent.sent)
	}
}

// The refusal of a single datagram comes when nothing else is sent.
func TestReplayNotesRefusalOfItsLastDatagram(t *testing.T) {
	t.Parallel()
	c := listen(t, "127.3.0.3") // no other test listens there
	target := c.LocalAddr().String()
	c.Close()
	r := replayed(t, ReplayConfig{Payloads: true, Files: []string{captureFile(t, pcaptest.Join(pcaptest.BE16(5), make([]byte, 22)))}, Target: target}, nil)
	if got := r.Stats(); got.Datagrams != 1 || got.Refused != 1 || !got.Unheard {
		t.Errorf("counted %+v, want a datagram that was refused", got)
	}
}

func TestReplaySendsNothingUnlessAllCanBeOpened(t *testing.T) {
	t.Parallel()
	payload := captureFile(t, []byte("a"))
	missing, directory := filepath.Join(t.TempDir(), "missing"), t.TempDir()
	r, err := NewReplay(ReplayConfig{Files: []string{payload, missing, directory}, Pace: PaceUnlimited})
	if err != nil {
		t.Fatal(err)
	}
	r.out = new(recorder)
	want := "exporter: replaying " + missing + ": no such file or directory; check its name, and that this user may read it\n" +
		"exporter: replaying " + directory + ": it is a directory: name the captures in it"
	if err := r.Run(t.Context()); err == nil || err.Error() != want {
		t.Errorf("error is\n%v\nwant\n%s", err, want)
	}
	if sent := r.Stats().Datagrams; sent != 0 {
		t.Errorf("%d datagrams were sent, want none", sent)
	}
}

func TestNewReplayRefusesMistakes(t *testing.T) {
	t.Parallel()
	files := []string{"capture"}
	tests := []struct {
		name   string
		config ReplayConfig
		want   string
	}{
		{"files", ReplayConfig{}, "exporter: Files is empty: name at least one capture"},
		{"loops", ReplayConfig{Payloads: true, Files: files, Loops: -1}, "Loops is -1: give"},
		{"pace", ReplayConfig{Payloads: true, Files: files, Pace: 3}, "Pace is 3: give"},
		{"rate", ReplayConfig{Payloads: true, Files: files, Pace: PaceFixed}, "Rate is 0: give"},
		{"rate is no number", ReplayConfig{Payloads: true, Files: files, Pace: PaceFixed, Rate: math.NaN()}, "Rate is NaN: give"},
		{"target", ReplayConfig{Payloads: true, Files: files, Target: "::1"}, `Target is "::1": give host:port`},
		{"own sources", ReplayConfig{Payloads: true, Files: files, Target: "[::1]:2055", OwnSources: true}, "OwnSources is true: leave it out"},
		{"first source alone", ReplayConfig{Payloads: true, Files: files, FirstSource: netip.MustParseAddr("127.0.0.1")}, "FirstSource is 127.0.0.1: ask for own sources"},
		{"first source", ReplayConfig{Payloads: true, Files: files, OwnSources: true, FirstSource: netip.MustParseAddr("10.0.0.1")}, "FirstSource is 10.0.0.1: give"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := NewReplay(tt.config)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want one with %q", err, tt.want)
			}
		})
	}
}
