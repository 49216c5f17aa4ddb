package exporter

import (
	"encoding/binary"
	"errors"
	"io"
	"time"
)

// pcapFormat is a variant of the pcap file format, which the file's first bytes
// tell: IETF draft-ietf-opsawg-pcap, section 4, and for the "modified" records
// the libpcap sources.
type pcapFormat struct {
	order        binary.ByteOrder
	fraction     time.Duration // unit of the times' second part
	recordHeader int           // bytes before each frame
}

var pcapFormats = map[[4]byte]pcapFormat{
	{0xa1, 0xb2, 0xc3, 0xd4}: {binary.BigEndian, time.Microsecond, 16},
	{0xd4, 0xc3, 0xb2, 0xa1}: {binary.LittleEndian, time.Microsecond, 16},
	{0xa1, 0xb2, 0x3c, 0x4d}: {binary.BigEndian, time.Nanosecond, 16},
	{0x4d, 0x3c, 0xb2, 0xa1}: {binary.LittleEndian, time.Nanosecond, 16},
	{0xa1, 0xb2, 0xcd, 0x34}: {binary.BigEndian, time.Microsecond, 24},
	{0x34, 0xcd, 0xb2, 0xa1}: {binary.LittleEndian, time.Microsecond, 24},
}

// pcapHeader is the length of the file header; the link type is at its end.
const pcapHeader = 24

// readPcap reads a pcap file and gives its frames to deliver.
func readPcap(in *captureReader, f pcapFormat, deliver *unwrapper) error {
	header, err := in.rest(pcapHeader)
	if err != nil {
		return err
	}
	// The upper 16 bits say other things, such as the length of a checksum.
	link := linkType(f.order.Uint32(header[20:]))
	if !link.known() {
		return in.fail(unknownLink(link))
	}
	for {
		header, err := in.read(f.recordHeader)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return in.cutOff(err)
		}
		at := time.Unix(int64(f.order.Uint32(header)), int64(f.order.Uint32(header[4:]))*int64(f.fraction))
		length := f.order.Uint32(header[8:])
		if length > maxFrame {
			return in.damagedf("a frame of %d bytes, more than %d", length, maxFrame)
		}
		frame, err := in.rest(int(length))
		if err != nil {
			return err
		}
		if err := deliver.frame(link, at, frame); err != nil {
			return err
		}
	}
}
