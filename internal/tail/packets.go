package tail

import (
	"bufio"

	"github.com/flowpub/flowpub/internal/tail/dissect"
)

// packets is the output that shows datagrams as they are, and no flows.
type packets struct {
	nothing

	dissector *dissect.Dissector
	out       *bufio.Writer
	text      []byte
}

func newPackets(cfg *Config) *packets {
	return &packets{dissector: dissect.New(), out: bufio.NewWriter(cfg.Out)}
}

func (p *packets) show(in *datagram) error {
	p.text = p.dissector.Append(p.text[:0], in.payload, in.from, in.received, in.cut)
	_, err := p.out.Write(p.text)
	return err
}

func (p *packets) idle() error { return p.out.Flush() }

func (p *packets) end() error { return p.out.Flush() }
