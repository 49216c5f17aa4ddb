package decoder

import "testing"

func BenchmarkDecode(b *testing.B) {
	payload := make([]byte, HeaderLen+MaxRecords*RecordLen)
	payload[1], payload[3] = 5, MaxRecords
	for i := HeaderLen; i < len(payload); i++ {
		payload[i] = byte(i)
	}
	payload[9] = 0x60
	var p ExportPacket
	b.ReportAllocs()
	for b.Loop() {
		if err := Decode(payload, &p); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*MaxRecords), "ns/record")
}
