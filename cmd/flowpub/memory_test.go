package main

import (
	"runtime/debug"
	"strings"
	"testing"
)

func TestLimitGoMemory(t *testing.T) {
	t.Parallel()
	const unset = -1
	tests := []struct {
		name    string
		environ []string
		limited bool
		want    int64
	}{
		{"container", nil, true, 96 << 20},
		{"no container", nil, false, unset},
		{"variable", []string{"A=1", "GOMEMLIMIT=64MiB"}, true, unset},
		{"variable says off", []string{"GOMEMLIMIT=off"}, true, unset},
		{"variable is empty", []string{"GOMEMLIMIT="}, true, 96 << 20},
		{"another variable", []string{"GOMEMLIMITS=64MiB"}, true, 96 << 20},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := int64(unset)
			limitGoMemory(tt.environ,
				func() (int64, bool) { return 96 << 20, tt.limited },
				func(n int64) int64 { got = n; return 0 })
			if got != tt.want {
				t.Errorf("the limit was set to %d, want %d", got, tt.want)
			}
		})
	}
}

// Go 1.25 and newer follow the container's CPU quota, unless the module asks for
// an older Go's behaviour.
func TestProcessorsFollowTheQuota(t *testing.T) {
	t.Parallel()
	info, ok := debug.ReadBuildInfo()
	if !ok {
		t.Fatal("the test has no build information")
	}
	for _, setting := range info.Settings {
		if setting.Key != "DefaultGODEBUG" {
			continue
		}
		for _, old := range []string{"containermaxprocs=0", "updatemaxprocs=0"} {
			if strings.Contains(setting.Value, old) {
				t.Errorf("built with GODEBUG %s: GOMAXPROCS would be all of the node's processors", old)
			}
		}
	}
}
