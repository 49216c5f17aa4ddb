package demo

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/flowpub/flowpub/internal/config"
	"github.com/flowpub/flowpub/internal/testwait"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// guides are the documents for those who begin, in the order in which they are read.
var guides = []string{"getting-started.md", "faq.md", "migrate.md", "troubleshooting.md"}

// Blocks of guides that are marked, beside those of runbooks.
const (
	internet    = "# needs the internet"         // or a registry of images
	ownTerminal = "# in a terminal of its own\n" // runs until the guide ends
)

// internetTools are what a block that needs the internet may begin its lines with.
var internetTools = []string{"git", "cd", "make", "export", "test/kafka/kafka.sh", "docker"}

// blocksOf returns the blocks of shell in a guide, and refuses those of which it is not
// clear what they are.
func blocksOf(t *testing.T, name string) []string {
	t.Helper()
	content, err := os.ReadFile("../../docs/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var all, block []string
	language, inside := "", false
	for line := range strings.Lines(string(content)) {
		line = strings.TrimRight(line, "\n")
		fence, isFence := strings.CutPrefix(strings.TrimLeft(line, " "), "```")
		switch {
		case isFence && !inside:
			language, inside, block = fence, true, nil
			if language != "sh" && language != "text" {
				t.Errorf("%s: a block of %q: write sh, so that it is tested, or text, if it is nothing to type here", name, language)
			}
		case isFence:
			inside = false
			if language == "sh" {
				all = append(all, strings.Join(block, "\n"))
			}
		case inside:
			block = append(block, strings.TrimLeft(line, " "))
		}
	}
	return all
}

// Every command of every guide runs as it stands, or says what it needs that a test has
// not.
func TestGuides(t *testing.T) {
	testwait.Long(t)
	t.Parallel()
	host := newRunbookHost(t)
	ran := 0
	for _, name := range guides {
		here := *host
		for _, script := range blocksOf(t, name) {
			first, rest, _ := strings.Cut(script, "\n")
			command, stays := strings.CutPrefix(script, ownTerminal)
			switch tools, marked := elsewhere[first]; {
			case first == internet:
				for line := range strings.SplitSeq(rest, "\n") {
					checkElsewhere(t, name, line, internetTools)
				}
			case marked:
				for line := range strings.SplitSeq(rest, "\n") {
					checkElsewhere(t, name, line, tools)
				}
			case stays:
				here.start(t, name, command)
			default:
				ran++
				here.runUntilItPrints(t, name, script)
			}
		}
	}
	if ran < 8 {
		t.Errorf("%d blocks were run, want 8 at least", ran)
	}
}

// freeAddress returns one of loopback that nobody has.
func freeAddress(t *testing.T, network string) string {
	t.Helper()
	if network == "udp" {
		c, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.LocalAddr().String()
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start starts a command that stays until the test ends, and waits until it is ready.
// It is flowpub, which later commands find in the place of the demo's collector.
func (h *runbookHost) start(t *testing.T, name, script string) {
	t.Helper()
	h.netflow, h.http = freeAddress(t, "udp"), freeAddress(t, "tcp")
	command := h.command(context.Background(), t, "exec env "+script)
	command.Env = append(command.Env, "FLOWPUB_LISTEN="+h.netflow, "FLOWPUB_HTTP_LISTEN="+h.http)
	var log bytes.Buffer
	command.Stderr = &log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		if err := command.Wait(); err != nil {
			t.Errorf("%s: %s: %v\n%s", name, script, err, log.String())
		}
	})
	testwait.Until(t, 30*time.Second, "what the guide started is ready", func() bool {
		answer, err := http.Get("http://" + h.http + "/readyz")
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
}

// command is a block of shell as it stands, but for the addresses.
func (h *runbookHost) command(ctx context.Context, t *testing.T, script string) *exec.Cmd {
	t.Helper()
	script = strings.NewReplacer("KAFKA:9092", h.kafka, "localhost:8080", h.http, "localhost:2055", h.netflow).Replace(script)
	command := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", script)
	command.Dir = t.TempDir()
	command.Env = append(os.Environ(), "PATH="+h.programs+":"+os.Getenv("PATH"))
	return command
}

// runUntilItPrints runs a block, which ends by itself, with success, and prints something:
// at once, or once what it asks about has been noticed.
func (h *runbookHost) runUntilItPrints(t *testing.T, name, script string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out, errors bytes.Buffer
	for {
		command := h.command(ctx, t, script)
		command.Env = append(command.Env, "FLOWPUB_LISTEN=127.0.0.1:0", "FLOWPUB_HTTP_LISTEN=127.0.0.1:0")
		out.Reset()
		errors.Reset()
		command.Stdout, command.Stderr = &out, &errors
		err := command.Run()
		switch {
		case err == nil && out.Len() > 0:
			t.Logf("%s: %s\n%s", name, script, out.String())
			return
		case err != nil:
			t.Errorf("%s: %v by\n%s\nprinted\n%s%s", name, err, script, out.String(), errors.String())
			return
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			t.Errorf("%s: nothing is printed by\n%s", name, script)
			return
		}
	}
}

// The fields and variables that guides name are there.
func TestNamesInGuides(t *testing.T) {
	t.Parallel()
	known := make(map[string]bool)
	for _, v := range config.Variables() {
		known[v.Name] = true
	}
	fields := new(flowv1.FlowRecord).ProtoReflect().Descriptor().Fields()
	for _, name := range append(guides, "check.md") {
		content, err := os.ReadFile("../../docs/" + name)
		if err != nil {
			t.Fatal(err)
		}
		inFields := false
		for line := range strings.Lines(string(content)) {
			for _, word := range variableName.FindAllString(line, -1) {
				if !known[word] && !strings.HasSuffix(word, "_") {
					t.Errorf("%s names %s, which does not exist", name, word)
				}
			}
			cells := strings.Split(line, "|")
			inFields = len(cells) > 2 && (inFields || strings.TrimSpace(cells[1]) == "FlowRecord")
			if !inFields {
				continue
			}
			for _, field := range codeSpan.FindAllStringSubmatch(cells[1], -1) {
				if fields.ByName(protoreflect.Name(field[1])) == nil {
					t.Errorf("%s has the field %s, which FlowRecord has not", name, field[1])
				}
			}
		}
	}
}
