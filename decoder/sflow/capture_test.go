package sflow_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/flowpub/flowpub/internal/pcap"
)

// readCapture returns the datagrams of a capture that begin as those of sFlow version 5: the
// expected samples are numbered by these.
func readCapture(tb testing.TB, path string) (payloads [][]byte) {
	tb.Helper()
	file, err := os.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer file.Close()
	err = pcap.Read(file, nil, func(p pcap.Packet) error {
		if bytes.HasPrefix(p.Payload, []byte{0, 0, 0, 5}) {
			payloads = append(payloads, bytes.Clone(p.Payload))
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return payloads
}

// open returns the content of a file, or of that with .gz behind its name.
func open(tb testing.TB, path string) io.Reader {
	tb.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		return bytes.NewReader(b)
	}
	if b, err = os.ReadFile(path + ".gz"); err != nil {
		tb.Fatal(err)
	}
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// readLines returns the values of a file with a JSON value on each line.
func readLines[T any](tb testing.TB, path string) (values []T) {
	tb.Helper()
	for d := json.NewDecoder(open(tb, path)); ; {
		var v T
		err := d.Decode(&v)
		if errors.Is(err, io.EOF) {
			return values
		}
		if err != nil {
			tb.Fatalf("%s: %v", path, err)
		}
		values = append(values, v)
	}
}
