package main

import (
	"io"
	"reflect"
	"testing"
	"time"
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
					want = append(want, scenario{rate, codec, partitions, 1, delay})
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
	want := []scenario{{7, "none", 16, 16, 0}, {7, "zstd", 16, 16, 0}}
	if !reflect.DeepEqual(o.scenarios, want) || o.runs != 3 || o.duration != quickDuration || o.warmup != quickWarmup {
		t.Errorf("options are %+v", o)
	}
}
