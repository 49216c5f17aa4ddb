package tail

import (
	"bufio"

	"github.com/flowpub/flowpub/internal/tail/dissect"
)

// packets shows datagrams as they are.
type packets struct {
	dissector *dissect.Dissector
	out       *bufio.Writer
	text      []byte
}

func newPackets(cfg *Config) *packets {
	return &packets{dissector: dissect.New(), out: bufio.NewWriter(cfg.Out)}
}

func (p *packets) add(in *datagram) error {
	p.text = p.dissector.Append(p.text[:0], in.payload, in.from, in.received, in.cut)
	_, err := p.out.Write(p.text)
	return err
}

func (p *packets) idle() error { return p.out.Flush() }
