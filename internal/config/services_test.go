package config

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/flowpub/flowpub/internal/testca"
)

// What docs/kafka-services.md has for each provider is a whole configuration.
func TestKafkaServicesAreConfigurations(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../docs/kafka-services.md")
	if err != nil {
		t.Fatal(err)
	}
	ca := testca.New(t)
	certificate, key := ca.Issue(t, "flowpub").Files(t)
	files := map[string]string{
		"_CA_FILE": ca.File(t), "_CERT_FILE": certificate, "_KEY_FILE": key,
		"_PASSWORD_FILE": testca.File(t, "password", []byte("hunter2")), "_TOKEN_FILE": testca.File(t, "token", []byte("abc.def")),
		"_SECRET_FILE": testca.File(t, "secret", []byte("hunter2")),
	}
	blocks := regexp.MustCompile("(?ms)^```sh\n(.*?)\n```$").FindAllStringSubmatch(string(doc), -1)
	if len(blocks) < 7 {
		t.Fatalf("found %d configurations, want 7 at least", len(blocks))
	}
	for _, block := range blocks {
		var environ []string
		for line := range strings.SplitSeq(block[1], "\n") {
			name, value, _ := strings.Cut(line, "=")
			value = strings.Trim(value, "'")
			for suffix, file := range files {
				if strings.HasSuffix(name, suffix) {
					if !filepath.IsAbs(value) {
						t.Errorf("%s: want the whole name of a file", line)
					}
					value = file
				}
			}
			environ = append(environ, name+"="+value)
		}
		cfg, err := Load(environ)
		if err != nil {
			t.Errorf("%v\nof\n%s", err, block[1])
		} else if p := cfg.Collector.Publisher; p.TLS == nil || p.SASL == nil && p.TLS.CertFile == "" {
			t.Errorf("neither encrypted nor authenticated:\n%s", block[1])
		}
	}
}
