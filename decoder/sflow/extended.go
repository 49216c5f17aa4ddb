package sflow

import "github.com/flowpub/flowpub/decoder"

// vlans writes what a switch says: VLAN and priority in, VLAN and priority out.
func (t target) vlans(b []byte) bool {
	if len(b) < extendedSwitchLen {
		return false
	}
	t.vlan(decoder.FieldVLANID, word(b, 0))
	t.vlan(decoder.FieldPostVLANID, word(b, 2))
	return true
}

func (t target) vlan(f decoder.Field, id uint32) {
	const maxVLAN = 4095
	if id == vlanUnknown {
		return
	}
	if id > maxVLAN {
		t.r.Anomalies |= decoder.AnomalyValueOutOfRange
	}
	t.x.Set(f, uint64(id))
}

// router writes what a router says: the next hop, the lengths of the routes.
func (t target) router(b []byte) bool {
	nextHop, b, ok := takeAddress(b)
	if !ok || len(b) < 8 {
		return false
	}
	t.r.NextHop = nextHop
	t.r.SourcePrefixLength = uint8(t.narrow(word(b, 0), 0xff))
	t.r.DestinationPrefixLength = uint8(t.narrow(word(b, 1), 0xff))
	return true
}

// gateway writes what a BGP router says. Its own AS is not published.
func (t target) gateway(b []byte) bool {
	nextHop, b, ok := takeAddress(b)
	if !ok || len(b) < 16 {
		return false
	}
	source, previous, segments := word(b, 1), word(b, 2), word(b, 3)
	before := len(t.p.Numbers)
	next, last, path, b, ok := t.path(segments, b[16:])
	if !ok {
		t.p.Numbers = t.p.Numbers[:before]
		return false
	}
	communities, ok := t.list(b, maxPath)
	if !ok {
		t.p.Numbers = t.p.Numbers[:before]
		return false
	}
	t.r.SourceAS, t.r.DestinationAS = source, last
	t.x.Values[decoder.FieldBGPPreviousAdjacentAS] = uint64(previous)
	t.x.Values[decoder.FieldBGPNextAdjacentAS] = uint64(next)
	t.x.Present |= 1<<decoder.FieldBGPPreviousAdjacentAS | 1<<decoder.FieldBGPNextAdjacentAS
	if nextHop.IsValid() {
		t.x.SetAddress(decoder.FieldBGPNextHop, nextHop)
	}
	if len(path) > 0 {
		t.x.BGPASPath = path
		t.x.Present |= 1 << decoder.FieldBGPASPath
	}
	if len(communities) > 0 {
		t.x.BGPCommunities = communities
		t.x.Present |= 1 << decoder.FieldBGPCommunities
	}
	return true
}

// path reads the segments of an AS path, sets and sequences alike, and returns
// the first and last AS of it, as much of it as is kept, and what follows.
func (t target) path(segments uint32, b []byte) (first, last uint32, path []uint32, rest []byte, ok bool) {
	from := len(t.p.Numbers)
	for range segments {
		if len(b) < headLen {
			return 0, 0, nil, nil, false
		}
		b = b[4:] // whether a set or a sequence
		n := word(b, 0)
		if b = b[4:]; uint64(n)*4 > uint64(len(b)) {
			return 0, 0, nil, nil, false
		}
		for range n {
			last, b = word(b, 0), b[4:]
			if len(t.p.Numbers) < from+maxPath {
				t.p.Numbers = append(t.p.Numbers, last)
			} else {
				t.r.Anomalies |= decoder.AnomalyFieldWidth
			}
		}
	}
	path = t.p.Numbers[from:len(t.p.Numbers):len(t.p.Numbers)]
	if len(path) > 0 {
		first = path[0]
	}
	return first, last, path, b, true
}

// list reads numbers, preceded by how many there are, and returns them, at most
// so many.
func (t target) list(b []byte, most int) (numbers []uint32, ok bool) {
	if len(b) < 4 {
		return nil, false
	}
	n := word(b, 0)
	if b = b[4:]; uint64(n)*4 > uint64(len(b)) {
		return nil, false
	}
	if n > uint32(most) {
		t.r.Anomalies |= decoder.AnomalyFieldWidth
		n = uint32(most)
	}
	from := len(t.p.Numbers)
	for i := range int(n) {
		t.p.Numbers = append(t.p.Numbers, word(b, i))
	}
	return t.p.Numbers[from:len(t.p.Numbers):len(t.p.Numbers)], true
}

// mpls writes what a label switching router says: the next hop, the labels in and
// those out. A packet without labels in is one that gets its first here.
func (t target) mpls(b []byte) bool {
	nextHop, b, ok := takeAddress(b)
	if !ok {
		return false
	}
	labels, ok := t.list(b, maxLabels)
	if !ok {
		return false
	}
	if nextHop.IsValid() {
		t.x.SetAddress(decoder.FieldMPLSTopLabelAddress, nextHop)
	}
	if len(labels) == 0 {
		return true
	}
	for i := range labels {
		labels[i] >>= labelShift
	}
	t.x.MPLSLabels = labels
	t.x.Present |= 1 << decoder.FieldMPLSLabels
	return true
}

// vni writes the VXLAN network that the agent takes the packet out of, or puts it
// into.
func (t target) vni(b []byte) bool {
	if len(b) < 4 {
		return false
	}
	t.x.Set(decoder.FieldLayer2SegmentID, segmentVXLAN|uint64(t.narrow(word(b, 0), 0xffffff)))
	return true
}

// nat writes the addresses behind address translation.
func (t target) nat(b []byte) bool {
	source, b, ok := takeAddress(b)
	if !ok {
		return false
	}
	destination, _, ok := takeAddress(b)
	if !ok {
		return false
	}
	if source.IsValid() {
		t.x.SetAddress(decoder.FieldPostNATSourceAddress, source)
	}
	if destination.IsValid() {
		t.x.SetAddress(decoder.FieldPostNATDestinationAddress, destination)
	}
	return true
}

// natPorts writes the ports behind address translation.
func (t target) natPorts(b []byte) bool {
	if len(b) < 8 {
		return false
	}
	t.x.Set(decoder.FieldPostNAPTSourcePort, uint64(t.narrow(word(b, 0), 0xffff)))
	t.x.Set(decoder.FieldPostNAPTDestinationPort, uint64(t.narrow(word(b, 1), 0xffff)))
	return true
}
