package collector

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowpub/flowpub/decoder"
)

// of makes packets those of a format. Each has so many options records beside its
// flows.
func of(f decoder.Format, options uint32, packets []export) []*sighting {
	all := make([]*sighting, len(packets))
	for i, p := range packets {
		all[i] = p.sighting()
		all[i].Format = f
		all[i].steps[decoder.CountsDataRecords] += options
		if f == decoder.FormatIPFIX {
			all[i].uptime = 0
			all[i].boot = bootTime(all[i].exported, 0)
		}
	}
	return all
}

// undecoded makes the packet one of which an unknown part could not be decoded.
func undecoded(packets []*sighting, i int) []*sighting {
	packets[i].partial = true
	packets[i].steps = [decoder.SequenceUnits]uint32{0, 0, 1}
	return packets
}

// What is counted, by format: packets come once a second, and the last settles
// all gaps.
func TestSequenceLearnsWhatIsCounted(t *testing.T) {
	t.Parallel()
	const v9, ipfix, sflow = decoder.FormatNetFlowV9, decoder.FormatIPFIX, decoder.FormatSFlowV5
	const flows, records, packets = decoder.CountsFlows, decoder.CountsDataRecords, decoder.CountsPackets
	// run returns n packets of 24 flows from the second from on.
	run := func(from, n int, seq, step uint32) []export {
		return every(s, time.Duration(from)*s, n, seq, step, 24)
	}
	tests := []struct {
		name    string
		packets []*sighting
		want    outcome
	}{
		{"v9 counts packets", of(v9, 0, join(run(0, 4, 7, 1), run(4, 4, 14, 1))), outcome{missed: 3, unit: packets}},
		{"v9 that counts flows", of(v9, 0, join(run(0, 4, 7, 24), run(4, 4, 7+5*24, 24))), outcome{missed: 24, unit: flows}},
		{"v9 that counts flows and options", of(v9, 2, join(run(0, 4, 7, 26), run(4, 4, 7+5*26, 26))), outcome{missed: 26, unit: records}},
		{"nothing counts before three packets in a row were predicted", of(v9, 0, join(run(0, 3, 7, 1), run(3, 3, 20, 1))), outcome{unit: packets}},
		{"nor while packets of one flow tell nothing", of(v9, 0, join(every(s, 0, 20, 7, 1, 1), every(s, 20*s, 20, 40, 1, 1))), outcome{unit: packets}},
		{"packets of templates tell", of(v9, 0, join(every(s, 0, 4, 7, 1, 0), every(s, 4*s, 4, 14, 1, 1))), outcome{missed: 3, unit: packets}},
		{"v9 knows its packets though sets were not decoded", undecoded(of(v9, 0, join(run(0, 6, 7, 1), run(6, 4, 16, 1))), 5), outcome{missed: 3, unit: packets}},
		{"a constant", of(v9, 0, run(0, 40, 0, 0)), outcome{unsequenced: true, unit: packets}},
		{"a constant, packets of one flow", of(v9, 0, every(s, 0, 40, 0, 0, 1)), outcome{unsequenced: true, unit: packets}},
		{"at random", of(ipfix, 0, run(0, 40, 0, 1<<31+3)), outcome{unsequenced: true, unit: records}},
		{"thirty packets are tried", of(ipfix, 0, run(0, 31, 0, 100)), outcome{unsequenced: true, unit: records}},
		{"not fewer", of(ipfix, 0, run(0, 30, 0, 100)), outcome{unit: records}},

		{"IPFIX counts data records", of(ipfix, 3, join(run(0, 4, 7, 27), run(4, 4, 7+6*27, 27))), outcome{missed: 54, unit: records}},
		{"IPFIX that does not count options", of(ipfix, 3, join(run(0, 4, 7, 24), run(4, 4, 7+6*24, 24))), outcome{missed: 48, unit: flows}},
		{"IPFIX that counts messages", of(ipfix, 3, join(run(0, 4, 7, 1), run(4, 4, 13, 1))), outcome{missed: 2, unit: packets}},
		{"messages without records do not move the number", of(ipfix, 0, join(run(0, 4, 7, 24), every(s, 4*s, 2, 7+4*24, 0, 0), run(6, 2, 7+4*24, 24))), outcome{unit: records}},
		// 500 flows were in the set that nobody could decode.
		{"IPFIX goes on behind a set that was not decoded", undecoded(of(ipfix, 0, join(run(0, 5, 7, 24), run(5, 4, 7+4*24+500, 24))), 4), outcome{unit: records}},
		{"and a gap behind that counts", undecoded(of(ipfix, 0, join(run(0, 5, 7, 24), run(5, 4, 603, 24), run(9, 4, 603+5*24, 24))), 4), outcome{missed: 24, unit: records}},
		{"IPFIX that begins anew without an uptime", of(ipfix, 0, join(run(0, 5, 70_000, 24), run(5, 5, 0, 24))), outcome{restarts: 1, unit: records}},

		// As softflowd does: 11, 29, 47 after 11, 18, 18 flows, and one option beside the first.
		{"IPFIX that counts the flows of the message, too", of(ipfix, 0, []export{
			{at: 0, seq: 11, records: 11}, {at: 1 * s, seq: 29, records: 18}, {at: 2 * s, seq: 47, records: 18}, {at: 3 * s, seq: 63, records: 16},
			{at: 4 * s, seq: 100, records: 20}, {at: 5 * s, seq: 117, records: 17},
		}), outcome{missed: 17, unit: flows}},
		{"and without the options", of(ipfix, 1, []export{
			{at: 0, seq: 11, records: 11}, {at: 1 * s, seq: 29, records: 18}, {at: 2 * s, seq: 47, records: 18}, {at: 3 * s, seq: 63, records: 16},
			{at: 4 * s, seq: 100, records: 20}, {at: 5 * s, seq: 117, records: 17},
		}), outcome{missed: 17, unit: flows}},
		{"part of such a message was not decoded", undecoded(of(ipfix, 0, []export{
			{at: 0, seq: 11, records: 11}, {at: 1 * s, seq: 29, records: 18}, {at: 2 * s, seq: 47, records: 18}, {at: 3 * s, seq: 63, records: 16},
			{at: 4 * s, seq: 100, records: 20}, {at: 5 * s, seq: 117, records: 17}, {at: 6 * s, seq: 137, records: 18},
		}), 4), outcome{missed: 2, unit: flows}},
		{"v5 that does so", of(decoder.FormatNetFlowV5, 0, []export{
			{at: 0, seq: 30, records: 30}, {at: 1 * s, seq: 60, records: 30}, {at: 2 * s, seq: 90, records: 30}, {at: 3 * s, seq: 120, records: 30},
			{at: 4 * s, seq: 125, records: 5}, {at: 5 * s, seq: 155, records: 30}, {at: 6 * s, seq: 190, records: 30},
		}), outcome{missed: 5, unit: flows}},

		{"sFlow counts datagrams, from the first loss on", of(sflow, 0, join(run(0, 1, 7, 1), run(1, 1, 9, 1))), outcome{missed: 1, unit: packets}},
		{"sFlow of one sample a datagram", of(sflow, 0, join(every(s, 0, 9, 7, 1, 1), every(s, 9*s, 9, 17, 1, 1))), outcome{missed: 1, unit: packets}},
		{"sFlow that is constant", of(sflow, 0, run(0, 5, 7, 0)), outcome{unsequenced: true, unit: packets}},

		// The third packet tells. The gaps of 23 before the first two count meanwhile.
		{"what is counted may change: two packets are misjudged", of(v9, 0, join(run(0, 5, 7, 1), run(5, 5, 12, 24))), outcome{missed: 46, unit: flows}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var q sequence
			var got outcome
			for i, p := range test.packets {
				v := q.see(p, time.Duration(i)*s)
				got.missed += v.missed
				if v.restarted {
					got.restarts++
				}
			}
			got.missed += q.closeGaps(time.Hour)
			got.unsequenced, got.unit = q.unsequenced, q.counts.unit()
			if got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

// sFlow has no clock: its agents' boot times are by ours, and nothing of a clock
// can be wrong.
func TestSightOfFormatsWithoutClock(t *testing.T) {
	t.Parallel()
	p := decoder.ExportPacket{Header: decoder.Header{
		Format: decoder.FormatSFlowV5, AgentAddress: netip.MustParseAddr("192.0.2.9"), ObservationDomain: 3,
		HasUptime: true, SystemUptime: 5000, FlowSequence: 77, SequenceUnknown: true, DataRecords: 4,
	}, Records: make([]decoder.Record, 4)}
	at := decoder.UnixNano(testSeconds * int64(time.Second))
	var got sighting
	got.fill(netip.MustParseAddrPort("192.0.2.1:6343"), at, &p, 0)
	want := sighting{
		streamKey: streamKey{
			address: netip.MustParseAddr("192.0.2.1").As16(), port: 6343,
			StreamID: decoder.StreamID{Agent: netip.MustParseAddr("192.0.2.9").As16(), Domain: 3, Format: decoder.FormatSFlowV5},
		},
		number: 77, steps: [decoder.SequenceUnits]uint32{4, 4, 1}, partial: true, uptime: 5000,
		boot:    uint32((testSeconds*1000 - 5000) & (1<<32 - 1)),
		records: 4,
	}
	if got != want {
		t.Errorf("got  %+v,\nwant %+v", got, want)
	}
}

// Domains, agents and formats of one address and port are apart, and packets
// that are missed are counted by format.
func TestStreamsAreApartByFormat(t *testing.T) {
	t.Parallel()
	table := newStreams(16, nil)
	ids := []decoder.StreamID{
		{Format: decoder.FormatNetFlowV9, Domain: 1}, {Format: decoder.FormatNetFlowV9, Domain: 1 << 31}, {Format: decoder.FormatIPFIX, Domain: 1},
		{Format: decoder.FormatSFlowV5, Domain: 1}, {Format: decoder.FormatSFlowV5, Domain: 1, Agent: netip.IPv6Loopback().As16()},
		{Format: decoder.FormatNetFlowV5}, {Format: decoder.FormatNetFlowV5, EngineID: 1}, {Format: decoder.FormatNetFlowV5, EngineType: 1},
	}
	for i := range uint32(8) {
		for j, id := range ids {
			lost := uint32(j+1) * (i / 7) // before the last
			unit, _ := id.Format.SequenceUnit()
			p := export{records: 2}.sighting()
			p.StreamID = id
			p.number = 1000*uint32(j) + (i+lost)*p.steps[unit]
			table.see(p, time.Duration(i)*s)
		}
	}
	table.closeGaps(time.Minute, func(*stream) {})
	if len(table.slots) != len(ids) || table.restarts != 0 {
		t.Errorf("%d streams and %d restarts, want %d and none", len(table.slots), table.restarts, len(ids))
	}
	if want := uint64(2 * (3 + 6 + 7 + 8)); table.missedRecords != want {
		t.Errorf("%d records are missed, want %d", table.missedRecords, want)
	}
	for f, want := range map[decoder.Format]uint64{decoder.FormatNetFlowV9: 1 + 2, decoder.FormatSFlowV5: 4 + 5, decoder.FormatIPFIX: 0} {
		if got := table.missedPackets[f]; got != want {
			t.Errorf("%d packets of %v are missed, want %d", got, f, want)
		}
	}
	if !slices.Equal(decoder.Formats(), []decoder.Format{5, 9, 10, 105}) {
		t.Error("a format is not in this test")
	}
}

// Packets of formats with templates are watched, too. These hold one template each.
func TestCollectorWatchesTemplatedFormats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newTestCollector(t, 1, 1, nil)
		for _, number := range []uint32{10, 11, 12, 13, 19} {
			now := time.Now()
			b := binary.BigEndian.AppendUint32([]byte{0, 9, 0, 1}, uint32(time.Since(c.started)/ms)+1)
			b = binary.BigEndian.AppendUint32(b, uint32(now.Unix()))
			b = binary.BigEndian.AppendUint32(b, number)
			b = append(b, 0, 0, 0, 7, // the source ID
				0, 0, 0, 12, 1, 0, 0, 1, 0, 8, 0, 4) // template 256: the source address
			c.intakes[0][0].handle(from("192.0.2.1:9999", b), now) // 14 to 18 are lost
			<-time.After(s)
		}
		got := c.Snapshot()
		if got.ExportPacketsMissed["netflow_v9"] != 5 || got.FlowsMissed != 0 || got.ExportersLosing != 1 {
			t.Errorf("missed are %v and %d flows, of %d exporters; want 5 packets of one", got.ExportPacketsMissed, got.FlowsMissed, got.ExportersLosing)
		}
		c.survey()
		if lines := c.log.Lines("format=netflow_v9 observation_domain_id=7"); len(lines) != 1 || !strings.Contains(lines[0], "flows are missing") {
			t.Errorf("%q, want a line about the loss", lines)
		}
	})
}
