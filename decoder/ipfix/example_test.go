package ipfix_test

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/ipfix"
	"github.com/flowpub/flowpub/decoder/template"
)

// Data that come before their template wait for it.
func ExampleDecode() {
	header := []byte{
		0, 10, 0, 0, // version 10, the length is below
		0x66, 0x5a, 0x64, 0x80, // 2024-06-01 00:00:00 UTC
		0, 0, 0, 0, // no data records before this message
		0, 0, 0, 1, // observation domain 1
	}
	message := func(set ...byte) []byte {
		b := slices.Concat(header, set)
		b[3] = byte(len(b))
		return b
	}
	data := message(
		1, 0, 0, 11, // a set of data by template 256, 11 bytes
		0, 0, 5, 0xdc,
		2, 'e', 'n')
	learn := message(
		0, 2, 0, 16, // a set of templates, 16 bytes
		1, 0, 0, 2, // template 256 has 2 fields:
		0, 1, 0, 4, // octetDeltaCount
		0, 82, 0xff, 0xff) // interfaceName, of variable length

	exporter := netip.MustParseAddrPort("203.0.113.1:4739")
	table := template.NewTable(template.Config{})
	reader, room := template.NewReader(table), template.NewRoom(table)
	var p, waited decoder.ExportPacket
	for i, datagram := range [][]byte{data, learn} {
		now := time.Duration(i) * time.Second
		if err := ipfix.Decode(reader, datagram, exporter, now, &p); err != nil {
			fmt.Println(err)
			return
		}
		for _, set := range reader.Missing {
			room.Add(exporter, &p.Header, set, 0, now)
		}
		ready, _ := room.Take(exporter, &p.Header, reader.Learned, now)
		for _, w := range ready {
			reader.Waited(w, now, &waited)
			fmt.Println(waited.Records[0].Octets, waited.Records[0].Anomalies&decoder.AnomalyWaited)
		}
	}
	// Output: 1500 waited
}
