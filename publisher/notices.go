package publisher

import (
	"slices"
)

// cureAdvertised is what to do about a broker to which no connection can be made
// at an address that nobody configured here.
const cureAdvertised = "that address is the broker's own word, from its advertised.listeners: " +
	"if the broker runs, have it advertise one that can be reached from here"

// complain logs a failed attempt to deliver b, which is a loss only if it is the last.
func (p *Publisher) complain(part *partition, b *pending, o outcome) {
	args := []any{"topic", part.topic.name, "partition", part.number, "error", sentence(o.err)}
	cure := o.cure
	if leader, err := part.topic.seen.Load().leader(part.number); err == nil {
		address := p.cluster.Address(leader)
		args = append(args, "broker", leader, "address", address)
		cure = p.cureAt(address, o.failure)
	}
	if cure != "" {
		args = append(args, "cure", cure)
	}
	if o.givesUp(b) {
		p.notices.Warn("given up "+part.topic.name, "Kafka refused a batch for the last time: its flows are dropped", append(args, "flows", b.Records())...)
		return
	}
	p.notices.Warn(o.name+" "+part.topic.name, "Kafka did not take a batch, trying again", args...)
}

// cureAt is the cure of a failure of the broker that told its address. Where only
// the broker's word leads, that is the likeliest to be wrong.
func (p *Publisher) cureAt(address string, f failure) string {
	if f.unconnected && address != "" && !slices.Contains(p.cfg.Brokers, address) {
		return cureAdvertised
	}
	return f.cure
}
