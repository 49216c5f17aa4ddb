package pcap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"github.com/flowpub/flowpub/internal/pcap/pcaptest"
)

func le16(n int) []byte { return binary.LittleEndian.AppendUint16(nil, uint16(n)) }
func le32(n int) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(n)) }

// block is a little-endian block of pcapng.
func block(kind int, body []byte) []byte {
	body = pcaptest.Join(body, make([]byte, -len(body)&3))
	return pcaptest.Join(le32(kind), le32(12+len(body)), body, le32(12+len(body)))
}

// section is a little-endian section header.
func section() []byte {
	return block(0x0a0d0d0a, pcaptest.Join(le32(0x1a2b3c4d), le16(1), le16(0), le32(-1), le32(-1)))
}

// found is a Packet with values of its own.
type found struct {
	time      string // empty when not known
	source    string
	payload   string
	truncated bool
}

// beginsWithVersion5 takes NetFlow version 5 for a payload.
func beginsWithVersion5(b []byte) bool { return bytes.HasPrefix(b, []byte{0, 5}) }

// anyPayload takes everything for one.
func anyPayload([]byte) bool { return true }

// packetsOf reads a capture and keeps its packets.
func packetsOf(capture io.Reader) (all []found, err error) {
	err = Read(capture, beginsWithVersion5, func(p Packet) error {
		f := found{payload: string(p.Payload), truncated: p.Truncated}
		if !p.Time.IsZero() {
			f.time = p.Time.UTC().Format("05.999999999")
		}
		if p.Source.IsValid() {
			f.source = p.Source.String()
			if p.Destination.Port() != 2055 {
				return errors.New("the destination is " + p.Destination.String())
			}
		}
		all = append(all, f)
		return nil
	})
	return all, err
}

// mustPackets reads a capture that has no mistakes.
func mustPackets(t *testing.T, capture []byte) []found {
	t.Helper()
	all, err := packetsOf(bytes.NewReader(capture))
	if err != nil {
		t.Fatal(err)
	}
	return all
}
