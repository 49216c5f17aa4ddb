package pcap

import (
	"bytes"
	"os"
	"testing"

	"github.com/flowpub/flowpub/internal/pcap/pcaptest"
)

// FuzzRead: whatever the input, reading it ends, and no payload is longer
// than the input or than UDP allows.
func FuzzRead(f *testing.F) {
	ip := pcaptest.IPv4(0, 0, pcaptest.UDP("flows"))
	udp := pcaptest.UDP("flows in fragments")
	f.Add(pcaptest.Pcap(101, ip, pcaptest.IPv4(9, 0x2000, udp[:16]), pcaptest.IPv4(9, 2, udp[16:])))
	f.Add(pcaptest.Pcap(1, pcaptest.Ethernet(0x8100, pcaptest.Join(pcaptest.BE16(1), pcaptest.BE16(0x8847), 0, 1, 1, 64, ip)), pcaptest.Ethernet(0x8864, pcaptest.Join(make([]byte, 6), pcaptest.BE16(0x21), ip))))
	f.Add(pcaptest.Pcap(276, pcaptest.Join(pcaptest.BE16(0x86dd), make([]byte, 18), pcaptest.IPv6(44, pcaptest.Join(17, 0, pcaptest.BE16(0), pcaptest.BE32(9), udp)))))
	f.Add(pcaptest.Join(section(), block(1, pcaptest.Join(le16(101), le16(0), le32(0), le16(9), le16(1), 9, 0, 0, 0)),
		block(6, pcaptest.Join(le32(0), le32(0), le32(9), le32(len(ip)), le32(len(ip)), ip)), block(3, pcaptest.Join(le32(len(ip)), ip)),
		block(2, pcaptest.Join(le32(0), le32(0), le32(9), le32(len(ip)), le32(len(ip)), ip))))
	f.Add([]byte("\x1f\x8b\x08\x00"))
	for _, name := range []string{"fprobe_live_seqgaps.pcap", "crafted_edges.pcap"} {
		capture, err := os.ReadFile("../../decoder/netflow5/testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(capture)
	}
	f.Fuzz(func(t *testing.T, capture []byte) {
		unpackedAtOnce := !bytes.HasPrefix(capture, []byte{0x1f, 0x8b})
		_ = Read(bytes.NewReader(capture), anyPayload, func(p Packet) error {
			if len(p.Payload) > 65535 || unpackedAtOnce && len(p.Payload) > len(capture) {
				t.Errorf("a payload of %d bytes in a capture of %d", len(p.Payload), len(capture))
			}
			return nil
		})
	})
}
