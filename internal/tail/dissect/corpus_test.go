package dissect

import (
	"os"
	"testing"

	"github.com/flowpub/flowpub/internal/pcap"
)

// corpusFile gives the datagrams of a recording to fn.
func corpusFile(tb testing.TB, name string, fn func(pcap.Packet)) {
	tb.Helper()
	f, err := os.Open(name)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	if err := pcap.Read(f, pcap.IsFlowExport, func(p pcap.Packet) error {
		p.Payload = append([]byte(nil), p.Payload...)
		fn(p)
		return nil
	}); err != nil {
		tb.Fatal(err)
	}
}
