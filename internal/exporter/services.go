package exporter

import "math/rand/v2"

// IANA protocol numbers.
const (
	protocolICMP = 1
	protocolTCP  = 6
	protocolUDP  = 17
	protocolGRE  = 47
	protocolESP  = 50

	protocolICMPv6 = 58
)

// icmpEchoRequest is what a ping has for a destination port, type*256 + code;
// that of its reply is 0.
const icmpEchoRequest = 8 << 8

// The same of IPv6, as elements of their own tell it.
const (
	icmpv6EchoRequest = 128 << 8
	icmpv6EchoReply   = 129 << 8
)

// profile is the way of a service's flows.
type profile uint8

const (
	profileTCP    profile = iota
	profileQuery          // UDP, a question and its answer
	profileStream         // UDP, and as long as TCP
	profileNoPorts
	profileCount
)

// service is what clients ask servers for, as often as its weight among all
// weights says.
type service struct {
	weight   int
	protocol uint8
	port     uint16
	profile  profile
}

var services = []service{
	{weight: 340, protocol: protocolTCP, port: 443, profile: profileTCP},
	{weight: 210, protocol: protocolUDP, port: 443, profile: profileStream},
	{weight: 170, protocol: protocolUDP, port: 53, profile: profileQuery},
	{weight: 80, protocol: protocolTCP, port: 80, profile: profileTCP},
	{weight: 30, protocol: protocolUDP, port: 123, profile: profileQuery},
	{weight: 25, protocol: protocolUDP, port: 3478, profile: profileStream},
	{weight: 20, protocol: protocolTCP, port: 22, profile: profileTCP},
	{weight: 20, protocol: protocolTCP, port: 993, profile: profileTCP},
	{weight: 15, protocol: protocolTCP, port: 25, profile: profileTCP},
	{weight: 15, protocol: protocolUDP, port: 161, profile: profileQuery},
	{weight: 10, protocol: protocolTCP, port: 5432, profile: profileTCP},
	{weight: 10, protocol: protocolTCP, port: 8080, profile: profileTCP},
	{weight: 10, protocol: protocolUDP, port: 51820, profile: profileStream},
	{weight: 25, protocol: protocolICMP, profile: profileNoPorts},
	{weight: 10, protocol: protocolESP, profile: profileNoPorts},
	{weight: 10, protocol: protocolGRE, profile: profileNoPorts},
}

// pickService draws a service by its weight.
func pickService(r *rand.Rand) *service {
	sum := 0
	for i := range services {
		sum += services[i].weight
	}
	n, i := r.IntN(sum), 0
	for n >= services[i].weight {
		n -= services[i].weight
		i++
	}
	return &services[i]
}
