package netflow5_test

import (
	"compress/gzip"
	"encoding/binary"
	"encoding/csv"
	"encoding/json"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A datagram is one that an exporter sent.
type datagram struct {
	from    netip.AddrPort
	payload []byte
}

// readCapture returns the datagrams of a capture: a pcap file of the classic
// little-endian kind, or anything else, which is one payload from nowhere.
func readCapture(tb testing.TB, path string) (found []datagram) {
	tb.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	if len(file) < 24 || binary.LittleEndian.Uint32(file) != 0xa1b2c3d4 {
		return []datagram{{netip.AddrPortFrom(netip.IPv4Unspecified(), 0), file}}
	}
	link := binary.LittleEndian.Uint32(file[20:])
	for rest := file[24:]; len(rest) > 0; {
		length := binary.LittleEndian.Uint32(rest[8:])
		if d, ok := readFrame(tb, link, rest[16:16+length]); ok {
			found = append(found, d)
		}
		rest = rest[16+length:]
	}
	return found
}

// readFrame returns the UDP datagram of an IPv4 frame, if there is one in it.
func readFrame(tb testing.TB, link uint32, frame []byte) (datagram, bool) {
	tb.Helper()
	const ethernet, rawIP = 1, 101
	switch link {
	case ethernet:
		if binary.BigEndian.Uint16(frame[12:]) != 0x0800 {
			return datagram{}, false
		}
		frame = frame[14:]
	case rawIP:
	default:
		tb.Fatalf("link type %d is not one that the recordings have", link)
	}
	if frame[0]>>4 != 4 || frame[9] != 17 {
		return datagram{}, false
	}
	udp := frame[int(frame[0]&15)*4:]
	from := netip.AddrPortFrom(netip.AddrFrom4([4]byte(frame[12:])), binary.BigEndian.Uint16(udp))
	return datagram{from, udp[8:binary.BigEndian.Uint16(udp[4:])]}, true
}

// readRows returns the rows of a CSV file, each by column name.
func readRows(tb testing.TB, path string) (rows []map[string]string) {
	tb.Helper()
	file, err := os.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer file.Close()
	var content io.Reader = file
	if strings.HasSuffix(path, ".gz") {
		if content, err = gzip.NewReader(file); err != nil {
			tb.Fatal(err)
		}
	}
	lines, err := csv.NewReader(content).ReadAll()
	if err != nil {
		tb.Fatal(err)
	}
	for _, line := range lines[1:] {
		row := make(map[string]string, len(line))
		for i, value := range line {
			row[lines[0][i]] = value
		}
		rows = append(rows, row)
	}
	return rows
}

// malformed is testdata/malformed.json.
type malformed struct {
	Packets  []malformedPacket `json:"packets"`
	Controls []malformedPacket `json:"controls"`
}

type malformedPacket struct {
	Name         string `json:"name"`
	Kind         string `json:"kind"`
	Hex          string `json:"hex"`
	WholeRecords int    `json:"whole_records"`
	HeaderCount  int    `json:"header_count"`
	Records      int    `json:"records"` // in controls only
}

func readMalformed(tb testing.TB) (m malformed) {
	tb.Helper()
	file, err := os.ReadFile(filepath.Join("testdata", "malformed.json"))
	if err != nil {
		tb.Fatal(err)
	}
	if err := json.Unmarshal(file, &m); err != nil {
		tb.Fatal(err)
	}
	if len(m.Packets) == 0 || len(m.Controls) == 0 {
		tb.Fatal("malformed.json holds no packets")
	}
	return m
}
