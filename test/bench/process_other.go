//go:build !linux

package main

import (
	"errors"
	"time"
)

var errNotLinux = errors.New("only Linux tells the processor time of processes as this needs it")

func (*process) cpu() (all, system time.Duration, err error) { return 0, 0, errNotLinux }

func ownCPU() (time.Duration, error) { return 0, errNotLinux }
