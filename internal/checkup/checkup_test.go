package checkup

import (
	"strings"
	"testing"
)

func TestPrinter(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	p := NewPrinter(&out)
	tell := Tell(p.Print)
	tell.OK("topic flows", "%d partitions", 3)
	tell.Risk("receive buffer", "it is small", "sysctl")
	tell.Unknown("permissions", "not told", "")
	if !p.Conclude() {
		t.Error("it counts as broken, and nothing is")
	}
	tell.Broken("broker a", "no\nconnection \x1b[31m", "start it")
	if p.Conclude() {
		t.Error("it does not count as broken")
	}
	const want = `ok       topic flows: 3 partitions
risk     receive buffer: it is small
         cure: sysctl
unknown  permissions: not told

Flows can be taken and delivered; risks: 1; not known: 1.
NOT OK   broker a: no connection  [31m
         cure: start it

1 of 4 lines are not ok. Mend the first one first: others may follow from it.
`
	if out.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", out.String(), want)
	}
}
