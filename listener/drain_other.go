//go:build !linux || portable

package listener

// drain reads on for a while: the socket cannot refuse new datagrams.
func (s *socket) drain(r *reader, h Handler) error { return s.readOn(r, h) }
