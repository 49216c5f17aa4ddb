package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// The roles that this program starts itself in. Each reads requests from its
// standard input and writes answers to its standard output, one JSON value for
// each, and ends with its input.
const (
	roleSink      = "role-sink"
	roleGenerator = "role-generator"
)

// serveRequests answers requests until there are no more.
func serveRequests[Request, Answer any](in io.Reader, out io.Writer, answer func(Request) (Answer, error)) error {
	requests, answers := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var r Request
		if err := requests.Decode(&r); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		a, err := answer(r)
		if err != nil {
			return err
		}
		if err := answers.Encode(a); err != nil {
			return err
		}
	}
}

// roleProcess is this program in a role.
type roleProcess struct {
	process
	role     string
	requests *json.Encoder
	answers  *json.Decoder
	input    io.Closer
}

func startRole(ctx context.Context, role string) (*roleProcess, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, program, role) //nolint:gosec // it is this program
	in, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	command.Stderr = os.Stderr
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("starting the %s: %w", role, err)
	}
	return &roleProcess{
		process:  process{command: command},
		role:     role,
		requests: json.NewEncoder(in),
		answers:  json.NewDecoder(out),
		input:    in,
	}, nil
}

// ask sends a request and waits for its answer.
func (r *roleProcess) ask(request, answer any) error {
	if err := r.requests.Encode(request); err != nil {
		return fmt.Errorf("asking the %s: %w", r.role, err)
	}
	if err := r.answers.Decode(answer); err != nil {
		return fmt.Errorf("answer of the %s: %w", r.role, err)
	}
	return nil
}

// stop ends the role and waits for it.
func (r *roleProcess) stop() error {
	err := errors.Join(r.input.Close(), r.command.Wait())
	if err != nil {
		return fmt.Errorf("ending the %s: %w", r.role, err)
	}
	return nil
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
