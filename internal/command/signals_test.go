package command

import (
	"context"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

func TestUntilSignal(t *testing.T) {
	t.Parallel()
	inOrder := func(status int) func(context.Context) int {
		return func(ctx context.Context) int {
			<-ctx.Done()
			time.Sleep(10 * time.Second) //nolint:forbidigo // the bubble's clock
			return status
		}
	}
	tests := []struct {
		name    string
		signals []time.Duration // the times between them
		program func(context.Context) int
		want    int
	}{
		{"no signal", nil, func(context.Context) int { return 2 }, 2},
		{"one signal ends it in order", []time.Duration{0}, inOrder(0), 0},
		{"one signal, and flows were given up", []time.Duration{0}, inOrder(1), 1},
		{"signals at once are one", []time.Duration{0, 0, 900 * time.Millisecond}, inOrder(0), 0},
		{"a second one ends it at once", []time.Duration{0, time.Second}, inOrder(0), 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				signals := make(chan os.Signal)
				go func() {
					for _, after := range tt.signals {
						time.Sleep(after) //nolint:forbidigo // the bubble's clock
						signals <- os.Interrupt
					}
				}()
				if got := endOn(signals, tt.program); got != tt.want {
					t.Errorf("exit status %d, want %d", got, tt.want)
				}
				time.Sleep(time.Minute) //nolint:forbidigo // the bubble's clock: the program ends, too
			})
		})
	}
}
