package cluster

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"strings"
	"testing"
	"time"

	"github.com/flowpub/flowpub/internal/checkup"
)

// The certificate that ends first is told, and is a risk two weeks before.
func TestCertificatesEnd(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	var c certificates
	chain := func(name string, days int) []*x509.Certificate {
		return []*x509.Certificate{{Subject: pkix.Name{CommonName: name}, NotAfter: now.AddDate(0, 0, days)}, {NotAfter: now}}
	}
	c.note(chain("a", 30))
	c.note(chain("b", 20))
	c.note(chain("c", 40))
	c.note(nil)
	if c.name != "CN=b" {
		t.Errorf("the first to end is %s, want b", c.name)
	}
	for days, want := range map[int]checkup.Line{
		15: {Verdict: checkup.OK, Found: "it ends on 2026-12-14 12:00 UTC, in 15 days"},
		14: {Verdict: checkup.Risk, Found: "it ends on 2026-12-13 12:00 UTC, in 14 days"},
		1:  {Verdict: checkup.Risk, Found: "it ends on 2026-11-30 12:00 UTC, in 1 day"},
	} {
		got := judgeEnd("certificate", "it ends", now.AddDate(0, 0, days), now, "renew it")
		if got.Verdict != want.Verdict || got.Found != want.Found || (got.Cure != "") != (want.Verdict == checkup.Risk) {
			t.Errorf("%d days: %+v, want %+v", days, got, want)
		}
	}
	if !strings.HasPrefix(judgeEnd("", "it ends", now, now, "").Found, "it ends on 2026-11-29") {
		t.Error("the day is missing")
	}
}
