package zstdframe

// Mark says where the parts of one record are, in bytes from the record's start. The
// parts follow each other in this order; a record whose mark says otherwise is
// taken as it is. The zero value but for Start marks a record of which nothing is known.
type Mark struct {
	// Start is where the record begins in the run of records.
	Start uint32
	// Key is where what all records of a packet have begins, but for what the
	// lengths take; Message where it goes on behind the length of the value.
	Key, Message uint8
	// First: the record is the first of its packet.
	First bool
	// AddressSize is that of the addresses, 4 or 16, or 0: nothing behind Fields is
	// marked.
	AddressSize uint8
	// Fields is where the fields begin that differ from record to record.
	Fields uint16
	// StartTime and EndTime are where the times begin, 8 bytes each, lowest first; 0 if
	// the record has none.
	StartTime, EndTime uint16
	// Header is where the fields begin that are in the headers of the flow's packets, such as
	// flags, protocol and ports: behind the counters, before what belongs to the source.
	Header uint16
	// SourceAddress, NextHop and Destination are where the addresses' bytes begin; the
	// fields of the source are before the first, those of the destination behind the last.
	SourceAddress, NextHop, Destination uint16
	// Tail is where what follows these fields begins.
	Tail uint16
}
