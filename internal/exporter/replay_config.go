package exporter

import (
	"errors"
	"fmt"
	"net/netip"
)

// MaxReplayed is how many exporters, that is source addresses and ports, a
// replay may have: each has a socket.
const MaxReplayed = 1024

// firstReplayed is the address of the first exporter of a replay.
var firstReplayed = netip.AddrFrom4([4]byte{127, 10, 0, 1})

// Pace is how a replay spreads its datagrams over time.
type Pace uint8

const (
	// PaceRecorded keeps the pauses of the capture. Datagrams without a time
	// are sent at once.
	PaceRecorded Pace = iota
	// PaceFixed sends ReplayConfig.Rate datagrams a second.
	PaceFixed
	// PaceUnlimited sends as fast as possible.
	PaceUnlimited
)

// ReplayConfig says what a Replay sends, and where to.
type ReplayConfig struct {
	// Files are captures of any kind that pcap.Read reads, sent one after the
	// other. At least one must be named.
	Files []string
	// Target is the collector's host:port. Empty means DefaultTarget.
	Target string
	// OwnSources gives each exporter of the captures, by its address, one of
	// 127.0.0.0/8. It needs an IPv4 loopback target. Without it, exporters
	// differ by their source port only.
	OwnSources bool
	// FirstSource is the first such address; the others follow it. Zero means
	// 127.10.0.1.
	FirstSource netip.Addr
	// KeepPorts sends from the source port in the capture, where it is free;
	// where it is not, from any.
	KeepPorts bool
	// Pace is how datagrams are spread over time.
	Pace Pace
	// Rate is how many datagrams a second PaceFixed sends.
	Rate float64
	// Loops is how often the captures are sent. Zero means once. The copies
	// are the same in all but their source port, unless that is kept: flow
	// sequences begin anew.
	Loops int
	// Payloads takes a file that is no capture for the payload of a datagram,
	// whatever it holds. Without it, the file must begin like flow export.
	Payloads bool
	// OnlyV5 leaves out datagrams that do not begin like NetFlow version 5.
	OnlyV5 bool
}

// ReplayStats is what a Replay has done.
type ReplayStats struct {
	// Datagrams are all that were sent, Octets the length of their payloads.
	Datagrams, Octets uint64
	// Flows are the records that the NetFlow version 5 packets among them
	// announce and hold.
	Flows uint64
	// Others are the datagrams among them that are not NetFlow version 5.
	Others uint64
	// Foreign is how many were left out for OnlyV5.
	Foreign uint64
	// Truncated is how many were left out since the capture holds only a part
	// of them.
	Truncated uint64
	// Refused is how often the system reported that nobody listens at the
	// target.
	Refused uint64
	// Unheard: the last datagram of an exporter was refused, so nobody listens. Only
	// Linux tells.
	Unheard bool
}

// validate returns all mistakes at once, each a *FieldError.
func (c ReplayConfig) validate() error {
	var errs []error
	if len(c.Files) == 0 {
		errs = append(errs, &FieldError{"Files", "empty", "name at least one capture: pcap, pcapng, either packed with gzip, or a bare payload"})
	}
	if c.Loops < 0 {
		errs = append(errs, &FieldError{"Loops", c.Loops, "give 1 or more"})
	}
	if c.Pace > PaceUnlimited {
		errs = append(errs, &FieldError{"Pace", c.Pace, "give PaceRecorded, PaceFixed or PaceUnlimited"})
	}
	if c.Pace == PaceFixed && !(c.Rate > 0 && c.Rate <= maxRate) {
		errs = append(errs, &FieldError{"Rate", c.Rate, fmt.Sprintf("give a number of datagrams a second, above 0, up to %g", float64(maxRate))})
	}
	if c.FirstSource.IsValid() && !c.OwnSources {
		errs = append(errs, &FieldError{"FirstSource", c.FirstSource, "ask for own sources too"})
	}
	return errors.Join(errs...)
}

// plan decides where exporters send from.
func (c ReplayConfig) plan(target netip.AddrPort) (addressPlan, error) {
	if !c.OwnSources {
		return addressPlan{target: target}, nil
	}
	if !isLocal(target) {
		return addressPlan{}, &FieldError{"OwnSources", c.OwnSources, "leave it out, or give a target such as " + DefaultTarget +
			": only IPv4 loopback targets take datagrams from addresses of 127.0.0.0/8"}
	}
	first := c.FirstSource
	if !first.IsValid() {
		first = firstReplayed
	}
	return planAddresses(target, first, first, MaxReplayed)
}
