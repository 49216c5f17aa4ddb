//go:build examples || flink

package examples_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	"github.com/flowpub/flowpub/internal/testproc"
	"github.com/flowpub/flowpub/internal/testwait"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// root is the repository's.
const root = "../.."

// patience is how long an example may take for what takes seconds on an idle machine.
const patience = 4 * time.Minute

// partitions is what topics have here.
const partitions = 12

// house is what the examples run against.
type house struct {
	brokers          string
	dir              string    // of Kafka
	flowpub, flowgen string    // programs
	flows            []message // of the topic flows
}

// newHouse starts a broker and builds the programs.
func newHouse(t *testing.T) *house {
	t.Helper()
	dir := t.TempDir()
	h := &house{dir: filepath.Join(dir, "cluster"), flowpub: filepath.Join(dir, "flowpub"), flowgen: filepath.Join(dir, "flowgen")}
	run(t, nil, "go", "build", "-o", dir, "./cmd/flowpub", "./cmd/flowgen")
	t.Cleanup(func() {
		if out, err := h.kafka(context.Background(), "stop", "now").CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	cmd := h.kafka(t.Context(), "start")
	cmd.Env = append(cmd.Env, "KAFKA_PORTS="+freePort(t)+","+freePort(t))
	h.brokers = strings.TrimSpace(output(t, cmd))
	return h
}

func (h *house) kafka(ctx context.Context, args ...string) *exec.Cmd {
	return command(ctx, []string{"KAFKA_DIR=" + h.dir, "KAFKA_OWNER=" + strconv.Itoa(os.Getpid())}, "test/kafka/kafka.sh", args...)
}

// topic creates one.
func (h *house) topic(t *testing.T, name string) {
	t.Helper()
	output(t, h.kafka(t.Context(), "topic", name, strconv.Itoa(partitions)))
}

// publish has flowpub publish to a topic what flowgen sends.
func (h *house) publish(t *testing.T, topic string, settings []string, flows int, flags ...string) {
	t.Helper()
	p := testproc.Start(t, h.flowpub, append([]string{"FLOWPUB_KAFKA_BROKERS=" + h.brokers, "FLOWPUB_KAFKA_TOPIC=" + topic}, settings...)...)
	run(t, nil, h.flowgen, append([]string{"-target", p.UDP, "-flows", strconv.Itoa(flows), "-rate", "20000"}, flags...)...)
	if err := p.Command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	var ledger struct {
		Delivered int `json:"flows_delivered"`
	}
	if p.AwaitEnd(t, &ledger); ledger.Delivered != flows {
		t.Fatalf("%d flows were delivered to %s, want %d", ledger.Delivered, topic, flows)
	}
}

// message is one of a topic.
type message struct {
	partition int32
	time      time.Time
	value     []byte
	flow      *flowv1.FlowRecord // nil if nothing is decoded
}

// read returns n messages of a topic.
func (h *house) read(t *testing.T, topic string, n int) []message {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(h.brokers), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var got []message
	for len(got) < n {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("%d of %d messages of %s: %v", len(got), n, topic, err)
		}
		for r := range fetches.RecordsAll() {
			got = append(got, message{r.Partition, r.Timestamp, r.Value, nil})
		}
	}
	if len(got) != n {
		t.Fatalf("%s has %d messages or more, want %d", topic, len(got), n)
	}
	return got
}

// readFlows decodes them.
func (h *house) readFlows(t *testing.T, topic string, n int) []message {
	t.Helper()
	got := h.read(t, topic, n)
	for i := range got {
		got[i].flow = new(flowv1.FlowRecord)
		if err := proto.Unmarshal(got[i].value, got[i].flow); err != nil {
			t.Fatal(err)
		}
	}
	return got
}

// produce sends values to a partition of a topic.
func (h *house) produce(t *testing.T, topic string, values ...[]byte) {
	t.Helper()
	h.produceAt(t, topic, eventTime, values...)
}

func (h *house) produceAt(t *testing.T, topic string, at time.Time, values ...[]byte) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(h.brokers), kgo.DefaultProduceTopic(topic))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, v := range values {
		if err := client.ProduceSync(t.Context(), &kgo.Record{Key: []byte("192.0.2.1"), Timestamp: at, Value: v}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// program is an example that runs until it is asked to end.
type program struct {
	cmd            *exec.Cmd
	stdout, stderr *file
	ended          chan struct{}
	leaves         bool // it is asked to end
}

// file is what a program writes, to be looked at while it does.
type file struct{ name string }

func (f file) text(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(f.name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// start starts one in the background; it is killed at the end of the test.
func start(t *testing.T, environ []string, name string, args ...string) *program {
	t.Helper()
	dir := t.TempDir()
	p := &program{command(context.Background(), environ, name, args...), &file{filepath.Join(dir, "out")}, &file{filepath.Join(dir, "err")}, make(chan struct{}), false}
	p.cmd.Stdout, p.cmd.Stderr = create(t, p.stdout.name), create(t, p.stderr.name)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // its state tells
	}()
	t.Cleanup(func() {
		p.signal(t, os.Kill)
		if t.Failed() {
			t.Logf("%v printed\n%.4000s\n%.4000s", p.cmd.Args, p.stdout.text(t), p.stderr.text(t))
		}
	})
	return p
}

func create(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// signal ends a program, and returns its exit status.
func (p *program) signal(t *testing.T, s os.Signal) int {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
	return p.await(t)
}

// await waits for a program's end, and returns its exit status.
func (p *program) await(t *testing.T) int {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		t.Fatalf("%v has not ended within %v", p.cmd.Args, patience)
	}
	return p.cmd.ProcessState.ExitCode()
}

// awaitText waits until a program has written what holds asks for.
func (p *program) awaitText(t *testing.T, f *file, what string, holds func(string) bool) {
	t.Helper()
	testwait.Until(t, patience, what, func() bool {
		if holds(f.text(t)) {
			return true
		}
		p.checkRuns(t)
		return false
	})
}

// checkRuns ends the test if a program has ended that was not asked to.
func (p *program) checkRuns(t *testing.T) {
	t.Helper()
	select {
	case <-p.ended:
		if !p.leaves {
			t.Fatalf("%v has ended: %v", p.cmd.Args, p.cmd.ProcessState)
		}
	default:
	}
}

// command runs in the root of the repository.
func command(ctx context.Context, environ []string, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), environ...)
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// run runs a program to its good end, and returns what it printed.
func run(t *testing.T, environ []string, name string, args ...string) string {
	t.Helper()
	return output(t, command(t.Context(), environ, name, args...))
}

func output(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s%s", cmd.Args, err, out, complaints.String())
	}
	return string(out)
}

// failing runs a program to its bad end, and returns all that it printed.
func failing(t *testing.T, environ []string, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := command(ctx, environ, name, args...)
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		t.Fatalf("%v has not ended within %v\n%s", cmd.Args, patience, out)
	}
	if err == nil {
		t.Fatalf("%v succeeded\n%s", cmd.Args, out)
	}
	return string(out)
}

// freePort is one of loopback that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}
