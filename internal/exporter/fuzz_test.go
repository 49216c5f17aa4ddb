package exporter

import (
	"bytes"
	"os"
	"testing"
)

// FuzzReadCapture: whatever the input, reading it ends, and no payload is longer
// than the input or than UDP allows.
func FuzzReadCapture(f *testing.F) {
	ip := ipv4From192(0, 0, udpTo2055("flows"))
	udp := udpTo2055("flows in fragments")
	f.Add(pcapBig(101, ip, ipv4From192(9, 0x2000, udp[:16]), ipv4From192(9, 2, udp[16:])))
	f.Add(pcapBig(1, ethernet(0x8100, join(be16(1), be16(0x8847), 0, 1, 1, 64, ip)), ethernet(0x8864, join(make([]byte, 6), be16(0x21), ip))))
	f.Add(pcapBig(276, join(be16(0x86dd), make([]byte, 18), ipv6From2001(44, join(17, 0, be16(0), be32(9), udp)))))
	f.Add(join(section(), block(1, join(le16(101), le16(0), le32(0), le16(9), le16(1), 9, 0, 0, 0)),
		block(6, join(le32(0), le32(0), le32(9), le32(len(ip)), le32(len(ip)), ip)), block(3, join(le32(len(ip)), ip)),
		block(2, join(le32(0), le32(0), le32(9), le32(len(ip)), le32(len(ip)), ip))))
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
		_ = ReadCapture(bytes.NewReader(capture), func(p Packet) error {
			if len(p.Payload) > 65535 || unpackedAtOnce && len(p.Payload) > len(capture) {
				t.Errorf("a payload of %d bytes in a capture of %d", len(p.Payload), len(capture))
			}
			return nil
		})
	})
}
