package netflow9_test

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/netflow9"
	"github.com/flowpub/flowpub/decoder/template"
)

// A packet brings a template, and data by it.
func ExampleDecode() {
	datagram := []byte{
		0, 9, 0, 2, // version 9, two records: a template and a flow
		0, 0x0f, 0x42, 0x40, // up for 1,000,000 ms
		0x66, 0x5a, 0x64, 0x80, // 2024-06-01 00:00:00 UTC
		0, 0, 0, 7, // 7 packets before this one
		0, 0, 0, 1, // source ID 1
		0, 0, 0, 20, // a FlowSet of templates, 20 bytes
		1, 0, 0, 3, // template 256 has 3 fields:
		0, 8, 0, 4, // IPV4_SRC_ADDR
		0, 12, 0, 4, // IPV4_DST_ADDR
		0, 1, 0, 4, // IN_BYTES
		1, 0, 0, 16, // a FlowSet of data by template 256, 16 bytes
		192, 0, 2, 1,
		198, 51, 100, 2,
		0, 0, 5, 0xdc,
	}
	exporter := netip.MustParseAddrPort("203.0.113.1:2055")
	reader := template.NewReader(template.NewTable(template.Config{}))
	var p decoder.ExportPacket
	if err := netflow9.Decode(reader, datagram, exporter, time.Minute, &p); err != nil {
		fmt.Println(err)
		return
	}
	for i := range p.Records {
		r, x := &p.Records[i], &p.Extensions[i]
		fmt.Println(r.SourceAddress, r.DestinationAddress, r.Octets, "by template", x.Values[decoder.FieldTemplateID])
	}
	fmt.Println(reader.Decoded, "of", reader.Received, "data sets")
	// Output:
	// 192.0.2.1 198.51.100.2 1500 by template 256
	// 1 of 1 data sets
}
