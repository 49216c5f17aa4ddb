package batch

import (
	"math"
	"net/netip"
	"testing"

	"github.com/flowpub/flowpub/decoder"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// goldenJSON is goldenPacket's record by hand.
const goldenJSON = `{"format":"EXPORT_FORMAT_NETFLOW_V5","exporterAddress":"192.0.2.1","exporterPort":2055,` +
	`"engineType":21,"engineId":22,"samplingMode":2,"samplingInterval":24,` +
	`"receiveTime":"2008-12-20T14:22:18.247303441Z","exportTime":"1970-01-01T00:00:01.000000002Z",` +
	`"systemUptimeMs":25,"flowSequence":300,"recordCount":1,"headerCount":2,` +
	`"recordIndex":0,"anomalies":129,"firstUptimeMs":28,"startTime":"1970-01-01T00:00:00.000000008Z",` +
	`"lastUptimeMs":29,"endTime":"1970-01-01T00:00:00.000000009Z","packets":6,"octets":128,` +
	`"tcpFlags":255,"protocol":17,"tos":13,"sourcePort":3,"destinationPort":443,` +
	`"sourceAs":31,"sourcePrefixLength":33,"sourceAddress":"10.0.0.1","inputInterface":10,"outputInterface":11,` +
	`"nextHop":"0.0.0.0","destinationAddress":"10.0.0.2","destinationPrefixLength":34,"destinationAs":65535}`

func TestJSONGolden(t *testing.T) {
	t.Parallel()
	e := Encoder{Framing: Framing{Value: ValueJSON}}
	e.Reset(goldenPacket())
	if got := string(e.appendValue(nil, 0)); got != goldenJSON {
		t.Errorf("got\n%s, want\n%s", got, goldenJSON)
	}
}

// What a record does not have is null, and the object is whole all the same.
func TestJSONUnset(t *testing.T) {
	t.Parallel()
	e := Encoder{Framing: Framing{Value: ValueJSON}}
	e.Reset(netip.AddrPort{}, 0, &decoder.ExportPacket{Records: make([]decoder.Record, 1)})
	want := `{"format":"EXPORT_FORMAT_UNSPECIFIED","exporterAddress":null,"exporterPort":0,` +
		`"engineType":0,"engineId":0,"samplingMode":0,"samplingInterval":0,"receiveTime":null,"exportTime":null,` +
		`"systemUptimeMs":0,"flowSequence":0,"recordCount":1,"headerCount":0,` +
		`"recordIndex":0,"anomalies":0,"firstUptimeMs":0,"startTime":null,"lastUptimeMs":0,"endTime":null,"packets":0,"octets":0,` +
		`"tcpFlags":0,"protocol":0,"tos":0,"sourcePort":0,"destinationPort":0,` +
		`"sourceAs":0,"sourcePrefixLength":0,"sourceAddress":null,"inputInterface":0,"outputInterface":0,` +
		`"nextHop":null,"destinationAddress":null,"destinationPrefixLength":0,"destinationAs":0}`
	if got := string(e.appendValue(nil, 0)); got != want {
		t.Errorf("got\n%s, want\n%s", got, want)
	}
}

// A zone is the sender's affair, and could hold anything.
func TestJSONZone(t *testing.T) {
	t.Parallel()
	if got, want := string(appendJSONAddress(nil, "", netip.MustParseAddr(`fe80::1%a"b`))), `"fe80::1"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestJSONTimes(t *testing.T) {
	t.Parallel()
	for ns, want := range map[decoder.UnixNano]string{
		0:                         `null`,
		1:                         `"1970-01-01T00:00:00.000000001Z"`,
		999_999_999:               `"1970-01-01T00:00:00.999999999Z"`,
		1_000_000_000:             `"1970-01-01T00:00:01.000000000Z"`,
		951_827_696_120_000_000:   `"2000-02-29T12:34:56.120000000Z"`,
		1_767_225_600_123_456_789: `"2026-01-01T00:00:00.123456789Z"`,
		math.MaxUint64:            `"2554-07-21T23:34:33.709551615Z"`,
	} {
		if got := string(appendJSONTime(nil, "", ns)); got != want {
			t.Errorf("%d ns are %s, want %s", ns, got, want)
		}
	}
}

// The names of formats are those of the enumeration.
func TestJSONFormats(t *testing.T) {
	t.Parallel()
	for number, name := range flowv1.ExportFormat_name {
		if got, want := string(appendJSONFormat(nil, decoder.Format(number))), `"`+name+`"`; got != want {
			t.Errorf("format %d is %s, want %s", number, got, want)
		}
	}
}

// The largest message fits, and not by far: a format without a name takes 3 bytes
// where the bound has 27, and an index and a count of 2000 take 4 where it has 10.
func TestMaxJSONSize(t *testing.T) {
	t.Parallel()
	e := Encoder{Framing: Framing{Value: ValueJSON}}
	e.Reset(largestPacket())
	if got, want := e.jsonSize, maxJSONConstantsSize-24-6; got != want {
		t.Errorf("the largest constants have %d bytes, want %d", got, want)
	}
	if got, want := len(e.appendValue(nil, 1999)), maxJSONSize-24-2*6; got != want {
		t.Errorf("the largest message has %d bytes, want %d", got, want)
	}
}
