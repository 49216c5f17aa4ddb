//go:build examples || flink

package examples_test

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"
)

// topTalkers are the ten hosts that sent most in each minute of Kafka's time stamps.
func topTalkers(flows []message) map[string]string {
	sums := map[time.Time]map[string]uint64{}
	for _, m := range flows {
		minute := m.time.UTC().Truncate(time.Minute)
		if sums[minute] == nil {
			sums[minute] = map[string]uint64{}
		}
		host := "-"
		if a := m.flow.GetSourceAddress(); len(a) > 0 {
			host = javaText(a)
		}
		sums[minute][host] += m.flow.GetOctets() * scale(m.flow)
	}
	lists := map[string]string{}
	for minute, sums := range sums {
		hosts := slices.SortedFunc(maps.Keys(sums), func(a, b string) int { return cmp.Or(cmp.Compare(sums[b], sums[a]), cmp.Compare(a, b)) })
		var list []string
		for _, host := range hosts[:min(10, len(hosts))] {
			list = append(list, fmt.Sprintf("%s %d", host, sums[host]))
		}
		lists[minute.Format("2006-01-02T15:04:05Z")] = strings.Join(list, ",")
	}
	return lists
}

// javaText is how Java prints an address: of IPv6 it leaves out no zeros.
func javaText(a net.IP) string {
	if len(a) == net.IPv4len {
		return a.String()
	}
	var groups []string
	for i := 0; i < len(a); i += 2 {
		groups = append(groups, fmt.Sprintf("%x", int(a[i])<<8|int(a[i+1])))
	}
	return strings.Join(groups, ":")
}
