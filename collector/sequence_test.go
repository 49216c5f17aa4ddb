package collector

import (
	"testing"
	"time"

	"github.com/flowpub/flowpub/decoder"
)

// The exporter of these tests booted 1,000 s before the tests' moment 0, which
// by its own clock is 2023-11-14 22:13:20 UTC.
const (
	testUptime  = decoder.Uptime(1_000_000)
	testSeconds = 1_700_000_000
)

// export is a packet that arrives at a moment. Its clocks agree with that unless
// it says otherwise.
type export struct {
	at      time.Duration
	seq     uint32
	records uint32
	clock   time.Duration // the wall clock is ahead by this
	sent    time.Duration // sent so much earlier than it arrived
	uptime  *decoder.Uptime
}

// sighting is of a NetFlow v5 packet unless the test changes it.
func (e export) sighting() *sighting {
	sent := e.at - e.sent
	s := &sighting{
		number:   e.seq,
		steps:    [decoder.SequenceUnits]uint32{e.records, e.records, 1},
		uptime:   testUptime + decoder.Uptime(sent/time.Millisecond),
		exported: decoder.UnixNano(testSeconds*int64(time.Second) + int64(sent+e.clock)),
	}
	s.Format = decoder.FormatNetFlowV5
	if e.uptime != nil {
		s.uptime = *e.uptime
	}
	s.boot = bootTime(s.exported, s.uptime)
	return s
}

// outcome is what a sequence told of all packets.
type outcome struct {
	missed      uint64
	restarts    int
	unsequenced bool
	unit        decoder.SequenceUnit
}

const ms, s = time.Millisecond, time.Second

// every returns n packets of the given records, one an interval from start on,
// the sequence moving by step.
func every(interval, start time.Duration, n int, seq, step, records uint32) []export {
	packets := make([]export, n)
	for i := range packets {
		packets[i] = export{at: start + time.Duration(i)*interval, seq: seq + uint32(i)*step, records: records}
	}
	return packets
}

func join(parts ...[]export) (all []export) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// alternate takes packets from both lists in turn.
func alternate(a, b []export) (all []export) {
	for i := range a {
		all = append(all, a[i], b[i])
	}
	return all
}

func TestSequence(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		packets []export
		settled time.Duration // the moment of the scrape; 0: none
		want    outcome
	}{
		{
			name:    "the first packet never counts",
			packets: []export{{seq: 4_000_000_000, records: 30}},
			settled: 10 * s,
		},
		{
			name:    "nothing is missing",
			packets: every(s, 0, 20, 100, 30, 30),
			settled: 30 * s,
		},
		{
			name:    "packets of different size, nothing is missing",
			packets: []export{{0, 7, 30, 0, 0, nil}, {1 * s, 37, 1, 0, 0, nil}, {2 * s, 38, 12, 0, 0, nil}, {3 * s, 50, 30, 0, 0, nil}},
			settled: 30 * s,
		},
		{
			// 0-29 came, 30-59 did not, 60-89 did.
			name:    "a gap counts once it was open for a second",
			packets: []export{{at: 0, seq: 0, records: 30}, {at: 1 * s, seq: 60, records: 30}},
			settled: 2 * s,
			want:    outcome{missed: 30},
		},
		{
			name:    "a gap does not count before",
			packets: []export{{at: 0, seq: 0, records: 30}, {at: 1 * s, seq: 60, records: 30}},
			settled: 2*s - 1,
		},
		{
			name: "the next packet settles a gap, too",
			packets: []export{
				{at: 0, seq: 0, records: 30}, {at: 1 * s, seq: 60, records: 30}, {at: 2 * s, seq: 90, records: 30},
			},
			want: outcome{missed: 30},
		},
		{
			name:    "a gap counts only once",
			packets: join([]export{{at: 0, seq: 0, records: 30}}, every(s, s, 20, 60, 30, 30)),
			settled: 60 * s,
			want:    outcome{missed: 30},
		},
		{
			name: "a late packet closes the gap",
			packets: []export{
				{at: 0, seq: 0, records: 30}, {at: 500 * ms, seq: 60, records: 30},
				{at: 600 * ms, seq: 30, records: 30, sent: 300 * ms}, {at: 700 * ms, seq: 90, records: 30},
			},
			settled: 10 * s,
		},
		{
			// 30-119 open, 60-89 comes: 60 are missing.
			name: "a late packet in the middle makes the gap smaller",
			packets: []export{
				{at: 0, seq: 0, records: 30}, {at: 500 * ms, seq: 120, records: 30},
				{at: 600 * ms, seq: 60, records: 30, sent: 300 * ms},
			},
			settled: 10 * s,
			want:    outcome{missed: 60},
		},
		{
			name: "packets in opposite order are not missing",
			packets: []export{
				{at: 0, seq: 0, records: 10}, {at: 5 * ms, seq: 40, records: 10, sent: 1 * ms},
				{at: 5 * ms, seq: 30, records: 10, sent: 2 * ms}, {at: 5 * ms, seq: 20, records: 10, sent: 3 * ms},
				{at: 5 * ms, seq: 10, records: 10, sent: 4 * ms}, {at: 1 * s, seq: 50, records: 10},
			},
			settled: 10 * s,
		},
		{
			name: "a packet that is later than a second was counted, and is no restart",
			packets: []export{
				{at: 0, seq: 0, records: 30}, {at: 500 * ms, seq: 60, records: 30}, {at: 1500 * ms, seq: 90, records: 30},
				{at: 1600 * ms, seq: 30, records: 30, sent: 1300 * ms}, {at: 2 * s, seq: 120, records: 30},
			},
			settled: 10 * s,
			want:    outcome{missed: 30},
		},
		{
			name: "many copies of one packet change nothing",
			packets: []export{
				{at: 0, seq: 0, records: 30}, {at: 1 * s, seq: 30, records: 30},
				{at: 1100 * ms, seq: 30, records: 30, sent: 100 * ms}, {at: 1200 * ms, seq: 30, records: 30, sent: 200 * ms},
				{at: 1300 * ms, seq: 30, records: 30, sent: 300 * ms}, {at: 1400 * ms, seq: 30, records: 30, sent: 400 * ms},
			},
			settled: 10 * s,
		},
		{
			name: "copies change nothing",
			packets: []export{
				{at: 0, seq: 0, records: 30}, {at: 1 * s, seq: 30, records: 30},
				{at: 1100 * ms, seq: 30, records: 30, sent: 100 * ms}, {at: 1200 * ms, seq: 0, records: 30, sent: 1200 * ms},
				{at: 2 * s, seq: 60, records: 30},
			},
			settled: 10 * s,
		},
		{
			// 10 of 20 records are lost five times within a second.
			name:    "the oldest of too many gaps counts at once",
			packets: every(100*ms, 0, 6, 0, 20, 10),
			want:    outcome{missed: 10},
		},
		{
			name:    "all of many gaps count",
			packets: every(100*ms, 0, 6, 0, 20, 10),
			settled: 10 * s,
			want:    outcome{missed: 50},
		},
		{
			// 2^32-40 .. 2^32-11 came; 2^32-10 .. 2^32-1 and 0 .. 19 did not.
			name:    "the sequence wraps",
			packets: []export{{at: 0, seq: 1<<32 - 40, records: 30}, {at: 1 * s, seq: 20, records: 30}},
			settled: 10 * s,
			want:    outcome{missed: 30},
		},
		{
			name: "the uptime wraps",
			packets: []export{
				{at: 0, seq: 0, records: 30, uptime: new(decoder.Uptime(1<<32 - 500))}, {at: 1 * s, seq: 60, records: 30, uptime: new(decoder.Uptime(500))},
			},
			settled: 10 * s,
			want:    outcome{missed: 30},
		},
		{
			// 120 s later the exporter has sent 3,600 flows elsewhere.
			name:    "a silence of more than a minute is forgotten",
			packets: join(every(s, 0, 10, 0, 30, 30), every(s, 130*s, 10, 3900, 30, 30)),
			settled: 200 * s,
		},
		{
			// Packets 10 to 68 are lost: 59 x 30.
			name:    "a silence of a minute is not",
			packets: join(every(s, 0, 10, 0, 30, 30), every(s, 69*s, 10, 2070, 30, 30)),
			settled: 200 * s,
			want:    outcome{missed: 1770},
		},
		{
			// The interval is learned from the first two. The third lacks a packet.
			name: "an exporter with long intervals is not forgotten",
			packets: []export{
				{at: 0, seq: 0, records: 30}, {at: 120 * s, seq: 30, records: 30}, {at: 360 * s, seq: 90, records: 30},
			},
			settled: 400 * s,
			want:    outcome{missed: 30},
		},
		{
			// The usual interval becomes 1 s + 54 s / 8, the patience 77.5 s.
			name:    "a single pause does not make the collector patient",
			packets: join(every(s, 0, 10, 0, 30, 30), []export{{at: 64 * s, seq: 300, records: 30}, {at: 164 * s, seq: 630, records: 30}}),
			settled: 200 * s,
		},
		{
			name: "backwards is a restart when the uptime has just wrapped, too",
			packets: []export{
				{at: 0, seq: 50_000, records: 30, uptime: new(decoder.Uptime(1<<32 - 500))},
				{at: 1 * s, seq: 0, records: 30, uptime: new(decoder.Uptime(500))},
			},
			settled: 60 * s,
			want:    outcome{restarts: 1},
		},
		{
			name:    "backwards is a restart",
			packets: join(every(s, 0, 10, 50_000, 30, 30), every(s, 10*s, 10, 0, 30, 30)),
			settled: 60 * s,
			want:    outcome{restarts: 1},
		},
		{
			// At 30 flows a second, up to 1000 + 10 x 30 are plausible after 1 s.
			name:    "a plausible gap is a loss",
			packets: join(every(s, 0, 10, 0, 30, 30), every(s, 10*s, 10, 300+1300, 30, 30)),
			settled: 60 * s,
			want:    outcome{missed: 1300},
		},
		{
			name:    "an implausible gap is a restart",
			packets: join(every(s, 0, 10, 0, 30, 30), every(s, 10*s, 10, 300+1301, 30, 30)),
			settled: 60 * s,
			want:    outcome{restarts: 1},
		},
		{
			// 100 packets of 30 in the first 99 ms: already 3,000 flows a second.
			name:    "the rate of a new exporter is known within its first second",
			packets: join(every(ms, 0, 100, 0, 30, 30), every(ms, 100*ms, 100, 3000+20_000, 30, 30)),
			settled: 60 * s,
			want:    outcome{missed: 20_000},
		},
		{
			// Ten seconds of 3,000 flows a second, two of 30: by a quarter a second
			// the rate falls to about 2,260 and 1,700. 1000 + 10 x 1700 are plausible.
			name: "a quiet moment does not make a burst implausible",
			packets: join(every(10*ms, 0, 1000, 0, 30, 30), every(s, 10*s, 3, 30_000, 30, 30),
				every(10*ms, 13*s, 2, 30_090+10_000, 30, 30)),
			settled: 60 * s,
			want:    outcome{missed: 10_000},
		},
		{
			name: "a boot time moved by over 10 s is a restart, not a loss",
			packets: []export{
				{at: 0, seq: 0, records: 30}, {at: 1 * s, seq: 90, records: 30, clock: 10*s + ms},
				{at: 2 * s, seq: 120, records: 30, clock: 10*s + ms},
			},
			settled: 10 * s,
			want:    outcome{restarts: 1},
		},
		{
			name: "a boot time moved backwards is a restart as well",
			packets: []export{
				{at: 0, seq: 0, records: 30}, {at: 1 * s, seq: 90, records: 30, clock: -10*s - ms},
			},
			settled: 10 * s,
			want:    outcome{restarts: 1},
		},
		{
			name: "a boot time moved by 10 s is an adjusted clock",
			packets: []export{
				{at: 0, seq: 0, records: 30}, {at: 1 * s, seq: 90, records: 30, clock: 10 * s},
			},
			settled: 10 * s,
			want:    outcome{missed: 60},
		},
		{
			name: "an uptime that stands still tells nothing of a boot",
			packets: []export{
				{at: 0, seq: 0, records: 30, uptime: new(decoder.Uptime(0))}, {at: 30 * s, seq: 30, records: 30, uptime: new(decoder.Uptime(0))},
				{at: 60 * s, seq: 90, records: 30, uptime: new(decoder.Uptime(0))},
			},
			settled: 90 * s,
			want:    outcome{missed: 30},
		},
		{
			name: "what was open at a restart is not counted",
			packets: []export{
				{at: 0, seq: 90_000, records: 30}, {at: 1 * s, seq: 90_060, records: 30}, {at: 1500 * ms, seq: 0, records: 30},
			},
			settled: 10 * s,
			want:    outcome{restarts: 1},
		},
		{
			name:    "a constant sequence is recognised",
			packets: every(s, 0, 50, 0, 0, 30),
			settled: 100 * s,
			want:    outcome{unsequenced: true},
		},
		{
			name:    "a constant sequence of single records is recognised",
			packets: every(s, 0, 50, 77, 0, 1),
			settled: 100 * s,
			want:    outcome{unsequenced: true},
		},
		{
			name: "a constant sequence is recognised when the uptime stands still, too",
			packets: []export{
				{at: 0, seq: 7, records: 30, uptime: new(decoder.Uptime(0))}, {at: 1 * s, seq: 7, records: 30, uptime: new(decoder.Uptime(0))},
				{at: 2 * s, seq: 7, records: 30, uptime: new(decoder.Uptime(0))}, {at: 3 * s, seq: 7, records: 30, uptime: new(decoder.Uptime(0))},
			},
			settled: 10 * s,
			want:    outcome{unsequenced: true},
		},
		{
			// 30, 1, 30, 1 ... records: after a single one the next number is right.
			name:    "counting packets of which some hold one record",
			packets: alternate(every(2*s, 0, 10, 500, 2, 30), every(2*s, s, 10, 501, 2, 1)),
			settled: 100 * s,
			want:    outcome{unit: decoder.CountsPackets},
		},
		{
			name:    "counting packets is recognised",
			packets: every(s, 0, 50, 500, 1, 30),
			settled: 100 * s,
			want:    outcome{unit: decoder.CountsPackets},
		},
		{
			name:    "once it is, packets are missed",
			packets: join(every(s, 0, 4, 500, 1, 30), every(s, 4*s, 10, 511, 1, 30)),
			settled: 100 * s,
			want:    outcome{missed: 7, unit: decoder.CountsPackets},
		},
		{
			name:    "counting packets of which every second is lost",
			packets: every(s, 0, 50, 500, 2, 30),
			settled: 100 * s,
			want:    outcome{unsequenced: true},
		},
		{
			// 100 and 10 seconds' worth of one a second are plausible.
			name:    "of packets, up to a hundred at once are plausible",
			packets: join(every(s, 0, 20, 500, 1, 30), every(s, 20*s, 20, 630, 1, 30), every(s, 40*s, 20, 761, 1, 30)),
			settled: 100 * s,
			want:    outcome{missed: 110, restarts: 1, unit: decoder.CountsPackets},
		},
		{
			name:    "three odd packets are needed",
			packets: every(s, 0, 3, 500, 1, 30),
			settled: 100 * s,
		},
		{
			// Steps of 2^31 + 3 are backwards, then forwards by far, and so on.
			name:    "a random sequence is recognised, after three restarts",
			packets: every(s, 0, 50, 0, 1<<31+3, 30),
			settled: 100 * s,
			want:    outcome{restarts: 3, unsequenced: true},
		},
		{
			name:    "packets of one record are in order",
			packets: every(s, 0, 50, 0, 1, 1),
			settled: 100 * s,
		},
		{
			name: "restarts do not add up over time",
			packets: join(every(s, 0, 5, 50_000, 1, 1), every(s, 5*s, 5, 0, 1, 1), every(s, 10*s, 5, 90_000, 1, 1),
				every(s, 15*s, 5, 0, 1, 1)),
			settled: 100 * s,
			want:    outcome{restarts: 3},
		},
		{
			// Twice nine packets that count flows, with a jump in between.
			name:    "an exporter has to count flows ten times in a row",
			packets: join(every(s, 0, 50, 0, 0, 30), every(s, 50*s, 10, 1000, 30, 30), every(s, 60*s, 10, 5000, 30, 30)),
			settled: 100 * s,
			want:    outcome{unsequenced: true},
		},
		{
			// 50 x 0; then 10 packets of 30 are needed, the next gap counts.
			name:    "an exporter may learn to count flows",
			packets: join(every(s, 0, 50, 0, 0, 30), every(s, 50*s, 11, 1000, 30, 30), []export{{at: 61 * s, seq: 1390, records: 30}}),
			settled: 100 * s,
			want:    outcome{missed: 60},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := watch(test.packets, test.settled); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

// watch shows the packets to a new sequence.
func watch(packets []export, settled time.Duration) (o outcome) {
	var q sequence
	for _, p := range packets {
		v := q.see(p.sighting(), p.at)
		o.missed += v.missed
		if v.restarted {
			o.restarts++
		}
	}
	if settled > 0 {
		o.missed += q.closeGaps(settled)
	}
	o.unsequenced, o.unit = q.unsequenced, q.counts.unit()
	return o
}

func TestSequenceTellsOnceThatItIsUnsequenced(t *testing.T) {
	t.Parallel()
	var q sequence
	told := 0
	for _, p := range every(s, 0, 100, 0, 0, 30) {
		if q.see(p.sighting(), p.at).unsequenced {
			told++
		}
	}
	if told != 1 {
		t.Errorf("told %d times, want once", told)
	}
}

// Whatever an exporter sends, in whatever format, a sequence neither panics nor
// counts more as missing than the packets' numbers jumped over.
func FuzzSequence(f *testing.F) {
	for format := range byte(4) {
		f.Add(format, []byte{0, 0, 0, 30, 1, 60, 1, 30, 2, 200, 0, 1})
		f.Add(format, []byte{0, 255, 255, 1, 1, 0, 0, 1, 200, 3, 0, 1})
		f.Add(format, []byte{0, 0, 30, 29, 1, 0, 60, 29, 1, 0, 90, 29, 1, 0, 120, 29, 1, 0, 125, 4, 1, 0, 200, 29, 1, 0, 230, 29})
	}
	f.Fuzz(func(t *testing.T, format byte, data []byte) {
		var q sequence
		var now time.Duration
		var missed, limit uint64
		var last uint32
		for ; len(data) >= 4; data = data[4:] {
			now += time.Duration(data[0]) * 100 * ms
			p := export{at: now, seq: uint32(data[1])<<8 | uint32(data[2]), records: uint32(data[3]) + 1}
			sighted := p.sighting()
			sighted.Format = decoder.Formats()[format%4]
			sighted.steps[decoder.CountsDataRecords] += uint32(data[0]) % 3
			sighted.partial = data[0]%7 == 6
			missed += q.see(sighted, now).missed
			if p.seq > last {
				limit += uint64(p.seq - last)
			}
			last = p.seq
		}
		if missed += q.closeGaps(now + time.Hour); missed > limit {
			t.Errorf("missed %d flows, while the sequence moved forward by %d in all", missed, limit)
		}
	})
}

func BenchmarkSequence(b *testing.B) {
	packets := every(ms, 0, 1024, 0, 30, 30)
	sightings := make([]sighting, len(packets))
	for i := range packets {
		sightings[i] = *packets[i].sighting()
	}
	var q sequence
	b.ReportAllocs()
	var now time.Duration
	for i := 0; b.Loop(); i++ {
		sighted := &sightings[i%len(sightings)]
		sighted.number = uint32(i) * 30
		now += ms
		q.see(sighted, now)
	}
}
