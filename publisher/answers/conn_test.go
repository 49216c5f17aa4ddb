package answers

import (
	"net"
	"slices"
	"testing"
	"time"
)

// limitedConn notes the time limits that are set.
type limitedConn struct {
	net.Conn
	limits []time.Time
}

func (c *limitedConn) SetDeadline(limit time.Time) error {
	c.limits = append(c.limits, limit)
	return nil
}

// The first limit holds until a request sets its own, since the client takes it
// away between asking for the versions and giving the password.
func TestTimelyConnection(t *testing.T) {
	t.Parallel()
	var inner limitedConn
	conn := new(Checker).Wrap(&inner, "192.0.2.1:9092")
	connected, request := time.Unix(1, 0), time.Unix(2, 0)
	var none time.Time
	for _, limit := range []time.Time{connected, none, request, none, request, none} {
		if err := conn.SetDeadline(limit); err != nil {
			t.Fatal(err)
		}
	}
	if want := []time.Time{connected, request, none, request, none}; !slices.Equal(inner.limits, want) {
		t.Errorf("limits %v, want %v", inner.limits, want)
	}
}
