package auth

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// Every mistake is named with its cure, and all at once.
func TestValidate(t *testing.T) {
	t.Parallel()
	notPEM := filepath.Join(t.TempDir(), "ca.pem")
	writeFile(t, notPEM, "not PEM")
	oauth := func(settings OAuth) func(*Config) {
		return func(c *Config) { c.SASL = &SASL{Mechanism: OAuthBearer, OAuth: settings} }
	}
	tests := []struct {
		name   string
		change func(*Config)
		want   []string // nothing: no mistake
	}{
		{"nothing", func(*Config) {}, nil},
		{"a password", func(c *Config) { c.SASL = &SASL{Mechanism: Plain, Username: "u", Password: "hunter2"} }, nil},
		{"half a client certificate", func(c *Config) { c.TLS = &TLS{CertFile: "cert.pem"} }, []string{"both its certificate file and its key file"}},
		{"no such authority", func(c *Config) { c.TLS = &TLS{CAFile: "/nowhere/ca.pem"} }, []string{"/nowhere/ca.pem"}},
		{"not an authority", func(c *Config) { c.TLS = &TLS{CAFile: notPEM} }, []string{notPEM + " holds no PEM certificate"}},
		{"SASL", func(c *Config) { c.SASL = &SASL{Mechanism: "kerberos"} }, []string{
			`SASL mechanism "kerberos" is not known: use plain, scram-sha-256, scram-sha-512 or oauthbearer`,
			"SASL needs a user name", "SASL needs a password or a password file",
		}},
		{"two passwords", func(c *Config) {
			c.SASL = &SASL{Mechanism: Plain, Username: "u", Password: "hunter2", PasswordFile: "f"}
		}, []string{"a password or a password file, not both"}},
		{"no password file", func(c *Config) {
			c.SASL = &SASL{Mechanism: Plain, Username: "u", PasswordFile: "/hunter2"}
		}, []string{"SASL password: no such file"}},
		{"OAuth settings with a password", func(c *Config) {
			c.SASL = &SASL{Mechanism: Plain, Username: "u", Password: "hunter2", OAuth: OAuth{Scope: "s"}}
		}, []string{"SASL takes OAuth settings with oauthbearer only"}},
		{"a password with OAuth", func(c *Config) {
			c.SASL = &SASL{Mechanism: OAuthBearer, Username: "u", Password: "hunter2", PasswordFile: "f"}
		}, []string{
			"SASL takes no user name with oauthbearer", "SASL takes no password with oauthbearer", "SASL takes no password file with oauthbearer",
			"OAuth needs a token file or the URL of a token endpoint",
		}},
		{"two sources of tokens", oauth(OAuth{TokenFile: "f", TokenURL: "https://idp/"}), []string{
			"a token file or the URL of a token endpoint, not both", "OAuth token: no such file",
		}},
		{"a client without an endpoint", oauth(OAuth{TokenFile: "f", ClientID: "c"}), []string{"OAuth client settings are for a token endpoint: name its URL"}},
		{"no URL", oauth(OAuth{TokenURL: "idp/hunter2", ClientID: "c", ClientSecretFile: "f"}), []string{"OAuth token URL is not valid: write it as https://host/path"}},
		{"a URL that is broken", oauth(OAuth{TokenURL: "https://u:hunter2@%zz/", ClientID: "c", ClientSecretFile: "f"}), []string{"OAuth token URL is not valid"}},
		{"a URL with credentials", oauth(OAuth{TokenURL: "https://u:hunter2@idp/", ClientID: "c", ClientSecretFile: "f"}), []string{"OAuth token URL holds credentials: set the client id"}},
		{"a URL with a fragment", oauth(OAuth{TokenURL: "https://idp/#hunter2", ClientID: "c", ClientSecretFile: "f"}), []string{"OAuth token URL has a fragment"}},
		{"no token file", oauth(OAuth{TokenFile: "/hunter2"}), []string{"OAuth token: no such file"}},
		{"no files for the endpoint", oauth(OAuth{TokenURL: "https://idp/", ClientID: "c", ClientSecretFile: "/hunter2", CAFile: notPEM}), []string{
			"OAuth client secret: no such file", notPEM + " holds no PEM certificate",
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var cfg Config
			test.change(&cfg)
			err := cfg.Validate()
			if (err != nil) != (test.want != nil) {
				t.Fatalf("error %v, want %q", err, test.want)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error %q has the password in it", err)
			}
		})
	}
}

func TestPasswordIsNotPrinted(t *testing.T) {
	t.Parallel()
	c := &SASL{Mechanism: Plain, Username: "router", Password: "hunter2"}
	if got := fmt.Sprintf("%v %+v", c, c); got != "plain as router plain as router" {
		t.Errorf("printed as %q", got)
	}
	c = &SASL{Mechanism: OAuthBearer, OAuth: OAuth{TokenURL: "https://idp/?hunter2"}}
	if got := fmt.Sprintf("%v, %+v", c, c); got != "oauthbearer, oauthbearer" {
		t.Errorf("printed as %q", got)
	}
}
