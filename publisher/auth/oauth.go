package auth

import (
	"errors"
	"net/url"

	"github.com/flowpub/flowpub/internal/config/variable"
	"github.com/flowpub/flowpub/internal/secretfile"
	"github.com/flowpub/flowpub/internal/secrethttp"
)

// OAuth says where OAuthBearer has its tokens from: a file, or an
// endpoint that gives them for client credentials (RFC 6749, section 4.4).
type OAuth struct {
	// TokenFile holds a token. Whoever writes the file replaces it in time; it is
	// read again when it changes.
	TokenFile string
	// TokenURL is the endpoint, https or http. ClientID and what ClientSecretFile
	// holds are who asks it; the file is read for each request.
	TokenURL, ClientID, ClientSecretFile string
	// Scope is what permissions to ask for, separated by spaces; empty leaves that
	// to the endpoint.
	Scope string
	// CAFile holds the authorities that may sign the endpoint's certificate; empty
	// means those of the system. It is read for each request.
	CAFile string
	// Extensions are those of SASL that brokers are sent with each token, as
	// ParseExtensions reads them; empty: none.
	Extensions string
}

// validate returns every mistake. It reads the files.
func (c *OAuth) validate() error {
	var errs []error
	mistake := func(name, text string) { errs = append(errs, variable.Mistake(name, "%s", text)) }
	client := *c
	client.TokenFile, client.TokenURL, client.Extensions = "", "", ""
	switch {
	case c.TokenFile == "" && c.TokenURL == "":
		mistake(variable.SASLOAuthTokenFile, "OAuth needs a token file or the URL of a token endpoint")
	case c.TokenFile != "" && c.TokenURL != "":
		mistake(variable.SASLOAuthTokenURL, "OAuth takes a token file or the URL of a token endpoint, not both")
	case c.TokenURL == "" && client != (OAuth{}):
		mistake(variable.SASLOAuthTokenURL, "OAuth client settings are for a token endpoint: name its URL, or remove them")
	}
	_, err := ParseExtensions(c.Extensions)
	errs = append(errs, variable.In(variable.SASLOAuthExtensions, err))
	if c.TokenFile != "" {
		_, err := readToken(c.TokenFile)
		return errors.Join(append(errs, variable.In(variable.SASLOAuthTokenFile, err))...)
	}
	if c.TokenURL == "" {
		return errors.Join(errs...)
	}
	errs = append(errs, variable.In(variable.SASLOAuthTokenURL, validateTokenURL(c.TokenURL)))
	if c.ClientID == "" {
		mistake(variable.SASLOAuthClientID, "OAuth needs a client id for the token endpoint")
	}
	if c.ClientSecretFile == "" {
		mistake(variable.SASLOAuthClientSecretFile, "OAuth needs the file of the client secret for the token endpoint")
	} else {
		_, err := secretfile.Read("OAuth client secret", c.ClientSecretFile)
		errs = append(errs, variable.In(variable.SASLOAuthClientSecretFile, err))
	}
	_, err = secrethttp.Client(c.CAFile)
	return errors.Join(append(errs, variable.In(variable.SASLOAuthCAFile, err))...)
}

// validateTokenURL shows nothing of the URL: it may hold a password.
func validateTokenURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Scheme != "https" && u.Scheme != "http", u.Hostname() == "":
		return errors.New("OAuth token URL is not valid: write it as https://host/path")
	case u.User != nil:
		return errors.New("OAuth token URL holds credentials: set the client id and the file of the client secret instead")
	case u.Fragment != "":
		return errors.New("OAuth token URL has a fragment, which is never sent: leave out what begins with #")
	}
	return nil
}

// Encrypted reports whether nobody on the way to the endpoint can read the client
// secret.
func (c *OAuth) Encrypted() bool {
	u, err := url.Parse(c.TokenURL)
	return err == nil && u.Scheme == "https"
}
