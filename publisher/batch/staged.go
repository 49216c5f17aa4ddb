package batch

import "encoding/binary"

// messageHead is the size of what precedes a staged message.
const messageHead = 4

// Staged are the messages of records of one packet that wait for their
// partition: encoded, but not yet what they are framed in.
type Staged struct {
	// Timestamp and Key are those of all records.
	Timestamp int64
	Key       []byte
	// Records is their number.
	Records int
	// Messages is what AppendMessages appended.
	Messages []byte
}

// AppendMessages appends the messages of the packet's records from..to-1, each
// behind its length (4 bytes), without what leads to it in a value. There must be
// room for e.MaxMessagesSize, or b is allocated anew.
func (e *Encoder) AppendMessages(b []byte, from, to int) []byte {
	for i := from; i < to; i++ {
		at := len(b)
		b = e.appendMessage(append(b, 0, 0, 0, 0), i)
		binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	}
	return b
}

// MaxSize bounds what the records take in a batch.
func (s *Staged) MaxSize(f Framing) int {
	return s.Records*(maxFramingSize+len(s.Key)+maxLeadSize+markSize+len(f.Headers)) + len(s.Messages)
}
