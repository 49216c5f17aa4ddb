package listener_test

import (
	"fmt"
	"net"
	"time"

	"github.com/flowpub/flowpub/listener"
)

func Example() {
	l, err := listener.Listen(listener.Config{
		Address:       "127.0.0.1:0", // the system chooses the port
		Sockets:       2,
		ReceiveBuffer: 1 << 20,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	heard := make(chan string)
	served := make(chan error, 1)
	go func() {
		served <- l.Serve(func(int) listener.Handler {
			// Called by one goroutine: what it needs may be made here, without locks.
			return func(batch []listener.Datagram, _ time.Time) {
				for _, d := range batch {
					heard <- fmt.Sprintf("%q from %v", d.Payload, d.From.Addr())
				}
			}
		})
	}()

	sender, err := net.Dial("udp", l.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := sender.Write([]byte("hello")); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(<-heard)

	fmt.Println(l.Drain(), <-served, sender.Close())
	// Output:
	// "hello" from 127.0.0.1
	// <nil> <nil> <nil>
}
