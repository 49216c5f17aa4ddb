package exporter

import (
	"errors"
	"math"
	"testing"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/netflow5"
)

func TestDamage(t *testing.T) {
	t.Parallel()
	const many = decoder.AnomalyCountAbovePresent | decoder.AnomalyCountAbove30
	tests := []struct {
		name      string
		damage    damage
		readable  int
		err       error // another will do where the version happens to be cut
		anomalies decoder.Anomalies
	}{
		{"empty", damageEmpty, 0, decoder.ErrShort, 0},
		{"short", damageShort, 0, decoder.ErrShort, 0},
		{"header only", damageHeaderOnly, 0, decoder.ErrNoRecords, 0},
		{"truncated", damageTruncated, 2, nil, decoder.AnomalyCountAbovePresent | decoder.AnomalyPartialRecord},
		{"version", damageVersion, 0, decoder.ErrVersion, 0},
		{"count zero", damageCountZero, 0, decoder.ErrNoRecords, 0},
		{"count high", damageCountHigh, 3, nil, many},
		{"trailing", damageTrailing, 3, nil, decoder.AnomalyTrailingBytes},
		{"noise", damageNoise, 0, decoder.ErrVersion, 0},
	}
	if len(tests) != int(damageCount) {
		t.Errorf("%d kinds are tested, there are %d", len(tests), damageCount)
	}
	whole, _ := record(t, Config{Flows: 3})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, variant := range []uint32{0, 1, 22, 46, 47, 1000, math.MaxUint32} {
				packet := make([]byte, 0, len(whole[0].payload)+maxDamage)
				packet = append(packet, whole[0].payload...)
				left, readable := tt.damage.apply(packet, 3, variant)
				var p decoder.ExportPacket
				err := netflow5.Decode(left, &p)
				if !errors.Is(err, tt.err) || p.Anomalies != tt.anomalies {
					t.Errorf("variant %d: %v, anomalies %v, want %v, %v", variant, err, p.Anomalies, tt.err, tt.anomalies)
				}
				if len(p.Records) != readable || readable != tt.readable {
					t.Errorf("variant %d: says %d records, a decoder reads %d, want %d", variant, readable, len(p.Records), tt.readable)
				}
			}
		})
	}
}
