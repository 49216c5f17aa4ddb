package main

import (
	"context"
	"flag"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowpub/flowpub/internal/exporter"
)

// runWith runs the program with arguments separated by spaces.
func runWith(t *testing.T, args string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	status = run(t.Context(), strings.Fields(args), &out, &errs)
	return status, out.String(), errs.String()
}

// target opens a receiver and returns its address.
func target(t *testing.T) string {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.LocalAddr().String()
}

func TestRun(t *testing.T) {
	t.Parallel()
	to := "-target " + target(t)
	payload := filepath.Join(t.TempDir(), "payload")
	// A NetFlow version 5 header that announces a record, and the record.
	if err := os.WriteFile(payload, append([]byte{0, 5, 0, 1}, make([]byte, 20+48)...), 0o600); err != nil {
		t.Fatal(err)
	}
	noise := payload + ".noise"
	if err := os.WriteFile(noise, []byte("root:x:0:0:root:/root:/bin/bash\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	other := payload + ".other"
	if err := os.WriteFile(other, append([]byte{0, 9}, make([]byte, 18)...), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		args   string
		status int
		stdout string // regular expression for all of it
		stderr string // the same
	}{
		{"synthetic", to + " -flows 3000 -rate 0", 0, `sent 3,000 flows in 100 datagrams in 0\.\d\d s: [\d,]+ flows/s\n`, ``},
		{"with gaps and damage", to + " -flows 38400 -rate 0 -exporters 2 -gaps 0.1 -malformed 0.125", 0,
			`sent [\d,]+ flows in 1,152 datagrams in .* s: .*\n144 malformed datagrams, in which [\d,]+ flows can be read\n[\d,]+ flows numbered that were not sent, or not readable\n`, ``},
		{"all formats", to + " -flows 2400 -rate 0 -exporters 4 -format all -ipv6 0.5 -template-loss 0.5 -sampling-interval 10", 0,
			`sent 2,400 flows in [\d,]+ datagrams in .*\n\d+ of the datagrams are templates and options\n\d+ datagrams with templates numbered that were not sent\n`, ``},
		{"short numbers and names", to + " -flows 3k -rate 1M -exporters 2 -format netflow_v9,v5", 0, `sent 3,000 flows in .*\n\d+ of the datagrams are templates.*\n`, ``},
		{"changing rate", to + " -rate 1k-100k -duration 200ms -elephant 0.9", 0, `sent [\d,]+ flows in .*\n`, ``},
		{"for a time", to + " -duration 10ms", 0, `sent \d+ flows in \d+ datagrams in 0\.\d\d s: .*\n`, ``},
		{"help", "-flows 1 -h", 0, regexp.QuoteMeta(syntheticUsage), ``},
		{"version", "-version", 0, `flowgen  .+\ngo       go1\..*\nrevision .*\n`, ``},
		{"replay", "replay " + to + " -loops 3 -rate 0 " + payload, 0, `sent 3 flows in 3 datagrams in 0\.\d\d s: [\d,]+ flows/s\n`, ``},
		{"replay from own sources", "replay " + to + " -own-sources -source 127.8.0.1 -only-v5 " + payload + " " + other, 0,
			`sent 1 flows in 1 datagrams in .*\n1 datagrams left out: they are not NetFlow version 5\nbare payloads were sent from 127\.8\.0\.1:\d+\n`, ``},
		{"replay of no capture", "replay " + to + " " + noise, 1, `sent 0 flows in 0 datagrams .*\n`,
			`flowgen: replaying /.*\.noise: pcap: it is neither pcap nor pcapng, and does not begin like .*; name a capture, or add -payloads to .*\n`},
		{"replay of any payload", "replay " + to + " -payloads " + noise, 0, `sent 1 datagrams in 0\.\d\d s: [\d,]+ datagrams/s\n1 of the datagrams are not NetFlow version 5; flows in them are not counted\n`, ``},
		{"replay help", "replay -help", 0, regexp.QuoteMeta(replayUsage), ``},
		{"replay version", "replay -version", 0, `flowgen  .+\ngo       go1\..*\nrevision .*\n`, ``},
		{"replay of a missing file", "replay " + to + " /nowhere/at-all", 1, `sent 0 flows .*\n`, `flowgen: replaying /nowhere/at-all: no such file or directory; check its name, .*\n`},
		{"replay of a file and a missing one", "replay " + to + " " + payload + " /nowhere/at-all", 1, `sent 0 flows in 0 datagrams .*\n`, `flowgen: replaying /nowhere/at-all: no such .*\n`},
		{"unknown target", "-target 127.0.0.1:no-such-port", 1, ``, `flowgen: looking up target 127\.0\.0\.1:no-such-port: .*; check its name and port\n`},

		{"unknown flag", "-flow 1", 2, ``, `flowgen: flag provided but not defined: -flow\nRun flowgen -h .*\n`},
		{"not a number", "-exporters many", 2, ``, `flowgen: invalid value "many" for flag -exporters: give a number from 1 to 16384\nRun .*\n`},
		{"no exporters", "-exporters 0", 2, ``, `flowgen: invalid value "0" for flag -exporters: give a number from 1 to 16384\nRun .*\n`},
		{"negative records", "-records -1", 2, ``, `flowgen: -records -1: give a number from 1 to 1364\nRun .*\n`},
		{"too many records for IPFIX", "-format ipfix -records 1000", 2, ``, `flowgen: -records 1000: give a number from 1 to 861\nRun .*\n`},
		{"no format", "-format v7", 2, ``, `flowgen: invalid value "v7" for flag -format: give v5, v9, ipfix, sflow, several .*\nRun .*\n`},
		{"IPv6 in version 5", "-ipv6 1", 2, ``, `flowgen: -ipv6 1: leave it out, or give a format that has it: v9, ipfix or sflow\nRun .*\n`},
		{"variable lengths in version 9", "-format v9 -variable", 2, ``, `flowgen: -variable: leave it out, or give a format that has it: ipfix\nRun .*\n`},
		{"templates at no time", "-format v9 -template-interval -1s -template-change 10ms -domains 257", 2, ``,
			`flowgen: invalid value "257" for flag -domains: give a number from 1 to 256\nRun .*\n`},
		{"templates at any time", "-format v9 -template-interval -1s -template-change 10ms", 2, ``,
			`flowgen: -template-interval -1s: give a time of 1ms or more, .*\nflowgen: -template-change 10ms: give a time of 1s or more, .*\nRun .*\n`},
		{"too many exporters", "-exporters 20000", 2, ``, `flowgen: invalid value "20000" for flag -exporters: give a number from 1 to 16384\nRun .*\n`},
		{"rate", "-rate abc", 2, ``, `flowgen: invalid value "abc" for flag -rate: give a number, such as 0\.5, 1000, 10k or 2M\nRun .*\n`},
		{"changing rate without end", "-rate 1k-2k", 2, ``, `flowgen: -rate: one that changes needs -duration, within which it does\nRun .*\n`},
		{"elephant", "-elephant 2", 2, ``, `flowgen: -elephant 2: give a share from 0 to 1, such as 0\.9\nRun .*\n`},
		{"flap alone", "-flap 1s -exporters 1", 2, ``, `flowgen: -flap 1s: give two exporters or more, which take turns\nRun .*\n`},
		{"status", "-status localhost", 2, ``, `flowgen: -status "localhost": give the collector's HTTP address, such as http://127\.0\.0\.1:8080\nRun .*\n`},
		{"limit without status", "-find-limit", 2, ``, `flowgen: -find-limit: give the collector's HTTP address as -status, .*\nRun .*\n`},
		{"limit of losses", "-find-limit -status http://x -gaps 0.1", 2, ``, `flowgen: -find-limit: it chooses the rate, .*\nRun .*\n`},
		{"duration without unit", "-duration 5", 2, ``, `flowgen: invalid value "5" for flag -duration: write 5s for seconds, .*\nRun .*\n`},
		{"several mistakes", "-sampling-mode 4 -gaps 1 -rate NaN", 2, ``, `flowgen: -sampling-mode 4: give a number from 0 to 3\n` +
			`flowgen: -rate NaN: give a number a second from 0 \(as fast as possible\) to 1e\+09\nflowgen: -gaps 1: give a share from 0 to below 1, such as 0\.01\nRun .*\n`},
		{"one mistake", "-target 127.0.0.1", 2, ``, `flowgen: -target "127\.0\.0\.1": give host:port, .*\nRun .*\n`},
		{"not an address", "-source here", 2, ``, `flowgen: invalid value "here" for flag -source: give an address such as 127\.5\.0\.1\nRun .*\n`},
		{"argument", "capture.pcap", 2, ``, `flowgen: argument "capture\.pcap": there are only flags; a capture is sent with: flowgen replay capture\.pcap\nRun .*\n`},
		{"negative duration", "-duration -1s", 2, ``, `flowgen: -duration -1s: give a time .*\nRun .*\n`},
		{"replay of nothing", "replay", 2, ``, `flowgen: no FILE: name at least one capture: .*\nRun .*\n`},
		{"replay flags after files", "replay x -target 127.0.0.1:9", 2, ``, `flowgen: FILE "-target": flags come before FILE; write a file of that name as \./-target\nRun .*\n`},
		{"replay never", "replay -loops 0 x", 2, ``, `flowgen: invalid value "0" for flag -loops: give 1 or more\nRun .*\n`},
		{"replay rate", "replay -rate slow x", 2, ``, `flowgen: invalid value "slow" for flag -rate: give "recorded" or a number of datagrams a second\nRun .*\n`},
		{"replay negative rate", "replay -rate -5 x", 2, ``, `flowgen: -rate -5: give a number of datagrams a second, .*\nRun .*\n`},
		{"replay own sources elsewhere", "replay -own-sources -target [::1]:2055 x", 2, ``, `flowgen: -own-sources: leave it out, .*\nRun .*\n`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			status, stdout, stderr := runWith(t, tt.args)
			if status != tt.status {
				t.Errorf("exit status is %d, want %d", status, tt.status)
			}
			for _, c := range []struct{ name, got, want string }{{"output", stdout, tt.stdout}, {"errors", stderr, tt.stderr}} {
				if !regexp.MustCompile(`^` + c.want + `$`).MatchString(c.got) {
					t.Errorf("%s:\n%s\nwant a match of\n%s", c.name, c.got, c.want)
				}
			}
		})
	}
}

func TestRunSaysThatNobodyListens(t *testing.T) {
	t.Parallel()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 3, 0, 2)})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	address := c.LocalAddr().String()
	status, stdout, stderr := runWith(t, "-rate 0 -flows 3000 -target "+address)
	if status != 1 || !strings.Contains(stdout, "sent 3,000 flows in 100 datagrams") || !strings.Contains(stdout, " refusals or more: ") ||
		stderr != "flowgen: nobody listens at "+address+": start the collector, or give its address as -target\n" {
		t.Errorf("exit status %d, output\n%s\nerrors\n%s", status, stdout, stderr)
	}
}

// fields are the fields of a configuration that flags set.
func fields(configuration any) (names []string) {
	for f := range reflect.TypeOf(configuration).Fields() {
		if f.Name != "Now" {
			names = append(names, f.Name)
		}
	}
	return names
}

func TestUsageNamesAllFlags(t *testing.T) {
	t.Parallel()
	synthetic := syntheticFlags(new(exporter.Config), new(options))
	replayed := replayFlags(new(exporter.ReplayConfig))
	tests := []struct {
		name   string
		flags  *flag.FlagSet
		usage  string
		fields []string
	}{
		{"synthetic", synthetic, syntheticUsage, fields(exporter.Config{})},
		{"replay", replayed, replayUsage, fields(exporter.ReplayConfig{})},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.flags.VisitAll(func(f *flag.Flag) {
				_, after, found := strings.Cut(tt.usage, "\n  -"+f.Name+" ")
				if !found {
					t.Errorf("flag -%s is not in the usage", f.Name)
				}
				about, _, _ := strings.Cut(after, "\n  -")
				if d := f.DefValue; d != "" && d != "false" && d != "0s" && !strings.Contains(about, "("+d+")") {
					t.Errorf("the usage of -%s lacks its default (%s): %s", f.Name, d, about)
				}
			})
			for _, field := range tt.fields {
				name := flagOf[field]
				if name != "FILE" && tt.flags.Lookup(strings.TrimPrefix(name, "-")) == nil {
					t.Errorf("field %s: there is no flag %q", field, name)
				}
			}
		})
	}
}

// docs/flowgen.md has every flag, and no other.
func TestDocumentedFlags(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/flowgen.md")
	if err != nil {
		t.Fatal(err)
	}
	_, tables, _ := strings.Cut(string(text), "\n## Flags\n")
	synthetic, replayed, _ := strings.Cut(tables, "\nOf a replay:\n")
	for table, flags := range map[string]*flag.FlagSet{
		synthetic: syntheticFlags(new(exporter.Config), new(options)), replayed: replayFlags(new(exporter.ReplayConfig)),
	} {
		var documented, want []string
		for _, row := range regexp.MustCompile("(?m)^\\| (`-[^|]*) \\|").FindAllStringSubmatch(table, -1) {
			for _, name := range regexp.MustCompile("`-([a-z0-9-]+)`").FindAllStringSubmatch(row[1], -1) {
				documented = append(documented, name[1])
			}
		}
		flags.VisitAll(func(f *flag.Flag) { want = append(want, f.Name) })
		slices.Sort(documented)
		if !slices.Equal(documented, want) {
			t.Errorf("docs/flowgen.md has the flags\n%v, want\n%v", documented, want)
		}
	}
}

// scripted is a sender that takes a time, and sends at a rate.
type scripted struct {
	begun time.Time
	took  time.Duration
}

func (s *scripted) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-time.After(s.took):
	}
	return nil
}

func (s *scripted) counts() counts {
	n := uint64(time.Since(s.begun).Seconds())
	return counts{flows: n * 3000, datagrams: n * 100}
}

func (*scripted) unheard() bool { return false }

func (*scripted) remarks() []string { return []string{"nothing to remark"} }

func TestWatchRewritesItsLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{begun: time.Now(), took: 2500 * time.Millisecond}
		var line strings.Builder
		stop := watch(t.Context(), s, nil, &line, true)
		if err := s.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := stop(); took != s.took {
			t.Errorf("took %v, want %v", took, s.took)
		}
		const want = "\r\x1b[K1s: 3,000 flows in 100 datagrams, 3,000 flows/s" +
			"\r\x1b[K2s: 6,000 flows in 200 datagrams, 3,000 flows/s" + "\r\x1b[K"
		if line.String() != want {
			t.Errorf("printed %q, want %q", line.String(), want)
		}
	})
}

func TestSendEndsWithSummary(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		duration time.Duration
		cancel   time.Duration // when the user ends it
	}{
		{"its duration", 4 * time.Second, time.Hour},
		{"the user", 0, 4 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), tt.cancel)
				defer cancel()
				var stdout, stderr strings.Builder
				s := &scripted{begun: time.Now(), took: time.Hour}
				err := send(ctx, &job{sender: s, duration: tt.duration}, &stdout, &stderr)
				const want = "sent 12,000 flows in 400 datagrams in 4.00 s: 3,000 flows/s\nnothing to remark\n"
				if err != nil || stdout.String() != want || stderr.String() != "" {
					t.Errorf("error %v, output %q, errors %q; want none, %q", err, stdout.String(), stderr.String(), want)
				}
			})
		})
	}
}

func TestThousands(t *testing.T) {
	t.Parallel()
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1,000", 123456: "123,456", 1<<64 - 1: "18,446,744,073,709,551,615"} {
		if got := thousands(n); got != want {
			t.Errorf("%d is written %s, want %s", n, got, want)
		}
	}
}
