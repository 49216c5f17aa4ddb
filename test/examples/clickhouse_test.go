//go:build examples

package examples_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

func (h *house) clickHouse(t *testing.T) {
	t.Parallel()
	t.Run("Panels", h.clickHousePanels)
	t.Run("Copies", h.clickHouseCopies)
	t.Run("WrongForm", h.clickHouseWrongForm)
}

// panel is one of the dashboard.
type panel struct {
	ID      int
	Title   string
	Type    string
	GridPos struct{ X, Y, W, H int }
	Targets []struct {
		RawSQL     string
		Datasource struct{ Type, UID string }
	}
}

// dashboard reads the panels, and the queries as Grafana makes them: the last two hours,
// and intervals of a minute. Rates are over 8 s here: bits become octets.
func dashboard(t *testing.T) (panels []panel, queries []string) {
	t.Helper()
	b, err := os.ReadFile(root + "/deploy/clickhouse/flows.json")
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		UID, Title string
		Panels     []panel
	}
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	if d.UID == "" || d.Title == "" {
		t.Error("the dashboard has no uid or title")
	}
	filter := regexp.MustCompile(`\$__timeFilter\((\w+)\)`)
	interval := regexp.MustCompile(`\$__timeInterval\((\w+)\)`)
	for _, p := range d.Panels {
		sql := filter.ReplaceAllString(p.Targets[0].RawSQL, "$1 >= now() - 7200 AND $1 <= now() + 60")
		sql = interval.ReplaceAllString(sql, "toStartOfInterval(toDateTime($1), INTERVAL 60 second)")
		queries = append(queries, strings.ReplaceAll(sql, "$__interval_s", "8"))
	}
	return d.Panels, queries
}

// The dashboard is one that Grafana can show: its queries are in the test of panels.
func TestDashboard(t *testing.T) {
	t.Parallel()
	panels, queries := dashboard(t)
	source, err := os.ReadFile(root + "/deploy/clickhouse/provisioning/datasources/clickhouse.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range panels {
		if len(p.Targets) != 1 || p.Title == "" || !slices.Contains([]string{"timeseries", "table", "stat"}, p.Type) {
			t.Errorf("panel %d has no title, no query or an unknown type: %+v", i, p)
		}
		d := p.Targets[0].Datasource
		if !strings.Contains(string(source), "uid: "+d.UID+" ") || !strings.Contains(string(source), "type: "+d.Type+"\n") {
			t.Errorf("the data source %v of %q is not provisioned", d, p.Title)
		}
		if strings.Contains(queries[i], "$") || !strings.Contains(p.Targets[0].RawSQL, "$__timeFilter(") {
			t.Errorf("%q has a macro that is not known, or no time: %s", p.Title, queries[i])
		}
		if g := p.GridPos; g.W < 1 || g.H < 1 || g.X < 0 || g.X+g.W > 24 {
			t.Errorf("%q is at %+v", p.Title, g)
		}
		for _, other := range panels[:i] {
			a, b := p.GridPos, other.GridPos
			if p.ID == other.ID || a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
				t.Errorf("%q and %q have one id or one place", p.Title, other.Title)
			}
		}
	}
}

// query runs the example until so many rows are there, and returns what ClickHouse answers.
func (h *house) query(t *testing.T, flags []string, queries ...string) (answers [][][]string) {
	t.Helper()
	args := append([]string{"examples/clickhouse/try.py", "--brokers", h.brokers, "--as", "JSONCompactStrings", "--seconds", "120"}, flags...)
	out := run(t, nil, "python", append(args, queries...)...)
	for d := json.NewDecoder(strings.NewReader(out)); ; {
		var answer struct{ Data [][]string }
		if err := d.Decode(&answer); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("%v in\n%.2000s", err, out)
		}
		answers = append(answers, answer.Data)
	}
	if len(answers) != len(queries) {
		t.Fatalf("%d queries have %d answers", len(queries), len(answers))
	}
	return answers
}

func (h *house) clickHousePanels(t *testing.T) {
	t.Parallel()
	panels, queries := dashboard(t)
	answers := h.query(t, []string{"--rows", strconv.Itoa(allFlows)}, queries...)
	octets := func(f *flowv1.FlowRecord) uint64 { return f.GetOctets() * scale(f) }
	one := func(*flowv1.FlowRecord) uint64 { return 1 }
	source := func(f *flowv1.FlowRecord) string { return text(f.GetSourceAddress()) }
	destination := func(f *flowv1.FlowRecord) string { return text(f.GetDestinationAddress()) }
	exporter := func(f *flowv1.FlowRecord) string { return text(f.GetExporterAddress()) }
	all := func(*flowv1.FlowRecord) bool { return true }
	sums := func(keep func(*flowv1.FlowRecord) bool, key func(*flowv1.FlowRecord) string, value func(*flowv1.FlowRecord) uint64) map[string]uint64 {
		sums := map[string]uint64{}
		for _, m := range h.flows {
			if keep(m.flow) {
				sums[key(m.flow)] += value(m.flow)
			}
		}
		return sums
	}
	synOnly := func(f *flowv1.FlowRecord) bool { return f.GetProtocol() == 6 && f.GetTcpFlags() == 2 }
	target := func(f *flowv1.FlowRecord) string { return fmt.Sprint(destination(f), " ", f.GetDestinationPort()) }
	for i, p := range panels {
		got := answers[i]
		switch p.Title {
		case "Traffic by exporter":
			compare(t, p.Title, overTime(t, got), sums(all, exporter, octets))
		case "Interfaces, incoming":
			compare(t, p.Title, overTime(t, got), sums(all, func(f *flowv1.FlowRecord) string { return exporter(f) + " " + interfaceName(f) }, octets))
		case "Conversations":
			conversation := func(f *flowv1.FlowRecord) string { return source(f) + " " + destination(f) }
			checkTop(t, p.Title, columns(got, 0, 1, 2), sums(all, conversation, octets))
			packets := func(f *flowv1.FlowRecord) uint64 { return f.GetPackets() * scale(f) }
			checkValues(t, p.Title, columns(got, 0, 1, 3), sums(all, conversation, packets))
			checkValues(t, p.Title, columns(got, 0, 1, 4), sums(all, conversation, one))
		case "Applications":
			checkTop(t, p.Title, got, sums(all, application, octets))
		case "Source AS":
			checkTop(t, p.Title, got, sums(all, func(f *flowv1.FlowRecord) string { return fmt.Sprint(f.GetSourceAs()) }, octets))
		case "Networks":
			checkTop(t, p.Title, got, sums(all, func(f *flowv1.FlowRecord) string { return network(address(f.GetSourceAddress())) }, octets))
		case "Connections that nobody answered":
			checkTop(t, p.Title, columns(got, 0, 1, 3), sums(synOnly, target, one))
			different := map[string]uint64{}
			for pair := range sums(synOnly, func(f *flowv1.FlowRecord) string { return target(f) + " " + source(f) }, one) {
				different[pair[:strings.LastIndex(pair, " ")]]++
			}
			checkValues(t, p.Title, columns(got, 0, 1, 2), different)
		case "Anomalies", "Values that could not be read":
			if len(got) > 0 && got[0][0] != "0" {
				t.Errorf("%s: %v, want none", p.Title, got)
			}
		case "Lateness":
			for _, row := range got {
				half, late := number(t, row[1]), number(t, row[2])
				if half < 0 || late < half || late > 60 {
					t.Errorf("%s: %v", p.Title, row)
				}
			}
		case "Copies":
			for _, row := range got {
				if row[1] != "0" {
					t.Errorf("%s: %v", p.Title, row)
				}
			}
		default:
			t.Errorf("nothing is known of the panel %q", p.Title)
		}
		if len(got) == 0 && p.Title != "Anomalies" {
			t.Errorf("%s shows nothing", p.Title)
		}
	}
}

// Copies are not counted, those included that came at another time; nor is what is no traffic.
// The sums of minutes have them, and a panel tells.
func (h *house) clickHouseCopies(t *testing.T) {
	t.Parallel()
	h.topic(t, "copies")
	later := events(t)
	for i, v := range later {
		var m flowv1.FlowRecord
		if err := proto.Unmarshal(v, &m); err != nil {
			t.Fatal(err)
		}
		m.ReceiveTimeNs += uint64(time.Millisecond)
		b, err := proto.Marshal(&m)
		if err != nil {
			t.Fatal(err)
		}
		later[i] = b
	}
	h.produce(t, "copies", slices.Concat(events(t), events(t), later)...)
	_, panels := dashboard(t)
	answers := h.query(t, []string{"--topic", "copies", "--group", "copies", "--until", "(SELECT sum(flows) FROM flows_minute) = 12 AND (SELECT count() FROM flows FINAL) = 8"},
		"SELECT count(), sum((octets + reverse_octets) * scale) FROM flows FINAL WHERE traffic",
		"SELECT count() FROM flows FINAL", "SELECT sum(flows), sum(octets) FROM flows_minute FINAL",
		"SELECT flow_text(source), flow_text(destination) FROM flows FINAL WHERE reverse_octets = 200", panels[9])
	for i, want := range [][]string{{"4", "21060"}, {"8"}, {"12", "63180"}, {"2001:db8::1", "2001:db8::2"}} {
		if len(answers[i]) != 1 || !slices.Equal(answers[i][0], want) {
			t.Errorf("answer %d is %v, want %v", i, answers[i], want)
		}
	}
	if row := answers[4]; len(row) != 1 || row[0][1] != "8" {
		t.Errorf("copies: %v, want 8: of 12 flows that are traffic, 4 are different", row)
	}
}

// A format for another form gives no rows, and each message is an error with its reason.
func (h *house) clickHouseWrongForm(t *testing.T) {
	t.Parallel()
	for topic, format := range map[string]string{"json": "ProtobufSingle", "delimited": "ProtobufSingle"} {
		t.Run(topic, func(t *testing.T) { // one after the other: each is a ClickHouse
			answers := h.query(t, []string{"--topic", topic, "--group", "errors-" + topic, "--format", format, "--rows", "300"}, "SELECT count() FROM flows",
				"SELECT count(), uniqExact(partition, offset), any(topic), countIf(error != ''), countIf(value != '' OR error LIKE 'a flow without exporter%') FROM flows_errors")
			if flows := answers[0][0][0]; flows != "0" {
				t.Errorf("%s flows are read", flows)
			}
			if row := answers[1][0]; !slices.Equal(row, []string{"300", "300", topic, "300", "300"}) {
				t.Errorf("errors: %v", row)
			}
		})
	}
}

// text is an address as ClickHouse prints it here.
func text(b []byte) string {
	if a := address(b); a.IsValid() && a != netip.IPv6Unspecified() {
		return a.String()
	}
	return ""
}

// interfaceName is what names.sql gives flowgen's.
func interfaceName(f *flowv1.FlowRecord) string {
	switch n := f.GetInputInterface(); {
	case n >= 1 && n <= 4:
		return fmt.Sprint("to clients ", n)
	case n >= 101 && n <= 104:
		return fmt.Sprint("to servers ", n-100)
	default:
		return fmt.Sprint(n)
	}
}

func application(f *flowv1.FlowRecord) string {
	service := fmt.Sprint(f.GetProtocol(), "/", min(f.GetSourcePort(), f.GetDestinationPort()))
	names := map[string]string{
		"6/22": "ssh", "6/25": "smtp", "6/80": "http", "6/443": "https", "6/993": "imaps", "6/5432": "postgresql", "6/8080": "http-alt",
		"17/53": "dns", "17/123": "ntp", "17/161": "snmp", "17/443": "quic", "17/3478": "stun", "17/51820": "wireguard",
		"1/0": "icmp", "47/0": "gre", "50/0": "esp", "58/0": "icmpv6",
	}
	return cmp.Or(names[service], service)
}

func number(t *testing.T, s string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// overTime sums up what a panel shows of each name.
func overTime(t *testing.T, rows [][]string) map[string]uint64 {
	t.Helper()
	sums := map[string]uint64{}
	for _, row := range rows {
		sums[row[1]] += uint64(number(t, row[2]))
	}
	return sums
}

// columns keeps some of each row.
func columns(rows [][]string, kept ...int) (fewer [][]string) {
	for _, row := range rows {
		var some []string
		for _, i := range kept {
			some = append(some, row[i])
		}
		fewer = append(fewer, some)
	}
	return fewer
}

func compare(t *testing.T, title string, got, want map[string]uint64) {
	t.Helper()
	if !maps.Equal(got, want) {
		t.Errorf("%s: %v, want %v", title, got, want)
	}
}

// checkTop wants the 20 greatest, in order: names in front, and the value.
func checkTop(t *testing.T, title string, rows [][]string, sums map[string]uint64) {
	t.Helper()
	checkValues(t, title, rows, sums)
	values := slices.Sorted(maps.Values(sums))
	slices.Reverse(values)
	for i, row := range rows {
		if want := fmt.Sprint(values[i]); row[len(row)-1] != want {
			t.Errorf("%s: in place %d is %v, want %s", title, i, row, want)
		}
	}
	if len(rows) != min(20, len(values)) {
		t.Errorf("%s: %d rows of %d", title, len(rows), len(values))
	}
}

func checkValues(t *testing.T, title string, rows [][]string, sums map[string]uint64) {
	t.Helper()
	for _, row := range rows {
		name := strings.Join(row[:len(row)-1], " ")
		if want := fmt.Sprint(sums[name]); row[len(row)-1] != want {
			t.Errorf("%s: %v, want %s", title, row, want)
		}
	}
}
