//go:build !linux

package main

import (
	"errors"
	"time"
)

func (*process) cpu() (time.Duration, error) {
	return 0, errors.New("only Linux tells the processor time of another process")
}
