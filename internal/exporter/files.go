package exporter

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/flowpub/flowpub/internal/pcap"
)

// captureFiles are the files of a replay. Each is opened before anything is
// sent, and again for each further round. What is opened first stays open for
// its turn: a pipe can be opened only once.
type captureFiles struct {
	names []string
	// waiting has the files that were not taken yet, nil for the others.
	waiting []*os.File
}

// openCaptures opens all files. Its error tells of each that cannot be opened.
func openCaptures(names []string) (*captureFiles, error) {
	files := &captureFiles{names: names, waiting: make([]*os.File, len(names))}
	var errs []error
	for i, name := range names {
		f, err := openCapture(name)
		if err != nil {
			errs = append(errs, replaying(name, err))
			continue
		}
		files.waiting[i] = f
	}
	if len(errs) > 0 {
		files.close()
		return nil, errors.Join(errs...)
	}
	return files, nil
}

// openCapture refuses directories, which can be opened but not read.
func openCapture(name string) (*os.File, error) {
	f, err := os.Open(name) //nolint:gosec // the caller names the file
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, errors.Join(errors.New("it is a directory: name the captures in it"), f.Close())
	}
	return f, nil
}

// errNoExport: a capture without anything that an exporter sends.
var errNoExport = errors.New("it is a capture, but holds no datagram of NetFlow, IPFIX or sFlow: name another")

// check refuses files that are no recordings of exporters, unless any payloads are wanted. What can
// be read only once is not looked at.
func (c *captureFiles) check(payloads bool) error {
	if payloads {
		return nil
	}
	var errs []error
	for i, f := range c.waiting {
		info, err := f.Stat()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		if err := checkCapture(f); err != nil {
			errs = append(errs, replaying(c.names[i], err))
		}
	}
	return errors.Join(errs...)
}

// checkCapture looks for the first datagram of an exporter, and goes back to the beginning.
func checkCapture(f *os.File) error {
	errFound := errors.New("found")
	err := pcap.Read(f, pcap.IsFlowExport, func(p pcap.Packet) error {
		if pcap.BeginsLikeFlowExport(p.Payload) {
			return errFound
		}
		return nil
	})
	switch {
	case err == nil:
		return errNoExport
	case errors.Is(err, pcap.ErrNoCapture):
		return err
	default: // found, or damaged further on, which sending tells
		_, err := f.Seek(0, io.SeekStart)
		return err
	}
}

// take returns the i-th file at its beginning; the caller closes it.
func (c *captureFiles) take(i int) (*os.File, error) {
	if f := c.waiting[i]; f != nil {
		c.waiting[i] = nil
		return f, nil
	}
	return openCapture(c.names[i])
}

// close closes the files that were not taken.
func (c *captureFiles) close() {
	for _, f := range c.waiting {
		if f != nil {
			f.Close() //nolint:errcheck,gosec // nothing was read
		}
	}
}

// replaying says of which file err is.
func replaying(name string, err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok && path.Path == name {
		err = fmt.Errorf("%w; check its name, and that this user may read it", path.Err)
	}
	return fmt.Errorf("exporter: replaying %s: %w", name, err)
}
