package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"time"

	"github.com/flowpub/flowpub/internal/command"
	"github.com/flowpub/flowpub/internal/exporter"
)

// report is what an exporter has sent. Its flows are numbered: the sequence of
// their packet and their place in it add up to one of First up to, not including,
// Next.
type report struct {
	exporterID
	First uint32 `json:"first"`
	Next  uint32 `json:"next"`
	// Flows are those sent; all that are numbered, unless sending failed.
	Flows     uint64 `json:"flows"`
	Datagrams uint64 `json:"datagrams"`
	// Refused is how often the system reported that nobody listens.
	Refused uint64 `json:"refused"`
	// Rate is flows a second.
	Rate  float64   `json:"rate"`
	Began time.Time `json:"began"`
}

// exporterID tells exporters apart.
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
	if err := command.ParseAll(flags, args); err != nil {
		return err
	}
	began := time.Now()
	flowRate := *rate * float64(*records)
	g, err := exporter.New(exporter.Config{
		Target: *target, Exporters: 1, RecordsPerPacket: *records, Rate: flowRate, Seed: uint64(began.UnixNano()),
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, *duration)
	defer cancel()
	err = g.Run(ctx)
	sent := g.Stats().Exporters[0]
	return errors.Join(err, json.NewEncoder(stdout).Encode(report{
		exporterID: exporterID{sent.Address, uint32(sent.EngineType), uint32(sent.EngineID)},
		First:      sent.FirstSequence, Next: sent.NextSequence,
		Flows: sent.Flows, Datagrams: sent.Datagrams, Refused: sent.Refused,
		Rate: flowRate, Began: began,
	}))
}
