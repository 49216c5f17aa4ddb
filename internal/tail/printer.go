package tail

import (
	"bufio"

	"github.com/flowpub/flowpub/internal/tail/flow"
)

// printer is the output of lines of text.
type printer struct {
	layout layout
	out    *bufio.Writer
	line   []byte
}

func newPrinter(cfg *Config) *printer {
	return &printer{layout: layoutOf(cfg), out: bufio.NewWriterSize(cfg.Out, 64<<10)}
}

func (p *printer) begin() error {
	_, err := p.out.WriteString(p.layout.header)
	return err
}

func (p *printer) add(f *flow.Flow) error {
	p.line = p.layout.append(p.line[:0], f)
	_, err := p.out.Write(p.line)
	return err
}

func (p *printer) idle() error { return p.out.Flush() }

func (p *printer) end() error { return p.out.Flush() }
