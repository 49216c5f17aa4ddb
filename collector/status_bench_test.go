package collector

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// What the page asks for, each 2 s without a list of exporters, and what a survey costs,
// each 5 s.
func BenchmarkStatus(b *testing.B) {
	for _, exporters := range []int{16, 5000} {
		c := newTestCollector(b, 1, 1, nil)
		now := time.Now()
		for i := range exporters {
			source := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 9).String()
			c.intakes[0][0].handle(from(source, v5(0, 30, now)), now)
		}
		c.survey()
		for _, list := range []bool{false, true} {
			b.Run(fmt.Sprintf("exporters=%d/list=%t", exporters, list), func(b *testing.B) {
				bytes := 0
				for b.Loop() {
					body, err := json.Marshal(c.Status(list))
					if err != nil {
						b.Fatal(err)
					}
					bytes = len(body)
				}
				b.ReportMetric(float64(bytes), "B/answer")
			})
		}
		b.Run(fmt.Sprintf("exporters=%d/survey", exporters), func(b *testing.B) {
			for b.Loop() {
				c.survey()
			}
		})
	}
}
