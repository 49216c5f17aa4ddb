package tail

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"github.com/segmentio/kafka-go"
)

// printer prints the flows in messages.
type printer struct {
	cfg     Config
	layout  layout
	pace    pace
	out     *bufio.Writer
	flow    flow
	line    []byte
	summary Summary
}

func newPrinter(cfg Config) *printer {
	return &printer{
		cfg:    cfg,
		layout: layoutOf(cfg.Format),
		pace:   pace{perSecond: cfg.MaxPerSecond},
		out:    bufio.NewWriterSize(cfg.Out, 64<<10),
	}
}

// print prints until ctx ends, the limit is reached or nobody reads the output
// any more, which is no error.
func (p *printer) print(ctx context.Context, messages <-chan kafka.Message) error {
	err := p.printAll(ctx, messages)
	if err == nil {
		err = p.out.Flush()
	}
	if err == nil || errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe) {
		return nil
	}
	return fmt.Errorf("tail: printing: %w", err)
}

func (p *printer) printAll(ctx context.Context, messages <-chan kafka.Message) error {
	// An error of the buffered writer stays, and Flush returns it.
	_, _ = p.out.WriteString(p.layout.header)
	for p.cfg.Limit == 0 || p.summary.Printed < p.cfg.Limit {
		if len(messages) == 0 {
			if err := p.out.Flush(); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case message := <-messages:
			if err := p.printOne(&message); err != nil {
				return err
			}
		}
	}
	return nil
}

// printOne prints the flow in message, if there is one, it is wanted, and the
// pace has room for it.
func (p *printer) printOne(message *kafka.Message) error {
	err := p.flow.decode(p.cfg.Value, message.Value)
	switch {
	case err != nil:
		p.countUndecodable(message, err)
		return nil
	case !p.cfg.Filter.matches(&p.flow):
		p.summary.Unwanted++
		return nil
	case !p.pace.allow(time.Now()):
		p.summary.PassedOver++
		return nil
	}
	p.line = p.layout.append(p.line[:0], &p.flow)
	if _, err := p.out.Write(p.line); err != nil {
		return err
	}
	p.summary.Printed++
	return nil
}

// formsTried is for how many undecodable messages the other forms are tried.
const formsTried = 100

// countUndecodable counts a message that is no flow record. The first one is
// logged: where there is one, there are many.
func (p *printer) countUndecodable(message *kafka.Message, reason error) {
	if p.summary.OtherForm == "" && p.summary.Undecodable < formsTried {
		p.summary.OtherForm = formOf(message.Value)
	}
	if p.summary.Undecodable == 0 {
		p.cfg.Logger.Warn("a message is not a flow record in this form; others like it are only counted",
			"topic", message.Topic, "partition", message.Partition, "offset", message.Offset, "error", reason, "cure", p.summary.cure())
	}
	p.summary.Undecodable++
}

// formOf returns the form in which a value is a flow record; empty if in none.
func formOf(value []byte) string {
	for form := range valueNames {
		if new(flow).decode(Value(form), value) == nil {
			return valueNames[form]
		}
	}
	return ""
}

// pace lets so many flows a second pass, in small groups: the flows of a packet
// come at once.
type pace struct {
	perSecond int       // 0: all pass
	began     time.Time // of this group
	passed    int       // in this group
}

// groupsPerSecond is how many groups a second has, unless fewer flows pass.
const groupsPerSecond = 4

// allow reports whether a flow may pass now.
func (p *pace) allow(now time.Time) bool {
	if p.perSecond == 0 {
		return true
	}
	group := max(1, p.perSecond/groupsPerSecond)
	if now.Sub(p.began) >= time.Duration(group)*time.Second/time.Duration(p.perSecond) {
		p.began, p.passed = now, 0
	}
	if p.passed >= group {
		return false
	}
	p.passed++
	return true
}
