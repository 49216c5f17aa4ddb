package demo

import (
	"bufio"
	"context"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/flowpub/flowpub/internal/exporter"
	"github.com/flowpub/flowpub/internal/testwait"
)

// Where a command of a runbook runs, as the first line of its block says. A block
// that says nothing is run here, against a demo.
var elsewhere = map[string][]string{
	"# on the cluster":         {"kubectl"},
	"# on a node":              {"tcpdump", "sysctl", "conntrack", "pidstat", "chronyc", "timedatectl"},
	"# with Kafka's own tools": {"kafka-topics.sh", "kafka-configs.sh"},
}

// Names of variables, and code within the text.
var (
	variableName = regexp.MustCompile(`FLOWPUB_[A-Z0-9_]+`)
	codeSpan     = regexp.MustCompile("`([^`\n]+)`")
)

// runbook is one of the runbooks, and the code in it.
type runbook struct {
	name    string
	text    string
	queries []string // blocks of PromQL
	scripts []string // blocks of shell
	spans   []string // code within the text
}

// readRunbooks reads all, and refuses code of which it is not clear what it is.
func readRunbooks(t *testing.T) []runbook {
	t.Helper()
	paths, err := filepath.Glob("../../docs/runbooks/*.md")
	if err != nil || len(paths) < 15 {
		t.Fatalf("found the runbooks %v, error %v", paths, err)
	}
	block := regexp.MustCompile("(?ms)^```(.*?)\n(.*?)\n```$")
	var all []runbook
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		r := runbook{name: strings.TrimSuffix(filepath.Base(path), ".md"), text: string(content)}
		for _, found := range block.FindAllStringSubmatch(r.text, -1) {
			switch found[1] {
			case "promql":
				r.queries = append(r.queries, found[2])
			case "sh":
				r.scripts = append(r.scripts, found[2])
			default:
				t.Errorf("%s: a block of %q: write promql or sh, so that it is tested", r.name, found[1])
			}
		}
		prose := block.ReplaceAllString(r.text, "")
		if regexp.MustCompile(`(?m)^\n    \S`).MatchString(prose) {
			t.Errorf("%s: a block is indented: fence it with promql or sh, so that it is tested", r.name)
		}
		for _, found := range codeSpan.FindAllStringSubmatch(prose, -1) {
			r.spans = append(r.spans, found[1])
		}
		all = append(all, r)
	}
	return all
}

// Every command of every runbook runs as it stands, or is what its tool takes where
// that tool needs what a test has not.
func TestRunbooks(t *testing.T) {
	testwait.Long(t)
	t.Parallel()
	runbooks := readRunbooks(t)
	here := newRunbookHost(t)
	ran := 0
	for _, r := range runbooks {
		for _, script := range r.scripts {
			first, rest, _ := strings.Cut(script, "\n")
			if tools, marked := elsewhere[first]; marked {
				for command := range strings.SplitSeq(rest, "\n") {
					checkElsewhere(t, r.name, command, tools)
				}
				continue
			}
			ran++
			here.run(t, r.name, script)
		}
		for _, code := range r.spans {
			checkSpan(t, r.name, code)
		}
	}
	if ran < 3 {
		t.Errorf("%d blocks were run, want 3 at least", ran)
	}
}

// checkSpan checks a command within the text. None of them is run, so those that
// can be belong in a block.
func checkSpan(t *testing.T, name, code string) {
	t.Helper()
	word, _, several := strings.Cut(code, " ")
	for _, tools := range elsewhere {
		if several && slices.Contains(tools, word) {
			checkElsewhere(t, name, code, tools)
			return
		}
	}
	if slices.Contains([]string{"flowtail", "curl", "jq", "kcat", "flowgen", "grep"}, word) && several {
		t.Errorf("%s: `%s` can be run: give it a block of sh", name, code)
	}
}

// checkElsewhere checks the form of a command that only runs elsewhere: that of the
// shell, and what the tool is asked for.
func checkElsewhere(t *testing.T, name, command string, tools []string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "bash", "-n", "-c", command).CombinedOutput(); err != nil {
		t.Errorf("%s: %s: %v: %s", name, command, err, out)
	}
	word, _, _ := strings.Cut(command, " ")
	if !slices.Contains(tools, word) {
		t.Errorf("%s: %s: its block is for %v", name, command, tools)
	}
	forms := map[string]string{
		"kubectl": `^kubectl (apply -k (deploy/kubernetes/overlays/quickstart|my-overlay)$|-n flowpub (get (pods|endpointslices|service flowpub|networkpolicy flowpub)( |$)|describe pod POD|logs POD|` +
			`port-forward (POD|deploy/flowpub) 8080|rollout (restart|undo) deployment/flowpub$|` +
			`logs -f deployment/flowtail$|exec deploy/flowpub -- /flowpub -check$|rollout status deployment/flowpub --timeout=5m$|` +
			`patch service flowpub -p '\{"spec":\{.*\}\}'$|scale deployment/flowpub --replicas=\d+$))`,
		"kafka-topics.sh":  `^\S+ --bootstrap-server KAFKA:9092 --describe --topic (flows --under-replicated-partitions|flowpub-templates)$`,
		"kafka-configs.sh": `^\S+ --bootstrap-server KAFKA:9092 (--describe|--alter) --topic flows( --add-config [a-z.]+=\w+)?$`,
		"tcpdump":          `^tcpdump -ni any (-X )?udp port 2055( and host ADDRESS)?( +#.*)?$`,
		"conntrack":        `^conntrack -D -p udp --orig-port-dst 2055$`,
		"sysctl":           `^sysctl -w net\.core\.rmem_max=\d+$`,
	}
	if form := forms[word]; form != "" && !regexp.MustCompile(form).MatchString(command) {
		t.Errorf("%s: %s: it is not of the form %s", name, command, form)
	}
	if match := regexp.MustCompile(`logs POD \| grep (?:'([^']*)'|"([^"]*)"|(\w+))`).FindStringSubmatch(command); match != nil {
		checkLogged(t, name, match[1]+match[2]+match[3])
	}
}

// checkLogged looks for what is searched in the log in the program's messages.
func checkLogged(t *testing.T, name, text string) {
	t.Helper()
	logged := regexp.MustCompile(`"[^"\n]*` + regexp.QuoteMeta(text) + `[^"\n]*"`)
	for _, folder := range []string{"collector", "listener", "publisher", "internal/templates"} {
		found := false
		err := filepath.WalkDir("../../"+folder, func(path string, _ os.DirEntry, err error) error {
			if err != nil || found || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			source, err := os.ReadFile(path)
			found = logged.Match(source)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if found {
			return
		}
	}
	t.Errorf("%s: the log has no line with %q", name, text)
}

// runbookHost is where commands run: with the programs, beside a demo whose topic has
// 10,000 flows, those of silent among them.
type runbookHost struct {
	programs, kafka, http, netflow string
	sent                           uint64 // datagrams, before commands are run
}

// silent is an exporter that sends no more when the commands are run.
var silent = netip.MustParseAddr("127.9.0.1")

func newRunbookHost(t *testing.T) *runbookHost {
	t.Helper()
	h := &runbookHost{programs: t.TempDir()}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", h.programs, "../../cmd/flowtail", "../../cmd/flowgen", "../../cmd/flowpub")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the programs: %v: %s", err, out)
	}
	reader, ended := runPiped(t.Context(), t, Config{Listen: "127.0.0.1:0", Kafka: "127.0.0.1:0", HTTP: "127.0.0.1:0", Rate: 100_000, MaxPerSecond: 1})
	lines := bufio.NewReader(reader)
	h.netflow = find(t, lines, `udp://(127\.0\.0\.1:\d+)`)
	h.kafka = find(t, lines, `Kafka       (127\.0\.0\.1:\d+)`)
	h.http = find(t, lines, `http://(127\.0\.0\.1:\d+)`)
	go func() { _, _ = io.Copy(io.Discard, lines) }()
	t.Cleanup(func() {
		reader.Close()
		<-ended
	})
	h.sent = h.send(t.Context(), t, exporter.Config{FirstSource: silent, Exporters: 1, Flows: 30})
	for stored := h.delivered(t); stored < storedFlows; stored = h.delivered(t) {
		h.sent += h.send(t.Context(), t, exporter.Config{Exporters: 3, Flows: storedFlows - stored, Rate: 20_000})
	}
	return h
}

// storedFlows is how many flows are in the topic when a command starts: as many as
// the commands want to read, so that they read all.
const storedFlows = 10_000

// delivered returns how many flows are in the topic, once all that was sent is accounted
// for. A kernel with little room may have dropped some.
func (h *runbookHost) delivered(t *testing.T) (flows uint64) {
	t.Helper()
	testwait.Until(t, time.Minute, "what was sent is delivered", func() bool {
		metrics := get(t, "http://"+h.http+"/metrics")
		flows = count(t, metrics, "flows_delivered_total")
		ended := count(t, metrics, "datagrams_received_total") + count(t, metrics, "datagrams_kernel_dropped_total")
		return ended >= h.sent && count(t, metrics, "flows_buffered") == 0
	})
	return flows
}

// count is a number in the text of metrics.
func count(t *testing.T, metrics, name string) uint64 {
	t.Helper()
	found := regexp.MustCompile(`(?m)^flowpub_` + name + ` (\S+)$`).FindStringSubmatch(metrics)
	if found == nil {
		t.Fatalf("the metrics do not tell flowpub_%s", name)
	}
	n, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return uint64(n)
}

// send sends flows to the demo until all are sent or ctx ends, and returns in how many datagrams.
func (h *runbookHost) send(ctx context.Context, t *testing.T, cfg exporter.Config) (datagrams uint64) {
	t.Helper()
	cfg.Target = h.netflow
	g, err := exporter.New(cfg)
	if err != nil {
		t.Error(err)
		return 0
	}
	if err := g.Run(ctx); err != nil {
		t.Error(err)
	}
	return g.Stats().Datagrams
}

// run runs a block as it stands, but for the addresses. It must end by itself, with
// success, and print something.
func (h *runbookHost) run(t *testing.T, name, script string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	replaced := strings.NewReplacer("KAFKA:9092", h.kafka, "POD:8080", h.http, "localhost:8080", h.http).Replace(script)
	command := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", replaced)
	command.Dir = t.TempDir()
	command.Env = append(os.Environ(), "PATH="+h.programs+":"+os.Getenv("PATH"))
	end := h.sendOnceThere(ctx, t, filepath.Join(command.Dir, "now"))
	out, err := command.Output()
	end()
	if err != nil || len(out) == 0 {
		t.Errorf("%s: %v, printed %q by\n%s", name, err, out, script)
	}
	if strings.Contains(script, "comm ") && strings.TrimSpace(string(out)) != silent.String() {
		t.Errorf("%s: found the silent exporters %q, want %v", name, out, silent)
	}
}

// sendOnceThere has exporters send, all but the silent one, as soon as the file is
// there that a script reads new flows into, until end is called.
func (h *runbookHost) sendOnceThere(ctx context.Context, t *testing.T, file string) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(10 * time.Millisecond)
		defer ticker.Stop()
		for ctx.Err() == nil {
			if _, err := os.Stat(file); err == nil {
				h.send(ctx, t, exporter.Config{Exporters: 3, Rate: 20_000})
				return
			}
			select {
			case <-ctx.Done():
			case <-ticker.C:
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}
