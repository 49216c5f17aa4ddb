// Package secrethttp makes HTTP requests that carry a secret: once, to the server
// that was named, and without quoting in errors what was sent or received.
package secrethttp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/flowpub/flowpub/internal/secretfile"
)

// maxHeader bounds the header of an answer.
const maxHeader = 64 << 10

// Client is for one request. The authorities in a file may sign the server's
// certificate; without a file, those of the system. It follows no redirection,
// which would take the secret elsewhere.
func Client(caFile string) (*http.Client, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile != "" {
		pool, err := secretfile.Authorities(caFile)
		if err != nil {
			return nil, err
		}
		conf.RootCAs = pool
	}
	return &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: conf, ForceAttemptHTTP2: true,
			DisableKeepAlives: true, MaxResponseHeaderBytes: maxHeader,
			OnProxyConnectResponse: func(_ context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
				if answer.StatusCode != http.StatusOK {
					return ProxyError(answer.StatusCode)
				}
				return nil
			},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// Cause returns what went wrong with a request, without its URL.
func Cause(err error) error {
	if request, ok := errors.AsType[*url.Error](err); ok {
		return request.Err
	}
	return err
}

// ProxyError is the status with which a proxy refuses a connection.
type ProxyError int

// Error is part of error.
func (e ProxyError) Error() string {
	return fmt.Sprintf("the proxy answers status %d %s", int(e), http.StatusText(int(e)))
}

// Cure is what to do about it.
func (e ProxyError) Cure() string {
	if e == http.StatusProxyAuthRequired {
		return "put the proxy's user and password into HTTPS_PROXY or HTTP_PROXY, or the endpoint's host into NO_PROXY"
	}
	return "have the proxy connect to the token endpoint, or put the endpoint's host into NO_PROXY"
}
