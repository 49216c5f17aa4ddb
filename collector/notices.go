package collector

import (
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/flowpub/flowpub/decoder/sflow"
	"github.com/flowpub/flowpub/decoder/template"
	"github.com/flowpub/flowpub/internal/config/variable"
	"github.com/flowpub/flowpub/internal/inventory"
)

const (
	// maxNotices bounds what is remembered as said to senders of one standing. At
	// the rate below it takes hours to fill, so forged sources cannot make a line
	// come again soon.
	maxNotices = 1024
	// noticeBurst lines may come at once, then one every noticeEvery, about
	// senders of each standing.
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
	matterNoTemplate
	matterSets
	matterTemplates
	matterSamplings
	matterSamples
	matterAgentDrops
	matterSeveralDevices
	matterChangingPorts
	matterForeign
)

// notice is a matter of one exporter.
type notice struct {
	exporter netip.Addr
	matter   matter
}

// notices logs what an operator should know about single exporters: each matter
// once an exporter, and not more often than the constants say. Each standing has
// lines of its own, so that strangers take none from those who earned or were
// given a better one. What is held back by the rate is said when the exporter
// gives cause again. The metrics count everything. It is safe for concurrent use.
type notices struct {
	log       *slog.Logger
	named     *allowList
	inventory *inventory.File // nil without one

	mu      sync.Mutex
	budgets [standings]noticeBudget
}

// noticeBudget is what was said about senders of one standing.
type noticeBudget struct {
	said  map[notice]struct{}
	order []notice      // of said, a ring once it is full
	next  int           // the oldest in the ring
	spent time.Duration // when all lines said so far are paid for
}

func newNotices(log *slog.Logger, names *allowList) *notices {
	n := &notices{log: log, named: names}
	for i := range n.budgets {
		n.budgets[i].said = make(map[notice]struct{})
	}
	return n
}

// standingOf is what an address is worth of which no stream is known.
func (n *notices) standingOf(a netip.Addr) standing {
	if n.named.contains(a) {
		return named
	}
	return newcomer
}

const messageNotAllowed = "datagrams refused: their source is not in " + variable.ExportersAllow

// notAllowed tells of a sender that the allow list refuses.
func (n *notices) notAllowed(from netip.AddrPort, now time.Duration) {
	if n.claim(notice{from.Addr(), matterNotAllowed}, n.standingOf(from.Addr()), now) {
		n.of(from.Addr()).Warn(messageNotAllowed,
			"port", from.Port(),
			"cure", "add the exporter's network if it may send")
	}
}

// foreign tells of a sender of another protocol.
func (n *notices) foreign(from netip.AddrPort, p protocol, now time.Duration) {
	if n.claim(notice{from.Addr(), matterForeign + matter(p)}, n.standingOf(from.Addr()), now) {
		n.of(from.Addr()).Warn("datagrams rejected: they are of no format that is taken",
			"port", from.Port(), "protocol", p.String(), "cure", p.cure())
	}
}

// malformed tells of a sender of datagrams in which nothing can be read.
func (n *notices) malformed(from netip.AddrPort, r rejectReason, now time.Duration) {
	if n.claim(notice{from.Addr(), matterMalformed}, n.standingOf(from.Addr()), now) {
		n.of(from.Addr()).Warn("datagrams rejected: nothing in them can be read",
			"port", from.Port(), "reason", r.String(),
			"cure", "look for a defect of the exporter, or for who else sends to this port")
	}
}

// setsDropped tells of data sets that are dropped for what is in them.
func (n *notices) setsDropped(from netip.AddrPort, s *template.Sets, now time.Duration) {
	if n.claim(notice{from.Addr(), matterSets}, n.standingOf(from.Addr()), now) {
		n.of(from.Addr()).Warn("data sets dropped: a length in them is impossible, or their packet has more records than are taken",
			"port", from.Port(), "malformed", s.Dropped[template.DropMalformed], "limit", s.Dropped[template.DropLimit],
			"cure", "look for a defect of the exporter, or for datagrams that arrive cut")
	}
}

// templatesRefused tells of templates that are not taken.
func (n *notices) templatesRefused(from netip.AddrPort, refused uint32, now time.Duration) {
	if n.claim(notice{from.Addr(), matterTemplates}, n.standingOf(from.Addr()), now) {
		n.of(from.Addr()).Warn("templates are not taken, and nor are their data: they contradict themselves, or have more fields or longer records than are taken",
			"port", from.Port(), "templates", refused,
			"cure", "look for a defect of the exporter, or have it export fewer fields")
	}
}

// samplingsRefused tells of samplings that are not kept.
func (n *notices) samplingsRefused(from netip.AddrPort, refused uint32, now time.Duration) {
	if n.claim(notice{from.Addr(), matterSamplings}, n.standingOf(from.Addr()), now) {
		n.of(from.Addr()).Warn("samplings are not kept: the exporter tells of more than there is room for, or many others do; flows sampled so are published without their interval",
			"port", from.Port(), "samplings", refused,
			"cure", "give the exporter's interval in "+variable.ExportersFile+", or keep others out with "+variable.ExportersAllow)
	}
}

// samples tells of samples of sFlow that are dropped.
func (n *notices) samples(from netip.AddrPort, malformed, limit uint32, now time.Duration) {
	if n.claim(notice{from.Addr(), matterSamples}, n.standingOf(from.Addr()), now) {
		n.of(from.Addr()).Warn("samples of sFlow dropped: a length in them is impossible, or their datagram has more than are taken",
			"port", from.Port(), "malformed", malformed, "limit", limit,
			"cure", "look for a defect of the agent, or for datagrams that arrive cut")
	}
}

// agentDrops tells of an agent that cannot send all that it samples.
func (n *notices) agentDrops(from netip.AddrPort, k *agentKey, s *sflow.Source, drops uint64, now time.Duration) {
	if n.claim(notice{from.Addr(), matterAgentDrops}, n.standingOf(from.Addr()), now) {
		n.of(from.Addr()).Warn("an agent of sFlow drops samples: it takes more than it can send, so its traffic is more than its flows tell",
			"port", from.Port(), "agent", k.agentAddress(), "source_type", s.Type, "source_index", s.Index, "drops", drops,
			"cure", "let it sample fewer packets: 1 in a larger number")
	}
}

// noTemplate tells of a data set that is dropped because its template did not come.
func (n *notices) noTemplate(s *lostSet, t *template.Table, now time.Duration) {
	exporter := s.from.Addr().Unmap()
	if !n.claim(notice{exporter, matterNoTemplate}, n.standingOf(exporter), now) {
		return
	}
	usual := "not known yet; 1 to 30 minutes by routers' defaults"
	if interval := t.RefreshInterval(s.from.Addr()); interval > 0 {
		usual = "every " + interval.Round(time.Second).String()
	}
	n.of(exporter).Warn("data sets dropped: their template has not come, so nobody can say what is in them",
		"port", s.from.Port(), "format", s.header.Format.String(),
		"observation_domain_id", s.header.ObservationDomain, "template_id", s.template, "templates_sent", usual,
		"cure", "have the exporter repeat its templates every minute: "+
			"'template data timeout 60' in a flow exporter of Cisco, 'template-refresh-rate seconds 60' on Junos, "+
			"docs/routers.md for others")
}

// found tells what the sequence watch found about a stream.
func (n *notices) found(what *news, now time.Duration) {
	k, f, exporter := &what.streamKey, what.findings, what.exporter()
	if f&foundLoss != 0 && n.claim(notice{exporter, matterLosing}, what.standing, now) {
		n.about(k).Warn("flows are missing: the exporter sent them and they did not arrive",
			"cure", "if flowpub_datagrams_kernel_dropped_total does not rise, they were lost before they reached this machine")
	}
	if f&foundUnsequenced != 0 && n.claim(notice{exporter, matterUnsequenced}, what.standing, now) {
		n.about(k).Info("sequence counts neither flows nor packets: losses on the way from this exporter cannot be seen")
	}
	if f&foundSkew != 0 && n.claim(notice{exporter, matterSkewed}, what.standing, now) {
		n.about(k).Warn("exporter's clock is more than a minute from ours",
			"cure", "set the clock of the exporter by NTP")
	}
}

// surveyed tells what the streams of one address told together.
func (n *notices) surveyed(address [16]byte, e *exporter, now time.Duration) {
	if !e.several && !e.changesPorts() {
		return
	}
	exporter := netip.AddrFrom16(address).Unmap()
	if e.several && n.claim(notice{exporter, matterSeveralDevices}, e.standing, now) {
		n.of(exporter).Warn("several devices send from one address: its ports tell different boot times",
			"port", e.ports[0], "other_port", e.ports[1],
			"cure", "find what rewrites the source address on the way here, such as the NAT of Docker or of a load balancer, and avoid it: "+
				"flow records do not tell the devices apart; if several exporting programs run on one host, nothing is wrong")
	}
	if e.changesPorts() && n.claim(notice{exporter, matterChangingPorts}, e.standing, now) {
		n.of(exporter).Warn("each datagram comes from another source port: losses on the way from this exporter cannot be seen",
			"cure", "let the exporter, or the NAT before it, keep one source port")
	}
}

// about returns a logger that names the stream.
func (n *notices) about(k *streamKey) *slog.Logger {
	attrs := []any{"port", k.port, "format", k.Format}
	if k.Agent != [16]byte{} {
		attrs = append(attrs, "agent", netip.AddrFrom16(k.Agent).Unmap())
	}
	if k.Domain != 0 {
		attrs = append(attrs, "observation_domain_id", k.Domain)
	}
	if k.EngineType != 0 || k.EngineID != 0 {
		attrs = append(attrs, "engine_type", k.EngineType, "engine_id", k.EngineID)
	}
	return n.of(k.exporter()).With(attrs...)
}

// of returns a logger that names the exporter.
func (n *notices) of(exporter netip.Addr) *slog.Logger {
	log := n.log.With("exporter", exporter)
	if name := n.inventory.Name(exporter); name != "" {
		log = log.With("exporter_name", name)
	}
	return log
}

// claim reports whether a notice may be logged about a sender of the standing,
// and remembers that it was.
func (n *notices) claim(what notice, of standing, now time.Duration) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	b := &n.budgets[of]
	if b.spent-now > (noticeBurst-1)*noticeEvery || n.wasSaid(what) {
		return false
	}
	b.remember(what)
	b.spent = max(b.spent, now) + noticeEvery
	return true
}

// wasSaid reports whether a notice was logged, whatever the standing was then.
func (n *notices) wasSaid(what notice) bool {
	for i := range n.budgets {
		if _, said := n.budgets[i].said[what]; said {
			return true
		}
	}
	return false
}

// remember notes what was said, in place of the oldest if need be.
func (b *noticeBudget) remember(what notice) {
	b.said[what] = struct{}{}
	if len(b.order) < maxNotices {
		b.order = append(b.order, what)
		return
	}
	delete(b.said, b.order[b.next])
	b.order[b.next] = what
	b.next = (b.next + 1) % maxNotices
}
