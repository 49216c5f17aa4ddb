package decoder_test

import (
	"fmt"

	"github.com/flowpub/flowpub/decoder"
)

func ExampleHeader_WallTime() {
	h := decoder.Header{SystemUptime: 60_000, ExportSeconds: 1_717_200_000}
	fmt.Println(h.WallTime(59_500).Time())
	// Output: 2024-05-31 23:59:59.5 +0000 UTC
}
