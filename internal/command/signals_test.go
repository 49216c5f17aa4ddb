package command

import (
	"context"
	"os"
	"testing"
)

func TestUntilSignal(t *testing.T) {
	t.Parallel()
	forever := make(chan struct{})
	t.Cleanup(func() { close(forever) })
	tests := []struct {
		name    string
		signals int
		program func(context.Context) int
		want    int
	}{
		{"no signal", 0, func(context.Context) int { return 2 }, 2},
		{"one signal ends it in order", 1, func(ctx context.Context) int { <-ctx.Done(); return 0 }, 0},
		{"one signal, and flows were given up", 1, func(ctx context.Context) int { <-ctx.Done(); return 1 }, 1},
		{"two signals end it at once", 2, func(context.Context) int { <-forever; return 0 }, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			signals := make(chan os.Signal, 2)
			for range tt.signals {
				signals <- os.Interrupt
			}
			if got := endOn(signals, tt.program); got != tt.want {
				t.Errorf("exit status %d, want %d", got, tt.want)
			}
		})
	}
}
