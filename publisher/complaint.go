package publisher

import "github.com/flowpub/flowpub/publisher/failure"

// complain logs a failed attempt to deliver b, which is a loss only if it is the last.
func (p *partition) complain(b *pending, o failure.Outcome) {
	args := []any{"topic", p.target.name, "partition", p.number, "error", failure.Sentence(o.Err)}
	cure := o.Kind.Cure
	if leader, err := p.target.seen.Load().leader(p.number); err == nil {
		address := p.core.cluster.Address(leader)
		args = append(args, "broker", leader, "address", address)
		cure = failure.CureAt(p.core.cfg.Brokers, address, o.Kind)
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
