package main

import (
	"io"
	"log/slog"
	"time"

	"github.com/flowpub/flowpub/internal/sink"
)

// topic is the one that collectors produce to.
const topic = "flows"

// brokerRequest starts the broker, the first time, or asks how it is.
type brokerRequest struct {
	Partitions int
	Delay      time.Duration
}

// brokerState is how the broker is.
type brokerState struct {
	Addr string
	sink.Stats
	CPU time.Duration
}

// serveSink is the program in the role of the Kafka broker.
func serveSink(in io.Reader, out, log io.Writer) error {
	var broker *sink.Sink
	err := serveRequests(in, out, func(r brokerRequest) (s brokerState, err error) {
		if broker == nil {
			broker, err = sink.Start(sink.Config{
				Partitions: r.Partitions,
				Delay:      r.Delay,
				Logger:     slog.New(slog.NewTextHandler(log, nil)),
			})
			if err != nil {
				return s, err
			}
		}
		s.Addr, s.Stats = broker.Addr(), broker.Stats()
		s.CPU, err = ownCPU()
		return s, err
	})
	if broker != nil {
		_ = broker.Close() // the collector may be connected, which is no error
	}
	return err
}
