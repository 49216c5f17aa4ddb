package telemetry_test

import (
	"fmt"
	"io"
	"net/http"

	"github.com/flowpub/flowpub/internal/telemetry"
)

func ExampleListen() {
	server, err := telemetry.Listen(telemetry.ServerConfig{
		Address:  "127.0.0.1:0",
		Snapshot: func() telemetry.Snapshot { return telemetry.Snapshot{Version: "v1.2.3"} },
		Ready:    func() []string { return []string{"the topic's partitions"} },
		Live:     func() []string { return nil },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	go func() { _ = server.Serve() }()

	response, err := http.Get("http://" + server.Addr().String() + "/readyz")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	fmt.Printf("%s\n%s", response.Status, body)
	// Output:
	// 503 Service Unavailable
	// the topic's partitions
}
