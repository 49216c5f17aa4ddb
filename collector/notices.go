package collector

import (
	"log/slog"
	"net/netip"
	"sync"
	"time"
)

const (
	// maxNotices bounds what is remembered as said. At the rate below it takes
	// hours to fill, so forged sources cannot make a line come again soon.
	maxNotices = 1024
	// noticeBurst lines may come at once, then one every noticeEvery.
	noticeBurst = 10
	noticeEvery = 10 * time.Second
)

// matter is what a notice is about: one of these, or matterForeign and a
// protocol.
type matter uint8

const (
	matterNotAllowed matter = iota
	matterLosing
	matterUnsequenced
	matterSkewed
	matterMalformed
	matterForeign
)

// notice is a matter of one exporter.
type notice struct {
	exporter netip.Addr
	matter   matter
}

// notices logs what an operator should know about single exporters: each matter
// once an exporter, all together not more often than the constants say. What is
// held back by the rate is said when the exporter gives cause again. The metrics
// count everything. It is safe for concurrent use.
type notices struct {
	log *slog.Logger

	mu    sync.Mutex
	said  map[notice]struct{}
	order []notice      // of said, a ring once it is full
	next  int           // the oldest in the ring
	spent time.Duration // when all lines said so far are paid for
}

func newNotices(log *slog.Logger) *notices {
	return &notices{log: log, said: make(map[notice]struct{})}
}

// notAllowed tells of a sender that the allow list refuses.
func (n *notices) notAllowed(from netip.AddrPort, now time.Duration) {
	if n.claim(notice{from.Addr(), matterNotAllowed}, now) {
		n.log.Warn("datagrams refused: their source is not in FLOWPUB_EXPORTERS_ALLOW",
			"exporter", from.Addr(), "port", from.Port(),
			"cure", "add the exporter's network if it may send")
	}
}

// foreign tells of a sender of another protocol.
func (n *notices) foreign(from netip.AddrPort, p protocol, now time.Duration) {
	if n.claim(notice{from.Addr(), matterForeign + matter(p)}, now) {
		n.log.Warn("datagrams rejected: they are not NetFlow version 5",
			"exporter", from.Addr(), "port", from.Port(), "protocol", p.String(), "cure", p.cure())
	}
}

// malformed tells of a sender of version 5 without flow records.
func (n *notices) malformed(from netip.AddrPort, r rejectReason, now time.Duration) {
	if n.claim(notice{from.Addr(), matterMalformed}, now) {
		n.log.Warn("datagrams rejected: they hold no whole flow record",
			"exporter", from.Addr(), "port", from.Port(), "reason", r.String(),
			"cure", "look for a defect of the exporter, or for who else sends to this port")
	}
}

// found tells what the sequence watch found about a stream.
func (n *notices) found(k *streamKey, f findings, now time.Duration) {
	exporter := k.exporter()
	if f&foundLoss != 0 && n.claim(notice{exporter, matterLosing}, now) {
		n.about(k).Warn("flows are missing: the exporter sent them and they did not arrive",
			"cure", "if flowpub_datagrams_kernel_dropped_total stands still, they were lost before they reached this machine")
	}
	if f&foundUnsequenced != 0 && n.claim(notice{exporter, matterUnsequenced}, now) {
		n.about(k).Info("flow sequence does not count flows: losses on the way from this exporter cannot be seen")
	}
	if f&foundSkew != 0 && n.claim(notice{exporter, matterSkewed}, now) {
		n.about(k).Warn("exporter's clock is more than a minute from ours",
			"cure", "let the exporter take its time by NTP")
	}
}

// about returns a logger that names the stream.
func (n *notices) about(k *streamKey) *slog.Logger {
	return n.log.With("exporter", k.exporter(), "port", k.port, "engine_type", k.engineType, "engine_id", k.engineID)
}

// claim reports whether a notice may be logged, and remembers that it was.
func (n *notices) claim(what notice, now time.Duration) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.spent-now > (noticeBurst-1)*noticeEvery {
		return false
	}
	if _, said := n.said[what]; said {
		return false
	}
	n.remember(what)
	n.spent = max(n.spent, now) + noticeEvery
	return true
}

// remember notes what was said, in place of the oldest if need be.
func (n *notices) remember(what notice) {
	n.said[what] = struct{}{}
	if len(n.order) < maxNotices {
		n.order = append(n.order, what)
		return
	}
	delete(n.said, n.order[n.next])
	n.order[n.next] = what
	n.next = (n.next + 1) % maxNotices
}
