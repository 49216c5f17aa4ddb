package config

import (
	"log/slog"

	"github.com/flowpub/flowpub/collector"
	"github.com/flowpub/flowpub/publisher"
	"github.com/flowpub/flowpub/publisher/auth"
	"github.com/flowpub/flowpub/publisher/registry"
)

// config turns the settings into what the packages take.
func (s *settings) config() Config {
	return Config{
		Collector: collector.Config{
			Listen:           s.Listen,
			Sockets:          int(s.Sockets),
			ReceiveBuffer:    int(s.ReceiveBuffer),
			ReceiveDelay:     s.ReceiveDelay.std(),
			ExportersAllow:   s.ExportersAllow,
			ExportersFile:    s.ExportersFile,
			Formats:          s.Formats,
			Elements:         s.Elements,
			HTTPListen:       string(s.HTTPListen),
			HTTPPProf:        bool(s.HTTPPProf),
			MetricsExporters: int(s.MetricsExporters),
			LogSummary:       s.LogSummary.std(),
			DrainLinger:      s.DrainLinger.std(),
			ShutdownTimeout:  s.ShutdownTimeout.std(),
			TemplateTopic:    s.Templates,
			Publisher:        s.publisher(),
		},
		Log: LogConfig{Level: slog.Level(s.LogLevel), Format: s.LogFormat},
	}
}

func (s *settings) publisher() publisher.Config {
	cfg := publisher.DefaultConfig()
	cfg.Brokers = s.Brokers
	cfg.Topic = s.Topic
	cfg.Routes = s.TopicRoutes
	cfg.Spreads = s.Spread
	cfg.DeadLetterTopic = s.DeadLetters
	cfg.CreateTopic = s.CreateTopic
	cfg.Value = s.Value
	cfg.ValueHeader = s.ValueHeader
	cfg.ClientID = s.ClientID
	cfg.Compression = s.Compression
	cfg.Linger = s.Linger.std()
	cfg.BatchBytes = int(s.BatchBytes)
	cfg.BufferBytes = int(s.BufferBytes)
	cfg.Partitioner = s.Partitioner
	cfg.Acks = s.Acks
	cfg.Idempotent = s.Acks == publisher.AcksAll
	if s.Idempotent != nil {
		cfg.Idempotent = bool(*s.Idempotent)
		cfg.IdempotentRequired = cfg.Idempotent
	}
	if s.Value == publisher.ValueConfluent {
		cfg.Registry = &registry.Config{
			URL:          s.RegistryURL,
			Username:     s.RegistryUsername,
			PasswordFile: s.RegistryPasswordFile,
			CAFile:       s.RegistryCAFile,
		}
	}
	if s.TLS {
		cfg.TLS = &auth.TLS{
			CAFile:     s.TLSCAFile,
			CertFile:   s.TLSCertFile,
			KeyFile:    s.TLSKeyFile,
			ServerName: s.TLSServerName,
			Insecure:   bool(s.TLSInsecure),
		}
	}
	if s.SASLMechanism != "" {
		cfg.SASL = s.sasl()
	}
	return cfg
}

// sasl takes over what the mechanism has use for; checkMechanism refuses the rest.
func (s *settings) sasl() *auth.SASL {
	cfg := &auth.SASL{Mechanism: string(s.SASLMechanism)}
	if cfg.Mechanism == auth.OAuthBearer {
		cfg.OAuth = auth.OAuth{
			TokenFile:        s.OAuthTokenFile,
			TokenURL:         s.OAuthTokenURL,
			ClientID:         s.OAuthClientID,
			ClientSecretFile: s.OAuthClientSecretFile,
			Scope:            s.OAuthScope,
			CAFile:           s.OAuthCAFile,
			Extensions:       s.OAuthExtensions,
		}
		return cfg
	}
	cfg.Username, cfg.Password, cfg.PasswordFile = s.SASLUsername, s.SASLPassword, s.SASLPasswordFile
	return cfg
}
