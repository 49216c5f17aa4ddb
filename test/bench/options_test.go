package main

import (
	"io"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/flowpub/flowpub/internal/exporter"
)

func TestScenariosAreAllCombinations(t *testing.T) {
	t.Parallel()
	o, err := parseOptions([]string{
		"-rate", "lossless,max,5000", "-codec", "none, lz4", "-partitions", "4,16", "-exporters", "1", "-delay", "0,10ms",
	}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	var want []scenario
	for _, delay := range []time.Duration{0, 10 * time.Millisecond} {
		for _, partitions := range []int{4, 16} {
			for _, rate := range []int{rateLossless, rateMax, 5000} {
				for _, codec := range []string{"none", "lz4"} {
					want = append(want, scenario{rate: rate, codec: codec, partitions: partitions, exporters: 1, delay: delay})
				}
			}
		}
	}
	if !reflect.DeepEqual(o.scenarios, want) {
		t.Errorf("scenarios are %v\nwant %v", o.scenarios, want)
	}
}

func TestQuickKeepsWhatIsSet(t *testing.T) {
	t.Parallel()
	o, err := parseOptions([]string{"-quick", "-rate", "7", "-runs", "3"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	want := []scenario{
		{rate: 7, codec: "none", partitions: 16, exporters: 16}, {rate: 7, codec: "zstd-fast", partitions: 16, exporters: 16},
	}
	if !reflect.DeepEqual(o.scenarios, want) || o.runs != 3 || o.duration != quickDuration || o.warmup != quickWarmup {
		t.Errorf("options are %+v", o)
	}
}

func TestTraffic(t *testing.T) {
	t.Parallel()
	o, err := parseOptions([]string{"-traffic", "v5,v9-ipv6,ipfix,file:/tmp/softflowd.pcap"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, is := range o.traffic {
		names = append(names, is.String())
	}
	if want := []string{"v5", "v9-ipv6", "ipfix", "softflowd.pcap"}; !slices.Equal(names, want) {
		t.Errorf("traffic is %v, want %v", names, want)
	}
	var c exporter.Config
	o.traffic[1].configure(&c)
	if !slices.Equal(c.Formats, []exporter.Format{exporter.NetFlow9}) || c.IPv6Share != 1 || c.SamplingInterval == 0 {
		t.Errorf("v9-ipv6 is %+v", c)
	}
}
