package cluster

import (
	"context"
	"net"

	"github.com/flowpub/flowpub/publisher/answers"
	"github.com/flowpub/flowpub/publisher/auth"
)

// dialer connects for the client, and has what comes over the connections checked.
type dialer struct {
	secret  *auth.Credentials
	checker *answers.Checker
}

// dial connects unless there may be no login.
func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if err := d.secret.Refused(); err != nil {
		return nil, err
	}
	conn, err := dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if d.secret.TLS != nil {
		if conn, err = d.checker.Encrypt(ctx, conn, address, d.secret.TLS); err != nil {
			return nil, err
		}
	}
	return d.checker.Wrap(conn, address), nil
}

// dial connects: once for all requests to a certain broker, where those have a sole
// connection.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	if c, ok := ctx.Value(soleKey{}).(*soleConnections); ok {
		return c.dial(ctx, network, address)
	}
	return dialTimely(ctx, network, address)
}

// dialTimely connects in time.
func dialTimely(ctx context.Context, network, address string) (net.Conn, error) {
	return (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, network, address)
}
