package netflow5_test

import (
	"encoding/hex"
	"fmt"
	"net/netip"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/netflow5"
)

func ExampleDecode() {
	// A header that announces two records, and one record.
	datagram, _ := hex.DecodeString("00050002000f4240665a6480000000000000000700010000" +
		"0a000001c6336407c0000201000100020000000a000003e8000f3e58000f4178c00101bb001b06000000000018100000")

	var packet decoder.ExportPacket // kept and decoded into again and again
	if err := netflow5.Decode(datagram, &packet); err != nil {
		fmt.Println(err)
		return
	}
	for i := range packet.Records {
		r := &packet.Records[i]
		fmt.Println(r.SourceAddress, r.SourcePort, "to", r.DestinationAddress, r.DestinationPort)
		fmt.Println(r.Packets, "packets,", r.Octets, "octets, from", r.StartTime.Time())
	}
	fmt.Println(packet.Anomalies)
	// Output:
	// 10.0.0.1 49153 to 198.51.100.7 443
	// 10 packets, 1000 octets, from 2024-05-31 23:59:59 +0000 UTC
	// count_above_present
}

func ExampleAppend() {
	packet := decoder.ExportPacket{
		Header: decoder.Header{Format: decoder.FormatNetFlowV5, Count: 1},
		Records: []decoder.Record{{
			SourceAddress:      netip.MustParseAddr("192.0.2.1"),
			DestinationAddress: netip.MustParseAddr("198.51.100.7"),
			NextHop:            netip.IPv4Unspecified(),
			Packets:            10,
			Octets:             1000,
		}},
	}
	datagram, err := netflow5.Append(nil, &packet)
	fmt.Println(len(datagram), err)

	packet.Records[0].Octets = 1 << 32
	_, err = netflow5.Append(nil, &packet)
	fmt.Println(err)
	// Output:
	// 72 <nil>
	// netflow5: record 0: Octets is 4294967296; NetFlow v5 holds at most 4294967295
}
