package inventory

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/flowpub/flowpub/decoder"
)

func mustParse(tb testing.TB, text string) *Table {
	tb.Helper()
	table, err := Parse([]byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return table
}

func TestFind(t *testing.T) {
	t.Parallel()
	table := mustParse(t, `
# network        name      sampling
0.0.0.0/0        -         10
10.0.0.0/8       site
10.1.0.0/16      -         1000      # by contract
10.1.2.3         core-1
10.1.2.128/25    "core\2   4294967295
10.255.255.255   last
255.255.255.255  broadcast
192.0.2.0/31     pair      1
::/0             six
2001:db8::/32    doc       64
2001:db8::1      one
2001:db8:ffff:ffff:ffff:ffff:ffff:ffff/128 two
ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff    end 2
`)
	for address, want := range map[string]decoder.Annotation{
		"0.0.0.0":                                {SamplingOverride: 10},
		"9.255.255.255":                          {SamplingOverride: 10},
		"10.0.0.0":                               {Name: "site", SamplingOverride: 10},
		"10.1.0.0":                               {Name: "site", SamplingOverride: 1000},
		"10.1.2.2":                               {Name: "site", SamplingOverride: 1000},
		"10.1.2.3":                               {Name: "core-1", SamplingOverride: 1000},
		"10.1.2.4":                               {Name: "site", SamplingOverride: 1000},
		"10.1.2.128":                             {Name: `"core\2`, SamplingOverride: 4294967295},
		"10.1.2.255":                             {Name: `"core\2`, SamplingOverride: 4294967295},
		"10.1.3.0":                               {Name: "site", SamplingOverride: 1000},
		"10.2.0.0":                               {Name: "site", SamplingOverride: 10},
		"10.255.255.255":                         {Name: "last", SamplingOverride: 10},
		"11.0.0.0":                               {SamplingOverride: 10},
		"192.0.2.1":                              {Name: "pair", SamplingOverride: 1},
		"192.0.2.2":                              {SamplingOverride: 10},
		"255.255.255.255":                        {Name: "broadcast", SamplingOverride: 10},
		"::":                                     {Name: "six"},
		"2001:db7:ffff::":                        {Name: "six"},
		"2001:db8::":                             {Name: "doc", SamplingOverride: 64},
		"2001:db8::1":                            {Name: "one", SamplingOverride: 64},
		"2001:db8::2":                            {Name: "doc", SamplingOverride: 64},
		"2001:db9::":                             {Name: "six"},
		"ffff::":                                 {Name: "six"},
		"2001:db8:ffff:ffff:ffff:ffff:ffff:ffff": {Name: "two", SamplingOverride: 64},
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff": {Name: "end", SamplingOverride: 2},
	} {
		if got := table.Find(netip.MustParseAddr(address)); got == nil || *got != want {
			t.Errorf("%s: got %v, want %v", address, got, want)
		}
	}
	if got := table.Networks(); got != 13 {
		t.Errorf("%d networks, want 13", got)
	}
}

func TestFindNothing(t *testing.T) {
	t.Parallel()
	var none *Table
	for text, table := range map[string]*Table{
		"nil": none, "an empty file": mustParse(t, ""), "comments": mustParse(t, "# nothing\n\n  # to see"),
		"others": mustParse(t, "192.0.2.4/30 a\n2001:db8::/64 b"),
	} {
		for _, address := range []string{"192.0.2.3", "192.0.2.8", "::", "2001:db8:0:1::", "0.0.0.0", "255.255.255.255"} {
			if got := table.Find(netip.MustParseAddr(address)); got != nil {
				t.Errorf("%s: of %s is known %v", text, address, *got)
			}
		}
		if got := table.Find(netip.Addr{}); got != nil {
			t.Errorf("%s: of no address is known %v", text, *got)
		}
	}
}

// The same as looking at each network for each address, for random networks that
// often contain each other.
func TestFindAgreesWithASearch(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 9))
		address := func() netip.Addr {
			if random.IntN(2) == 0 {
				return netip.AddrFrom4([4]byte{10, byte(random.IntN(2)), byte(random.IntN(3) * 127), byte(random.IntN(256))})
			}
			b := [16]byte{0x20, 1, byte(random.IntN(3) * 127)}
			b[7], b[8], b[15] = byte(random.IntN(2)*255), byte(random.IntN(2)*255), byte(random.IntN(256))
			return netip.AddrFrom16(b)
		}
		known := make(map[netip.Prefix]decoder.Annotation)
		var text strings.Builder
		for i := range 1 + random.IntN(60) {
			a := address()
			n, err := a.Prefix(random.IntN(a.BitLen() + 1))
			if err != nil {
				t.Fatal(err)
			}
			if _, twice := known[n]; twice {
				continue
			}
			what := decoder.Annotation{Name: fmt.Sprint("n", i)}
			switch random.IntN(3) {
			case 0:
				what.SamplingOverride = uint32(i + 1)
				fmt.Fprintln(&text, n, what.Name, what.SamplingOverride)
			case 1:
				what = decoder.Annotation{SamplingOverride: uint32(i + 1)}
				fmt.Fprintln(&text, n, "-", what.SamplingOverride)
			default:
				fmt.Fprintln(&text, n, what.Name)
			}
			known[n] = what
		}
		table := mustParse(t, text.String())
		for range 300 {
			a := address()
			var want decoder.Annotation
			for bits := range a.BitLen() + 1 {
				n, _ := a.Prefix(bits)
				what, there := known[n]
				if there && what.Name != "" {
					want.Name = what.Name
				}
				if there && what.SamplingOverride != 0 {
					want.SamplingOverride = what.SamplingOverride
				}
			}
			var got decoder.Annotation
			if found := table.Find(a); found != nil {
				got = *found
			}
			if got != want {
				t.Fatalf("%v: got %v, want %v, in\n%s", a, got, want, text.String())
			}
		}
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"192.0.2.0/24":                       "line 1: the name is missing: " + usage,
		"\n\nrouter 192.0.2.1":               `line 3: "router" is no network: ` + usage,
		"192.0.2.1/24 a":                     `line 1: "192.0.2.1/24" has bits beyond its prefix length: write 192.0.2.0/24, or 192.0.2.1 for the one address`,
		"::ffff:192.0.2.0/120 a":             `line 1: "::ffff:192.0.2.0/120" would match nothing: write the IPv4 network`,
		"fe80::1%eth0 a":                     `line 1: "fe80::1%eth0" has a zone, which exporters are found without: write fe80::1`,
		"192.0.2.1 core 1 of 2":              `line 1: "of" is one too many; a name has no blanks: ` + usage,
		"192.0.2.1 core one":                 `line 1: the sampling interval "one" is no number from 1 to 4294967295: write 1000 if one packet in 1000 is counted`,
		"192.0.2.1 core 0":                   `line 1: the sampling interval "0" is no number from 1 to 4294967295: write 1000 if one packet in 1000 is counted`,
		"192.0.2.1 core 4294967296":          `line 1: the sampling interval "4294967296" is no number from 1 to 4294967295: write 1000 if one packet in 1000 is counted`,
		"192.0.2.1 -":                        "line 1: it gives neither a name nor a sampling interval: " + usage,
		"192.0.2.1 1000":                     `line 1: "1000" stands where the name does: write - 1000 if it is the sampling interval, or a name that is no number`,
		"192.0.2.1 a\n192.0.2.1/32 b":        "line 2: 192.0.2.1/32 is on line 1, too: remove one",
		"192.0.2.1 a\n::ffff:192.0.2.1 b":    "line 2: 192.0.2.1/32 is on line 1, too: remove one",
		"192.0.2.1 a\x00b":                   `line 1: the name "a\x00b" has the character U+0000, which cannot be printed: remove it`,
		"192.0.2.1 \xff":                     "line 1: it is not UTF-8",
		"1.1.1.1 " + strings.Repeat("ä", 32): `line 1: the name "` + strings.Repeat("ä", 32) + `" has 64 bytes: it may have 63`,
		"a\n192.0.2.1 b\nc":                  "line 1: \"a\" is no network: " + usage + "\nline 3: \"c\" is no network: " + usage,
		strings.Repeat("x\n", 25): strings.TrimSuffix(func() (all string) {
			for i := range 20 {
				all += fmt.Sprintf("line %d: \"x\" is no network: %s\n", i+1, usage)
			}
			return all + "and 5 mistakes more\n"
		}(), "\n"),
		strings.Repeat("y", 10_000):     `line 1: "` + strings.Repeat("y", 80) + `…" is no network: ` + usage,
		strings.Repeat(" ", maxBytes+1): "it is larger than 16 MiB: leave out what is not about exporters",
	} {
		_, err := Parse([]byte(text))
		if err == nil || err.Error() != want {
			t.Errorf("%.60q: got %v\nwant %s", text, err, want)
		}
	}
}

func TestTooManyNetworks(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for i := range maxNetworks {
		fmt.Fprintf(&text, "10.%d.%d.0/24 n%d %d\r\n", i>>8, i&255, i, i+1)
	}
	table := mustParse(t, text.String())
	if got := table.Find(netip.MustParseAddr("10.255.255.7")); got == nil || *got != (decoder.Annotation{Name: "n65535", SamplingOverride: 65536}) {
		t.Errorf("of the last is known %v", got)
	}
	text.WriteString("11.0.0.0/24 more")
	if _, err := Parse([]byte(text.String())); err == nil || err.Error() != "line 65537: there are more than 65536 networks: name larger ones" {
		t.Errorf("error is %v", err)
	}
}

func TestFindAllocatesNothing(t *testing.T) {
	table := mustParse(t, "192.0.2.0/24 a\n2001:db8::/32 b")
	four, six := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	if n := testing.AllocsPerRun(100, func() {
		if table.Find(four) == nil || table.Find(six) == nil {
			t.Error("not found")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Whatever is in the file, it is refused or what it says is found.
func FuzzParse(f *testing.F) {
	f.Add([]byte("192.0.2.0/24 a 5\n::/0 b\n10.0.0.1 - 7 # x"))
	f.Fuzz(func(t *testing.T, text []byte) {
		table, err := Parse(text)
		if (err == nil) == (table == nil) {
			t.Fatalf("table %v, error %v", table, err)
		}
		for line := range strings.Lines(string(text)) {
			fields := fieldsOf(line)
			if err != nil || len(fields) == 0 || strings.HasPrefix(line, "\ufeff") {
				continue
			}
			n, err := parseNetwork(fields[0])
			if err != nil {
				t.Fatalf("%q was taken", line)
			}
			if table.Find(n.Addr()) == nil {
				t.Errorf("%v is not found", n)
			}
		}
	})
}

func BenchmarkFind(b *testing.B) {
	for _, networks := range []int{16, maxNetworks} {
		b.Run(fmt.Sprint(networks), func(b *testing.B) {
			var text strings.Builder
			for i := range networks {
				fmt.Fprintf(&text, "10.%d.%d.1 n%d\n", i>>8, i&255, i)
			}
			table := mustParse(b, text.String())
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				table.Find(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1}))
			}
		})
	}
}
