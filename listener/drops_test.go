package listener

import (
	"errors"
	"testing"
)

func TestDropCounter(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name  string
		reads []uint32
		want  uint64
	}{
		{"never read", nil, 0},
		{"before the first read", []uint32{7}, 7},
		{"same again", []uint32{7, 7, 7}, 7},
		{"grows", []uint32{7, 10, 100}, 100},
		{"wraps", []uint32{0xffff_fff0, 5}, 0x1_0000_0005},
		{"wraps to 0", []uint32{0xffff_ffff, 0}, 0x1_0000_0000},
		{"wraps twice", []uint32{0x8000_0000, 0, 0x8000_0000, 1}, 0x2_0000_0001},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var counter dropCounter
			for _, n := range c.reads {
				counter.update(func() (uint32, error) { return n, nil })
			}
			failing := func() (uint32, error) { return 99, errors.New("closed") }
			if got := counter.update(failing); got != c.want {
				t.Errorf("total %d, want %d", got, c.want)
			}
		})
	}
}

func TestDropCounterFinish(t *testing.T) {
	t.Parallel()
	var counter dropCounter
	read := func(n uint32, err error) func() (uint32, error) {
		return func() (uint32, error) { return n, err }
	}
	counter.finish(read(0, errors.New("no answer")))
	if got := counter.update(read(3, nil)); got != 3 {
		t.Errorf("total %d after a finish that failed, want 3", got)
	}
	counter.finish(read(5, nil))
	counter.finish(read(9, nil))
	if got := counter.update(read(9, nil)); got != 5 {
		t.Errorf("total %d, want the 5 of the first finish", got)
	}
}
