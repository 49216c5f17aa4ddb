//go:build linux

package e2e

import (
	"encoding/binary"
	"maps"
	"testing"
)

// verdict is what is to become of a datagram: a reason to reject it, or so many
// flows.
type verdict struct {
	reason string
	flows  uint64
}

// judge applies the rule in its plainest form: version 5 or not, a header of 24
// bytes or not, and as many records of 48 bytes as are both announced and whole.
func judge(payload []byte) verdict {
	if len(payload) >= 2 && binary.BigEndian.Uint16(payload) != 5 {
		return verdict{reason: "version"}
	}
	if len(payload) < 24 {
		return verdict{reason: "short"}
	}
	records := min(int(binary.BigEndian.Uint16(payload[2:])), (len(payload)-24)/48)
	if records == 0 {
		return verdict{reason: "no_records"}
	}
	return verdict{flows: uint64(records)}
}

// tally adds up verdicts.
type tally struct {
	datagrams, decoded, flows uint64
	rejected                  map[string]uint64
}

func newTally() *tally {
	return &tally{rejected: map[string]uint64{"not_allowed": 0, "version": 0, "short": 0, "no_records": 0}}
}

func (a *tally) add(payload []byte) {
	a.datagrams++
	v := judge(payload)
	if v.reason != "" {
		a.rejected[v.reason]++
		return
	}
	a.decoded++
	a.flows += v.flows
}

// check fails the test unless the ledger of a collector says the same.
func (a *tally) check(t *testing.T, l *ledger) {
	t.Helper()
	l.check(t)
	if l.DatagramsReceived != a.datagrams || sum(l.DatagramsDecoded) != a.decoded || l.FlowsDecoded != a.flows {
		t.Errorf("received %d datagrams, decoded %v, and %d flows; want %d, %d, and %d",
			l.DatagramsReceived, l.DatagramsDecoded, l.FlowsDecoded, a.datagrams, a.decoded, a.flows)
	}
	if !maps.Equal(l.DatagramsRejected, a.rejected) {
		t.Errorf("rejected %v, want %v", l.DatagramsRejected, a.rejected)
	}
}

// checkForeign fails the test unless every datagram of another version is
// counted for what it looks like.
func (a *tally) checkForeign(t *testing.T, m metrics) {
	t.Helper()
	if foreign := m.counts("datagrams_foreign_total"); sum(foreign) != a.rejected["version"] {
		t.Errorf("foreign datagrams are %v, want %d of all kinds", foreign, a.rejected["version"])
	}
}
