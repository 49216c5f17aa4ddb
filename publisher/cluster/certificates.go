package cluster

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"sync"
	"time"

	"github.com/flowpub/flowpub/internal/checkup"
	"github.com/flowpub/flowpub/internal/config/variable"
)

// certificateMargin is how long before its end a certificate is a risk.
const certificateMargin = 14 * 24 * time.Hour

// certificates notes which of the brokers' ends first. It is safe for concurrent use.
type certificates struct {
	mu   sync.Mutex
	ends time.Time // zero: none was seen
	name string    // whose that is
}

// watch has the certificates noted of all connections that conf is for.
func (c *certificates) watch(conf *tls.Config) {
	conf.VerifyConnection = func(s tls.ConnectionState) error {
		c.note(s.PeerCertificates)
		return nil
	}
}

// note takes the first of a chain; the others are the authorities'.
func (c *certificates) note(chain []*x509.Certificate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(chain) > 0 && (c.ends.IsZero() || chain[0].NotAfter.Before(c.ends)) {
		c.ends, c.name = chain[0].NotAfter, chain[0].Subject.String()
	}
}

// tellCertificates tells when the certificates of the brokers and flowpub's own end.
func (i *inspection) tellCertificates(now time.Time) {
	if i.credentials.TLS == nil {
		return
	}
	i.seen.mu.Lock()
	ends, name := i.seen.ends, i.seen.name
	i.seen.mu.Unlock()
	if !ends.IsZero() {
		i.tell(judgeEnd("brokers' certificates", "the first, that of "+name+", ends", ends, now,
			"have the brokers get new ones; a new authority belongs into the file of "+variable.TLSCAFile+" before"))
	}
	for _, own := range i.credentials.TLS.Certificates {
		if own.Leaf != nil {
			i.tell(judgeEnd("client certificate", "it ends", own.Leaf.NotAfter, now,
				"replace the files of "+variable.TLSCertFile+" and "+variable.TLSKeyFile+": they are read again"))
		}
	}
}

// judgeEnd tells what it means that a certificate ends then.
func judgeEnd(what, found string, ends, now time.Time, cure string) checkup.Line {
	left := ends.Sub(now)
	found = fmt.Sprintf("%s on %s, in %s", found, ends.UTC().Format("2006-01-02 15:04 MST"), count(int(left.Hours()/24), "day"))
	if left > certificateMargin {
		return checkup.Line{Verdict: checkup.OK, What: what, Found: found}
	}
	return checkup.Line{Verdict: checkup.Risk, What: what, Found: found, Cure: cure}
}
