package pcap_test

import (
	"bytes"
	"fmt"

	"github.com/flowpub/flowpub/internal/pcap"
)

func ExampleRead() {
	// A file that is neither pcap nor pcapng can be the payload of one datagram: here
	// a NetFlow version 5 header without a record.
	file := append([]byte{0, 5}, make([]byte, 22)...)
	isPayload := func(b []byte) bool { return bytes.HasPrefix(b, []byte{0, 5}) }
	err := pcap.Read(bytes.NewReader(file), isPayload, func(p pcap.Packet) error {
		fmt.Printf("%d bytes, source known: %v\n", len(p.Payload), p.Source.IsValid())
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: 24 bytes, source known: false
}
