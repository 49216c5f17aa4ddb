package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/netip"
	"time"

	"github.com/flowpub/flowpub/internal/command"
	"github.com/flowpub/flowpub/internal/exporter"
)

// report is what an exporter has sent.
type report struct {
	exporterID
	// Format is what it spoke: v5, v9 or ipfix.
	Format string `json:"format"`
	// First was the sequence of its first packet.
	First uint32 `json:"first"`
	// Records are the flows in each datagram that has any.
	Records   int    `json:"records"`
	Flows     uint64 `json:"flows"`
	Datagrams uint64 `json:"datagrams"`
	// Templates are those of the datagrams with templates, and no flows.
	Templates uint64 `json:"templates"`
	// Refused is how often the system reported that nobody listens.
	Refused uint64 `json:"refused"`
	// Rate is flows a second.
	Rate  float64   `json:"rate"`
	Began time.Time `json:"began"`
}

// sequenceCountsPackets reports whether a packet's sequence is the number of packets
// before it, and not of flows.
func (r *report) sequenceCountsPackets() bool { return r.Format == exporter.NetFlow9.String() }

// numbers is how many flows could be numbered: more than there are when datagrams
// with templates are numbered as well.
func (r *report) numbers() uint64 {
	if r.sequenceCountsPackets() {
		return r.Datagrams * uint64(r.Records)
	}
	return r.Flows
}

// number is that of a flow, by the sequence of its packet and its place in it. It is
// r.numbers or more when r cannot have sent it.
func (r *report) number(sequence, index uint32) uint64 {
	if index >= firstWaited {
		index -= firstWaited + headers[r.Format]
	}
	if !r.sequenceCountsPackets() {
		return uint64(sequence + index - r.First)
	}
	if index >= uint32(r.Records) {
		return r.numbers()
	}
	return uint64(sequence-r.First)*uint64(r.Records) + uint64(index)
}

// firstWaited is where indices of records begin that waited for their template: plus
// where the records of their set begin in the datagram. A datagram has one set here,
// behind these headers of its own and the set's.
const firstWaited = 4096

var headers = map[string]uint32{exporter.NetFlow9.String(): 20 + 4, exporter.IPFIX.String(): 16 + 4}

// exporterID tells exporters apart. Only version 5 has engines.
type exporterID struct {
	Address    netip.AddrPort `json:"address"`
	EngineType uint32         `json:"engine_type"`
	EngineID   uint32         `json:"engine_id"`
}

// send is an exporter for a while. It prints the report also when sending failed,
// which is an error.
func send(ctx context.Context, args []string, stdout io.Writer) error {
	flags := command.NewFlags()
	target := flags.String("target", exporter.DefaultTarget, "")
	rate := flags.Float64("rate", 1000, "")
	records := flags.Int("records", 30, "")
	duration := flags.Duration("duration", 30*time.Second, "")
	templates := flags.Duration("templates", 10*time.Minute, "")
	format := exporter.NetFlow5
	flags.Func("format", "", func(name string) error {
		formats, err := exporter.ParseFormats(name)
		if err != nil || len(formats) != 1 || formats[0] == exporter.SFlow {
			return errors.New("give v5, v9 or ipfix")
		}
		format = formats[0]
		return nil
	})
	if err := command.ParseAll(flags, args); err != nil {
		return err
	}
	began := time.Now()
	flowRate := *rate * float64(*records)
	g, err := exporter.New(exporter.Config{
		Target: *target, Formats: []exporter.Format{format}, RecordsPerPacket: *records, Rate: flowRate,
		TemplatePackets: math.MaxInt, TemplateInterval: *templates, Seed: uint64(began.UnixNano()),
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, *duration)
	defer cancel()
	err = g.Run(ctx)
	sent := g.Stats().Exporters[0]
	id := exporterID{Address: sent.Address}
	if format == exporter.NetFlow5 {
		id.EngineType, id.EngineID = uint32(sent.EngineType), uint32(sent.EngineID)
	}
	return errors.Join(err, json.NewEncoder(stdout).Encode(report{
		exporterID: id, Format: format.String(),
		First: sent.FirstSequence, Records: *records,
		Flows: sent.Flows, Datagrams: sent.Datagrams, Templates: sent.Templates, Refused: sent.Refused,
		Rate: flowRate, Began: began,
	}))
}
