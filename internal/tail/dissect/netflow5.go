package dissect

// Lengths in NetFlow v5, in bytes.
const (
	header5 = 24
	record5 = 48
)

// netflow5 shows a packet: the fields of Cisco's "NetFlow Export Datagram Formats", by the
// names there.
func (p *page) netflow5(b []byte) {
	if len(b) < header5 {
		p.cut(1, "the header", b)
		return
	}
	n := numbers{b: b, at: 2}
	count := n.of16()
	p.line(1, "header: count=%d sys_uptime=%dms time=%s flow_sequence=%d", count, n.of32(), moment(n.of32(), n.of32()), n.of32())
	kind, id, sampling := n.of8(), n.of8(), n.of16()
	p.line(2, "engine_type=%d engine_id=%d sampling_mode=%d sampling_interval=%d", kind, id, sampling>>14, sampling&0x3fff)
	rest := b[header5:]
	for i := range int(count) {
		if len(rest) < record5 {
			p.cut(1, "a record", rest)
			return
		}
		p.record5(i+1, rest[:record5])
		rest = rest[record5:]
	}
	p.bytes(1, "behind the records", rest)
}

func (p *page) record5(index int, b []byte) {
	n := numbers{b: b}
	p.line(1, "record %d: srcaddr=%v dstaddr=%v nexthop=%v input=%d output=%d", index, n.address4(), n.address4(), n.address4(), n.of16(), n.of16())
	p.line(2, "dPkts=%d dOctets=%d first=%dms last=%dms srcport=%d dstport=%d", n.of32(), n.of32(), n.of32(), n.of32(), n.of16(), n.of16())
	p.line(2, "pad1=%d tcp_flags=%#02x prot=%d tos=%d src_as=%d dst_as=%d src_mask=%d dst_mask=%d pad2=%d",
		n.of8(), n.of8(), n.of8(), n.of8(), n.of16(), n.of16(), n.of8(), n.of8(), n.of16())
}
