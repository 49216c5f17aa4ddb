package scram

import (
	"context"
	"crypto/hmac"
	"crypto/subtle"
	"fmt"
	"hash"
)

// Bounds of the number of iterations. Kafka itself takes none below the first.
const (
	MinIterations = 4_096
	MaxIterations = 1_000_000
)

// iterationsPerLook is how many iterations are made before it is looked whether anybody
// still waits.
const iterationsPerLook = 1_024

// derive returns the salted password, which RFC 5802 calls Hi(): PBKDF2 (RFC 8018,
// section 5.2) with HMAC for one block. It ends with ctx.
func derive(ctx context.Context, newHash func() hash.Hash, password string, salt []byte, iterations int) ([]byte, error) {
	mac := hmac.New(newHash, []byte(password))
	mac.Write(salt)
	mac.Write([]byte{0, 0, 0, 1}) // the number of the block
	last := mac.Sum(nil)
	key := append([]byte(nil), last...)
	for i := 1; i < iterations; i++ {
		if i%iterationsPerLook == 0 {
			if err := ctx.Err(); err != nil {
				return nil, fmt.Errorf("the login was given up: %w", err)
			}
		}
		mac.Reset()
		mac.Write(last)
		last = mac.Sum(last[:0])
		subtle.XORBytes(key, key, last)
	}
	return key, nil
}

// keyed is HMAC.
func keyed(newHash func() hash.Hash, key []byte, text string) []byte {
	mac := hmac.New(newHash, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

func hashed(newHash func() hash.Hash, b []byte) []byte {
	h := newHash()
	h.Write(b)
	return h.Sum(nil)
}
