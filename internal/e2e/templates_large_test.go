//go:build linux

package e2e

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/flowpub/flowpub/internal/flowtest"
)

// A datagram of the largest size may hold 4,096 records of a template: more than any router sends. All
// are published, whatever their form and however small the buffer, which they need not fit into.
func TestLargestTemplatedPackets(t *testing.T) {
	t.Parallel()
	const packets, records, octets = 20, 4096, 15
	for form, buffer := range map[string]string{"protobuf": "4MiB", "json": "8MiB"} {
		t.Run(form, func(t *testing.T) {
			t.Parallel()
			k := startKafka(t, 1)
			p := startFlowpub(t, k.gate.address, "FLOWPUB_KAFKA_VALUE="+form, "FLOWPUB_KAFKA_BUFFER_BYTES="+buffer)
			p.awaitReady(t)
			from, source := openForger(t, p.UDP), netip.AddrFrom4([4]byte{127, 78, 0, 1})
			// RFC 7011, section 3: a template of octets (element 1) in 8 bytes, and padding (210) in 7.
			template := []byte{0, 2, 0, 16, 1, 0, 0, 2, 0, 1, 0, 8, 0, 210, 0, octets - 8}
			data := make([]byte, 4+records*octets)
			binary.BigEndian.PutUint16(data, 256)
			binary.BigEndian.PutUint16(data[2:], uint16(len(data)))
			for i := range records {
				binary.BigEndian.PutUint64(data[4+i*octets:], uint64(i))
			}
			for i := range uint32(packets) {
				from.send(t, source, ipfixMessage(i*records, template, data))
				p.awaitDatagrams(t, uint64(i)+1)
				p.awaitEmpty(t)
			}
			last := p.terminate(t)
			if last.FlowsDelivered != packets*records {
				t.Errorf("delivered %d flows, dropped %v, want %d", last.FlowsDelivered, last.FlowsDropped, packets*records)
			}
			read := uint32(0)
			k.read(t, func(r *kgo.Record) {
				flow, err := flowtest.Read(form, 0, r.Value)
				if err != nil {
					t.Fatal(err)
				}
				if place := read % records; flow.GetRecordIndex() != place || flow.GetOctets() != uint64(place) || flow.GetRecordCount() != records {
					t.Fatalf("flow %d is %v", read, flow)
				}
				read++
			})
		})
	}
}

// ipfixMessage returns an IPFIX message: RFC 7011, section 3.1.
func ipfixMessage(sequence uint32, sets ...[]byte) []byte {
	body := slices.Concat(sets...)
	b := make([]byte, 16)
	binary.BigEndian.PutUint16(b, 10)
	binary.BigEndian.PutUint32(b[4:], uint32(time.Now().Unix()))
	binary.BigEndian.PutUint32(b[8:], sequence)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)+len(body)))
	return slices.Concat(b, body)
}
