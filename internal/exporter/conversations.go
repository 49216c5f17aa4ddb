package exporter

import (
	"fmt"
	"math/rand/v2"
	"net/netip"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/netflow5"
)

// population is a set of hosts: private or benchmark addresses (RFC 1918, RFC
// 2544) with private AS numbers (RFC 6996), so that nobody's are misused.
type population struct {
	base     uint32 // the first network of 256 addresses
	networks int
	hosts    int
	exponent float64 // of Zipf's law: how much more popular the popular are
	as       uint32  // of the first network; the others count up
	ifIndex  uint32  // of the first of the router's links to them
}

var (
	clients = population{base: 10<<24 | 20<<16, networks: 64, hosts: 4096, exponent: 1.05, as: 64512, ifIndex: 1}
	servers = population{base: 198<<24 | 18<<16, networks: 256, hosts: 1024, exponent: 1.2, as: 64768, ifIndex: 101}
)

// links is how many links a router has to each population.
const links = 4

// nextHops begins the addresses of the routers at the other ends.
const nextHops = 172<<24 | 16<<16

// host is an address, and what a router knows of the way there.
type host struct {
	address      netip.Addr
	prefixLength uint8
	as           uint32
	ifIndex      uint32
	nextHop      netip.Addr
}

// draw makes the population's hosts, and a function that draws one of them.
func (p *population) draw(r *rand.Rand) func() *host {
	lengths := make([]uint8, p.networks)
	for i := range lengths {
		lengths[i] = uint8(16 + r.IntN(9))
	}
	hosts := make([]host, p.hosts)
	for i := range hosts {
		network := uint32(r.IntN(p.networks))
		ifIndex := p.ifIndex + network%links
		hosts[i] = host{
			address:      addressOf(p.base + network<<8 + uint32(1+r.IntN(254))),
			prefixLength: lengths[network],
			as:           p.as + network,
			ifIndex:      ifIndex,
			nextHop:      addressOf(nextHops + ifIndex<<8 + 1),
		}
	}
	popular := rand.NewZipf(r, p.exponent, 1, uint64(p.hosts-1))
	return func() *host { return &hosts[popular.Uint64()] }
}

// typesOfService are those that flows have: mostly none, then AF11, CS1 and EF.
var typesOfService = []uint8{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x28, 0x28, 0x20, 0xb8}

// newConversations fills made with different conversations, each in one
// direction, and returns their records.
func newConversations(r *rand.Rand, made []conversation) ([]decoder.Record, error) {
	client, server := clients.draw(r), servers.draw(r)
	p := decoder.ExportPacket{Header: decoder.Header{Format: decoder.FormatNetFlowV5}}
	seen := make(map[decoder.Record]bool, len(made))
	for len(p.Records) < len(made) {
		s := pickService(r)
		record := request(client(), server(), s)
		portOffset := uint8(offSourcePort)
		if r.IntN(2) == 1 {
			record, portOffset = reply(record), offDestinationPort
		}
		if seen[record] {
			continue
		}
		seen[record] = true
		if s.profile == profileNoPorts {
			portOffset = 0
		}
		c := &made[len(p.Records)]
		c.profile, c.clientPort = s.profile, portOffset
		record.TOS = typesOfService[r.IntN(len(typesOfService))]
		p.Records = append(p.Records, record)
	}
	return p.Records, encodeRecords(&p, made)
}

func encodeRecords(p *decoder.ExportPacket, made []conversation) error {
	b, err := netflow5.Append(nil, p)
	if err != nil {
		return fmt.Errorf("exporter: making traffic: %w", err)
	}
	for i := range made {
		copy(made[i].record[:], b[netflow5.HeaderLen+i*netflow5.RecordLen:])
	}
	return nil
}

// request is the record of what a client sends to a server, but for the
// client's port and how much it is.
func request(client, server *host, s *service) decoder.Record {
	r := decoder.Record{
		SourceAddress:           client.address,
		DestinationAddress:      server.address,
		NextHop:                 server.nextHop,
		InputInterface:          client.ifIndex,
		OutputInterface:         server.ifIndex,
		SourceAS:                client.as,
		DestinationAS:           server.as,
		SourcePrefixLength:      client.prefixLength,
		DestinationPrefixLength: server.prefixLength,
		DestinationPort:         s.port,
		Protocol:                s.protocol,
	}
	if s.protocol == protocolICMP {
		r.DestinationPort = icmpEchoRequest
	}
	return r
}

// reply is the record of the answer to what r is the record of.
func reply(r decoder.Record) decoder.Record {
	r.SourceAddress, r.DestinationAddress = r.DestinationAddress, r.SourceAddress
	r.InputInterface, r.OutputInterface = r.OutputInterface, r.InputInterface
	r.SourceAS, r.DestinationAS = r.DestinationAS, r.SourceAS
	r.SourcePrefixLength, r.DestinationPrefixLength = r.DestinationPrefixLength, r.SourcePrefixLength
	r.SourcePort, r.DestinationPort = r.DestinationPort, 0
	r.NextHop = addressOf(nextHops + r.OutputInterface<<8 + 1)
	if r.Protocol == protocolICMP {
		r.SourcePort = 0
	}
	return r
}
