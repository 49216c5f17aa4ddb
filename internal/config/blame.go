package config

import (
	"slices"
	"strings"

	"github.com/flowpub/flowpub/collector"
	"github.com/flowpub/flowpub/publisher"
	"github.com/flowpub/flowpub/publisher/auth"
	"github.com/flowpub/flowpub/publisher/registry"
)

// cure gives a configuration a value that is right, in place of what a variable
// said.
type cure struct {
	variable string
	apply    func(*collector.Config)
}

// blame lets collector and publisher, whose the rules are, judge cfg, and finds
// for each of their complaints the variable it is about: the first one whose
// cure ends the complaint. It returns the complaints that no cure ends.
//
// Variables that are mistaken already are cured before. As the packages tell of
// some things the first mistake only, each cure may bring up others: all are
// tried again after it.
func blame(cfg collector.Config, found *mistakes) []string {
	for _, c := range cures() {
		if found.made(Prefix + c.variable) {
			c.apply(&cfg)
		}
	}
	left := complaints(&cfg)
	for len(left) > 0 {
		c, ended := findCure(cfg, left, found)
		if ended == nil {
			return left
		}
		found.add(Prefix+c.variable, strings.Join(ended, "; "))
		c.apply(&cfg)
		left = complaints(&cfg)
	}
	return nil
}

// findCure returns the first cure that ends any of the complaints about cfg, and
// those it ends: none if there is no such cure. Each variable is cured once.
func findCure(cfg collector.Config, about []string, found *mistakes) (c cure, ended []string) {
	for _, c := range cures() {
		if found.made(Prefix + c.variable) {
			continue
		}
		cured := cfg
		c.apply(&cured)
		after := complaints(&cured)
		ended := slices.DeleteFunc(slices.Clone(about), func(text string) bool { return slices.Contains(after, text) })
		if len(ended) > 0 {
			return c, ended
		}
	}
	return cure{}, nil
}

// complaints returns what the packages say against a configuration, without
// their names: what the user knows is the variable.
func complaints(cfg *collector.Config) []string {
	err := cfg.Validate()
	if err == nil {
		return nil
	}
	lines := strings.Split(err.Error(), "\n")
	for i := range lines {
		lines[i] = withoutPackage(lines[i])
	}
	return lines
}

// cures are for the variables that collector or publisher may refuse. Where a
// rule is about several, the one that is most likely to be changed comes first:
// the sum of all memory is about the buffer, the share of each socket is about
// the receive buffer.
func cures() []cure {
	right := publisher.DefaultConfig()
	return append([]cure{
		{"KAFKA_BUFFER_BYTES", func(c *collector.Config) { c.Publisher.BufferBytes = c.Publisher.LeastBufferBytes() }},
		{"RECEIVE_BUFFER", func(c *collector.Config) { c.ReceiveBuffer = c.Sockets * collector.MinSocketBuffer }},
		{"RECEIVE_DELAY", func(c *collector.Config) { c.ReceiveDelay = 0 }},
		{"SOCKETS", func(c *collector.Config) { c.Sockets = 1 }},
		{"LISTEN", func(c *collector.Config) { c.Listen = []string{":2055"} }},
		{"EXPORTERS_ALLOW", func(c *collector.Config) { c.ExportersAllow = nil }},
		{"ELEMENTS", func(c *collector.Config) { c.Elements = "" }},
		{"HTTP_PPROF", func(c *collector.Config) { c.HTTPPProf = false }},
		{"HTTP_LISTEN", func(c *collector.Config) { c.HTTPListen = ":8080" }},
		{"DRAIN_LINGER", func(c *collector.Config) { c.DrainLinger = 0 }},
		{"SHUTDOWN_TIMEOUT", func(c *collector.Config) { c.ShutdownTimeout = collector.MaxShutdownTimeout }},
		{"KAFKA_BROKERS", func(c *collector.Config) { c.Publisher.Brokers = []string{"localhost:9092"} }},
		{"KAFKA_DEAD_LETTER_TOPIC", func(c *collector.Config) { c.Publisher.DeadLetterTopic = "" }},
		{"KAFKA_TOPIC", func(c *collector.Config) { c.Publisher.Topic = right.Topic }},
		{"KAFKA_TOPIC_ROUTES", func(c *collector.Config) { c.Publisher.Routes = nil }},
		{"KAFKA_CREATE_TOPIC", func(c *collector.Config) { c.Publisher.CreateTopic = right.CreateTopic }},
		{"KAFKA_CLIENT_ID", func(c *collector.Config) { c.Publisher.ClientID = right.ClientID }},
		{"KAFKA_LINGER", func(c *collector.Config) { c.Publisher.Linger = right.Linger }},
		{"KAFKA_BATCH_BYTES", func(c *collector.Config) { c.Publisher.BatchBytes = right.BatchBytes }},
		{"KAFKA_IDEMPOTENT", func(c *collector.Config) { c.Publisher.Idempotent = false }},
		{"KAFKA_ACKS", func(c *collector.Config) { c.Publisher.Acks = right.Acks }},
	}, slices.Concat(securityCures(), registryCures())...)
}

// registryCures change a copy, as securityCures do. Of user name and password the
// one that is not there is to blame.
func registryCures() []cure {
	change := func(change func(*registry.Config)) func(*collector.Config) {
		return func(c *collector.Config) {
			if c.Publisher.Registry != nil {
				changed := *c.Publisher.Registry
				change(&changed)
				c.Publisher.Registry = &changed
			}
		}
	}
	return []cure{
		{"SCHEMA_REGISTRY_URL", change(func(r *registry.Config) { r.URL = "https://registry:8081" })},
		{"SCHEMA_REGISTRY_USERNAME", change(func(r *registry.Config) {
			if r.Username == "" {
				r.Username = "flowpub"
			}
		})},
		{"SCHEMA_REGISTRY_PASSWORD_FILE", change(func(r *registry.Config) { r.Username, r.PasswordFile = "", "" })},
		{"SCHEMA_REGISTRY_CA_FILE", change(func(r *registry.Config) { r.CAFile = "" })},
	}
}

// securityCures change copies: what cfg points to is shared by its copies.
func securityCures() []cure {
	return append(tlsCures(), saslCures()...)
}

func tlsCures() []cure {
	change := func(change func(*auth.TLS)) func(*collector.Config) {
		return func(c *collector.Config) {
			if c.Publisher.TLS != nil {
				changed := *c.Publisher.TLS
				change(&changed)
				c.Publisher.TLS = &changed
			}
		}
	}
	noCertificate := change(func(t *auth.TLS) { t.CertFile, t.KeyFile = "", "" })
	return []cure{
		{"KAFKA_TLS_CA_FILE", change(func(t *auth.TLS) { t.CAFile = "" })},
		{"KAFKA_TLS_CERT_FILE", noCertificate},
		{"KAFKA_TLS_KEY_FILE", noCertificate},
	}
}

// saslCures leave alone what is for another mechanism than the one chosen.
func saslCures() []cure {
	change := func(oauth bool, change func(*auth.SASL)) func(*collector.Config) {
		return func(c *collector.Config) {
			if s := c.Publisher.SASL; s != nil && (s.Mechanism == auth.OAuthBearer) == oauth {
				changed := *s
				change(&changed)
				c.Publisher.SASL = &changed
			}
		}
	}
	// The only cure for a file that is not there would be one that is: instead this
	// ends all complaints about tokens, so it comes after the others.
	noOAuth := func(c *collector.Config) {
		if s := c.Publisher.SASL; s != nil && s.Mechanism == auth.OAuthBearer {
			c.Publisher.SASL = nil
		}
	}
	return []cure{
		{"KAFKA_SASL_USERNAME", change(false, func(s *auth.SASL) { s.Username = "flowpub" })},
		{"KAFKA_SASL_PASSWORD", change(false, func(s *auth.SASL) {
			if s.PasswordFile != "" {
				s.Password = ""
			}
		})},
		{"KAFKA_SASL_PASSWORD_FILE", change(false, func(s *auth.SASL) { s.Password, s.PasswordFile = "cured", "" })},
		{"KAFKA_SASL_OAUTH_CLIENT_ID", change(true, func(s *auth.SASL) {
			if s.OAuth.TokenURL != "" {
				s.OAuth.ClientID = "cured"
			}
		})},
		{"KAFKA_SASL_OAUTH_CA_FILE", change(true, func(s *auth.SASL) { s.OAuth.CAFile = "" })},
		{"KAFKA_SASL_OAUTH_TOKEN_URL", change(true, func(s *auth.SASL) {
			if s.OAuth.TokenFile != "" {
				s.OAuth = auth.OAuth{TokenFile: s.OAuth.TokenFile}
			} else if s.OAuth.TokenURL != "" {
				s.OAuth.TokenURL = "https://cured.invalid/"
			}
		})},
		{"KAFKA_SASL_OAUTH_CLIENT_SECRET_FILE", func(c *collector.Config) {
			if s := c.Publisher.SASL; s != nil && s.OAuth.TokenURL != "" {
				noOAuth(c)
			}
		}},
		{"KAFKA_SASL_OAUTH_TOKEN_FILE", noOAuth},
	}
}
