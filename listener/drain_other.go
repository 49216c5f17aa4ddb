//go:build !linux || portable

package listener

// drain reads on for a while: the socket cannot refuse new datagrams.
func (s *socket) drain(b *batch, h Handler) error { return s.readOn(b, h) }
