package collector

import (
	"net/netip"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/ipfix"
	"github.com/flowpub/flowpub/decoder/netflow9"
	"github.com/flowpub/flowpub/decoder/template"
	"github.com/flowpub/flowpub/internal/corpus"
	"github.com/flowpub/flowpub/internal/pcap"
)

// The recordings that the decoder is tested with, as tables that another
// decoder made of them. What is missing was found by hand: fprobe lost every
// second packet of 30 records, seven in all.
func TestStreamsOfRecordings(t *testing.T) {
	t.Parallel()
	for name, missed := range map[string]uint64{
		"fprobe_live_seqgaps.pcap.expected.csv":    7 * 30,
		"softflowd_synth6200.pcap.expected.csv.gz": 0,
		"pmacctd_synth400_as.pcap.expected.csv":    0,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table := newStreams(10, nil)
			var began, now time.Duration
			for i, p := range recordedPackets(t, "../decoder/netflow5/testdata/"+name) {
				if now = time.Duration(p.exported); i == 0 {
					began = now
				}
				table.see(&p, now-began)
			}
			table.closeGaps(now-began+gapPatience, func(st *stream) {
				if st.unsequenced {
					t.Error("found to be unsequenced")
				}
			})
			if table.missedRecords != missed || table.restarts != 0 {
				t.Errorf("%d flows missed and %d restarts, want %d and none", table.missedRecords, table.restarts, missed)
			}
			if len(table.slots) != 1 {
				t.Errorf("%d streams, want 1", len(table.slots))
			}
		})
	}
}

// Recordings of formats with templates, in which every packet is there but in
// that of Open vSwitch: of each burst it loses what its socket does not take, as
// the numbers show, which jump from 1 to 124 and from 188 to 257 (by hand).
func TestWhatRecordedExportersCount(t *testing.T) {
	t.Parallel()
	const flows, records, packets = decoder.CountsFlows, decoder.CountsDataRecords, decoder.CountsPackets
	for name, test := range map[string]struct {
		counts  counting
		learned bool
		missed  uint64
	}{
		"netflow9/exporters/softflowd_v9_mixed_ether_s10.pcap.gz": {counting(packets), true, 0},
		"netflow9/exporters/softflowd_v9_teams.pcap.gz":           {counting(packets), true, 0},
		"netflow9/exporters/pmacctd_v9_full.pcap.gz":              {counting(packets), true, 0},
		"ipfix/exporters/pmacctd_ipfix_full.pcap.gz":              {counting(records), true, 0},
		"ipfix/exporters/softflowd_ipfix_milli_ether.pcap.gz":     {counting(flows) + inclusive, true, 0},
		"ipfix/exporters/softflowd_ipfix_sysuptime.pcap.gz":       {counting(flows) + inclusive, true, 0},
		"ipfix/exporters/softflowd_psamp.pcap.gz":                 {counting(records), false, 0}, // one record a packet
		"ipfix/exporters/ovs_ipfix_s1.pcap.gz":                    {counting(records), true, 123 + 68},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table := newStreams(10, nil)
			now := watchCapture(t, table, "../decoder/template/testdata/"+name)
			table.closeGaps(now+gapPatience, func(st *stream) {
				if st.counts != test.counts || st.learned != test.learned || st.unsequenced {
					t.Errorf("counts %d, learned: %v, unsequenced: %v; want %d and %v", st.counts, st.learned, st.unsequenced, test.counts, test.learned)
				}
			})
			if table.missedRecords != test.missed || len(table.missedPackets) != 0 || table.restarts != 0 {
				t.Errorf("missed are %d records and the packets %v, %d restarts; want %d and nothing else",
					table.missedRecords, table.missedPackets, table.restarts, test.missed)
			}
			if len(table.slots) != 1 {
				t.Errorf("%d streams, want 1", len(table.slots))
			}
		})
	}
}

// watchCapture shows the table the packets of a capture, and returns the moment of
// the last.
func watchCapture(t *testing.T, table *streams, name string) (now time.Duration) {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	reader := template.NewReader(template.NewTable(template.Config{}))
	var packet decoder.ExportPacket
	var began time.Time
	err = pcap.Read(file, nil, func(d pcap.Packet) error {
		if began.IsZero() {
			began = d.Time
		}
		now = d.Time.Sub(began)
		decode := netflow9.Decode
		if len(d.Payload) > 1 && d.Payload[1] == 10 {
			decode = ipfix.Decode
		}
		if err := decode(reader, d.Payload, d.Source, now, &packet); err != nil {
			return err
		}
		var s sighting
		s.fill(d.Source, decoder.UnixNano(d.Time.UnixNano()), &packet, packet.AllAnomalies())
		table.see(&s, now)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return now
}

// recordedPackets reads a table of flow records and returns its packets. They
// arrived when they were sent.
func recordedPackets(t *testing.T, name string) (packets []sighting) {
	t.Helper()
	rows := corpus.Table(t, name)
	for _, row := range rows {
		if row["rec"] != "0" {
			continue
		}
		number := func(column string) uint64 {
			n, err := strconv.ParseUint(row[column], 10, 64)
			if err != nil {
				t.Fatalf("%s: column %s: %v", name, column, err)
			}
			return n
		}
		uptime := decoder.Uptime(number("sysuptime"))
		exported := decoder.UnixNano(number("unix_secs")*1e9 + number("unix_nsecs"))
		packets = append(packets, sighting{
			streamKey: streamKey{
				address: netip.MustParseAddr(row["exporter_ip"]).As16(), port: uint16(number("exporter_port")),
				StreamID: decoder.StreamID{
					Format: decoder.FormatNetFlowV5, EngineType: uint8(number("engine_type")), EngineID: uint8(number("engine_id")),
				},
			},
			number:   uint32(number("sequence")),
			steps:    [decoder.SequenceUnits]uint32{uint32(number("count")), uint32(number("count")), 1},
			uptime:   uptime,
			exported: exported,
			boot:     bootTime(exported, uptime),
		})
	}
	if len(packets) < 8 {
		t.Fatalf("%s holds %d packets", name, len(packets))
	}
	return packets
}
