package publisher

import (
	"slices"

	"github.com/flowpub/flowpub/publisher/failure"
)

// cureAdvertised is what to do about a broker to which no connection can be made
// at an address that nobody configured here.
const cureAdvertised = "that address is the broker's own word, from its advertised.listeners: " +
	"if the broker runs, have it advertise one that can be reached from here"

// complain logs a failed attempt to deliver b, which is a loss only if it is the last.
func (p *partition) complain(b *pending, o failure.Outcome) {
	args := []any{"topic", p.target.name, "partition", p.number, "error", failure.Sentence(o.Err)}
	cure := o.Kind.Cure
	if leader, err := p.target.seen.Load().leader(p.number); err == nil {
		address := p.core.cluster.Address(leader)
		args = append(args, "broker", leader, "address", address)
		cure = cureAt(p.core.cfg.Brokers, address, o.Kind)
		p.core.peers.faultOf(leader, address, failure.Sentence(o.Err), cure)
	} else {
		p.core.peers.fault(failure.Sentence(o.Err), cure)
	}
	if cure != "" {
		args = append(args, "cure", cure)
	}
	if givesUp(o, b) {
		p.core.notices.Warn("given up "+p.target.name, "Kafka refused a batch for the last time: its flows are dropped", append(args, "flows", b.Records())...)
		return
	}
	p.core.notices.Warn(o.Kind.Name+" "+p.target.name, "Kafka did not take a batch, trying again", args...)
}

// cureAt is the cure of a failure of the broker that told its address. Where only
// the broker's word leads, that is the likeliest to be wrong.
func cureAt(configured []string, address string, kind failure.Kind) string {
	if kind.Unconnected && address != "" && !slices.Contains(configured, address) {
		return cureAdvertised
	}
	return kind.Cure
}
