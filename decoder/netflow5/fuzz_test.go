package netflow5_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"reflect"
	"testing"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/netflow5"
)

// FuzzDecode: whatever the bytes, Decode refuses them for the right reason, or
// gives exactly the records that they announce and hold.
func FuzzDecode(f *testing.F) {
	f.Add(unhex(f, layoutHex))
	m := readMalformed(f)
	for _, packet := range append(m.Packets, m.Controls...) {
		f.Add(unhex(f, packet.Hex))
	}
	used := fullPacket(f, 3)
	f.Fuzz(func(t *testing.T, payload []byte) {
		datagram := bytes.Clone(payload)
		var p decoder.ExportPacket
		if err := netflow5.Decode(used, &p); err != nil {
			t.Fatal(err)
		}
		err := netflow5.Decode(datagram, &p)
		checkReason(t, payload, err)
		if err != nil {
			if p.Header != (decoder.Header{}) || len(p.Records) != 0 {
				t.Fatalf("%+v beside the error %v, want an empty packet", p, err)
			}
			return
		}
		checkOwnership(t, payload, datagram, &p)
		checkRecordCount(t, payload, &p)
		checkEncoding(t, payload, &p)
	})
}

// checkReason checks the error by the first rule that the payload breaks.
func checkReason(t *testing.T, payload []byte, err error) {
	t.Helper()
	var want error
	switch {
	case len(payload) < 2:
		want = decoder.ErrShort
	case payload[0] != 0 || payload[1] != 5:
		want = decoder.ErrVersion
	case len(payload) < 24:
		want = decoder.ErrShort
	case len(payload) < 72 || payload[2] == 0 && payload[3] == 0:
		want = decoder.ErrNoRecords
	}
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}

// checkOwnership checks that p holds nothing of the datagram's memory, and
// nothing of the packet that it held before.
func checkOwnership(t *testing.T, payload, datagram []byte, p *decoder.ExportPacket) {
	t.Helper()
	if !bytes.Equal(datagram, payload) {
		t.Fatal("the datagram was changed")
	}
	clear(datagram)
	var fresh decoder.ExportPacket
	if err := netflow5.Decode(payload, &fresh); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(*p, fresh) {
		t.Fatalf("a reused packet holds\n%+v, a fresh one\n%+v", *p, fresh)
	}
}

// checkRecordCount compares the number of records and the anomalies about it
// with the payload's length.
func checkRecordCount(t *testing.T, payload []byte, p *decoder.ExportPacket) {
	t.Helper()
	announced, body := int(binary.BigEndian.Uint16(payload[2:])), len(payload)-24
	read := len(p.Records) * 48
	missing := len(p.Records) < announced
	switch {
	case len(p.Records) > announced || read > body:
		t.Fatalf("%d records, more than the %d announced in %d bytes", len(p.Records), announced, body)
	case missing && body-read >= 48:
		t.Fatalf("%d records of %d announced, and one more was there", len(p.Records), announced)
	}
	for _, c := range []struct {
		kind decoder.Anomalies
		want bool
	}{
		{decoder.AnomalyCountAbovePresent, missing},
		{decoder.AnomalyPartialRecord, missing && body > read},
		{decoder.AnomalyTrailingBytes, !missing && body > read},
		{decoder.AnomalyCountAbove30, announced > 30},
		{decoder.AnomalyNanosecondsOutOfRange, binary.BigEndian.Uint32(payload[12:]) > 999_999_999},
	} {
		if got := p.Anomalies&c.kind != 0; got != c.want {
			t.Fatalf("%v is %v, want %v", c.kind, got, c.want)
		}
	}
}
