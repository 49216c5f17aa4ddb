package exporter_test

import (
	"context"
	"fmt"

	"github.com/flowpub/flowpub/internal/exporter"
)

func ExampleGenerator() {
	g, err := exporter.New(exporter.Config{
		Target:    "127.0.0.1:2055",
		Exporters: 2,
		Flows:     1200,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := g.Run(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	for _, e := range g.Stats().Exporters {
		fmt.Println(e.Address.Addr(), "sent", e.Flows, "flows in", e.Datagrams, "datagrams")
	}
	// Output:
	// 127.1.0.1 sent 600 flows in 20 datagrams
	// 127.1.0.2 sent 600 flows in 20 datagrams
}
