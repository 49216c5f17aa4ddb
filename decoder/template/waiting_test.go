package template_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/template"
)

// wait has the sets of a packet wait and returns how many found room.
func (d *decoderOf) wait(tb testing.TB, rm *template.Room, b []byte, exporter int, now time.Duration) (waits int) {
	tb.Helper()
	d.decode(tb, b, exporterPort(exporter, 1), now)
	for _, s := range d.Missing {
		if rm.Add(exporterPort(exporter, 1), &d.p.Header, s, 77, now) {
			waits++
		}
	}
	return waits
}

// Sets that waited come in order, with their header, apart from the other records of
// their packet, and leave the room.
func TestRoomKeepsOrder(t *testing.T) {
	t.Parallel()
	d := newDecoder(template.Config{})
	rm := template.NewRoom(d.table)
	for i := range 3 {
		payload := v9At(1, uptime, exportSeconds, set(256, records(2, 8)), set(257, records(1, 8)), set(256, records(1, 8)))
		payload[15] = byte(i) // sequence
		if d.wait(t, rm, payload, 1, 0) != 3 {
			t.Fatal("no room")
		}
		clear(payload)
	}
	d.wait(t, rm, v9(2, set(256, records(1, 8))), 1, 0)
	d.wait(t, rm, v9(1, set(256, records(1, 8))), 2, 0)
	d.decode(t, v9(1, set(0, definition(256, short...))), exporterPort(1, 9), time.Second)
	ready, lost := rm.Take(exporterPort(1, 9), &d.p.Header, d.Learned, time.Second)
	if len(ready) != 6 || len(lost) != 0 {
		t.Fatalf("%d ready, %d lost, want 6 and none", len(ready), len(lost))
	}
	seen := map[uint32]bool{}
	for i, w := range ready {
		var p decoder.ExportPacket
		d.Waited(w, time.Second, &p)
		if w.ReceivedAt != 77 || p.FlowSequence != uint32(i/2) || len(p.Records) != 2-i%2 || d.Decoded != 1 {
			t.Errorf("set %d: %+v, %d records", i, p.Header, len(p.Records))
		}
		for j, r := range p.Records {
			place := p.FlowSequence<<20 | p.FirstRecord + uint32(j)
			if r.Anomalies&decoder.AnomalyWaited == 0 || seen[place] || p.FirstRecord < 4096 {
				t.Errorf("set %d, record %d: anomalies %v, place %d", i, j, r.Anomalies, p.FirstRecord)
			}
			seen[place] = true
		}
		if want := records(2-i%2, 8); !bytes.Equal(w.Records(), want) || p.Records[0].Octets != 0x1d242b32 {
			t.Errorf("set %d holds %x, octets %#x", i, w.Records(), p.Records[0].Octets)
		}
	}
	if sets, octets := rm.Len(); sets != 5 || octets == 0 {
		t.Errorf("%d sets wait, want 5", sets)
	}
	if got := rm.Empty(); len(got) != 5 {
		t.Errorf("emptied of %d sets, want 5", len(got))
	}
	if sets, octets := rm.Len(); sets != 0 || octets != 0 {
		t.Errorf("%d sets and %d bytes wait in an empty room", sets, octets)
	}
}

// A set that a stored template does not fit waits for that of its exporter.
func TestRoomWaitsForWhatFits(t *testing.T) {
	t.Parallel()
	d := newDecoder(template.Config{Track: true})
	d.decode(t, v9(1, set(0, definition(256, field{id: 8, length: 4}, field{id: 1, length: 8}))), exporterPort(1, 1), 0)
	for range 10 {
		d.decode(t, v9(1, set(256, records(1, 12))), exporterPort(1, 1), 0)
	}
	fresh := newDecoder(template.Config{})
	d.table.Changes(time.Second, 1, func(c template.Template) {
		if fresh.table.Restore(c, 0) != template.RestoredNew {
			t.Error("not restored")
		}
	}, func(template.DomainOptions) {})
	rm := template.NewRoom(fresh.table)
	payload := v9(1, set(256, records(1, 8)))
	if fresh.wait(t, rm, payload, 1, 0) != 1 {
		t.Fatal("it does not wait")
	}
	if ready, lost := rm.Take(exporterPort(1, 1), &fresh.p.Header, []uint16{256}, 0); len(ready)+len(lost) != 0 {
		t.Fatalf("%d ready, %d lost, want none", len(ready), len(lost))
	}
	fresh.decode(t, v9(1, set(0, definition(256, short...))), exporterPort(1, 1), 0)
	if ready, _ := rm.Take(exporterPort(1, 1), &fresh.p.Header, fresh.Learned, 0); len(ready) != 1 {
		t.Errorf("%d ready, want 1", len(ready))
	}
}

func TestRoomExpires(t *testing.T) {
	t.Parallel()
	d := newDecoder(template.Config{})
	rm := template.NewRoom(d.table)
	d.wait(t, rm, v9(1, set(256, records(1, 8))), 1, 0)
	d.wait(t, rm, v9(1, set(256, records(2, 8))), 1, time.Second)
	if got := rm.Expire(time.Minute); len(got) != 0 {
		t.Errorf("%d expired after a minute", len(got))
	}
	if got := rm.Expire(time.Minute + 1); len(got) != 1 || len(got[0].Records()) != 8 {
		t.Errorf("expired %v, want the first", got)
	}
	if sets, _ := rm.Len(); sets != 1 {
		t.Errorf("%d wait, want 1", sets)
	}
}

// A template that comes after a restart says nothing about what came before it.
func TestRoomKnowsRestarts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name            string
		data, learn     []byte
		ready, forsaken int
	}{
		{"v9", v9(1, set(256, records(1, 8))), v9At(1, uptime+30_000, exportSeconds+30, set(0, definition(256, short...))), 1, 0},
		{"v9, restarted", v9(1, set(256, records(1, 8))), v9At(1, 2_000, exportSeconds+30, set(0, definition(256, short...))), 0, 1},
		{"IPFIX", message(set(256, records(1, 8))), message(set(2, definition(256, short...))), 1, 0},
	} {
		d := newDecoder(template.Config{})
		rm := template.NewRoom(d.table)
		d.wait(t, rm, c.data, 1, 0)
		d.decode(t, c.learn, exporterPort(1, 1), 0)
		ready, lost := rm.Take(exporterPort(1, 1), &d.p.Header, d.Learned, 0)
		if len(ready) != c.ready || len(lost) != c.forsaken {
			t.Errorf("%s: %d ready, %d lost, want %d and %d", c.name, len(ready), len(lost), c.ready, c.forsaken)
		}
	}
}

func TestRoomIsBounded(t *testing.T) {
	t.Parallel()
	d := newDecoder(template.Config{})
	rm := template.NewRoom(d.table)
	got := 0
	for range 300 {
		got += d.wait(t, rm, v9(1, set(256, records(1, 8))), 1, 0)
	}
	if got != 256 {
		t.Errorf("%d sets of an address wait, want 256", got)
	}
	got = 0
	for range 30 {
		got += d.wait(t, rm, v9(1, set(256, make([]byte, 60_000))), 2, 0)
	}
	if got != 17 {
		t.Errorf("%d large sets of an address wait, want 17 in 1 MiB", got)
	}
	for e := range 40 {
		for range 20 {
			d.wait(t, rm, v9(1, set(256, make([]byte, 60_000))), 10+e, 0)
		}
	}
	if _, octets := rm.Len(); octets > 16<<20 || octets < 16<<20-70_000 {
		t.Errorf("%d bytes wait, want up to 16 MiB", octets)
	}
}
