package sflow_test

import (
	"encoding/hex"
	"fmt"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/sflow"
)

func ExampleDecode() {
	datagram, _ := hex.DecodeString("0000000500000001c00002c800000003000000010001e2400000000100000001000000700000000100000005" +
		"000003e8000186a0000000000000000b0000000c000000010000000100000046000000010000059600000004000000360200000000020200000000" +
		"01080045280028000100003d0600000a010101c63364099c4001bb0000000100000002501803e8000000000000")
	var p decoder.ExportPacket
	var s sflow.Samples
	if err := sflow.Decode(datagram, &p, &s); err != nil {
		fmt.Println(err)
		return
	}
	r, x := p.Records[0], p.Extensions[0]
	fmt.Println(p.AgentAddress, r.SourceAddress, r.DestinationAddress, r.Octets, "octets, one packet of", x.Values[decoder.FieldSamplingInterval])
	// Output: 192.0.2.200 10.1.1.1 198.51.100.9 40 octets, one packet of 1000
}
