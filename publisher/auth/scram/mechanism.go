package scram

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"
	"sync"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/xdg-go/stringprep"
)

// Mechanism logs a user in. It is safe for concurrent use.
type Mechanism struct {
	name     string
	newHash  func() hash.Hash
	user     string
	password string
	nonce    func() string

	mu   sync.Mutex
	last derived // for the next connection, which has the same salt as a rule
}

// derived is a salted password, and what it was made with.
type derived struct {
	salt       []byte
	iterations int
	key        []byte
}

// SHA256 returns the mechanism SCRAM-SHA-256. The error is about a user or a password
// with characters that cannot be in one (RFC 4013); it shows neither.
func SHA256(user, password string) (*Mechanism, error) {
	return newMechanism("SCRAM-SHA-256", sha256.New, user, password)
}

// SHA512 returns the mechanism SCRAM-SHA-512, and errors as SHA256 does.
func SHA512(user, password string) (*Mechanism, error) {
	return newMechanism("SCRAM-SHA-512", sha512.New, user, password)
}

func newMechanism(name string, newHash func() hash.Hash, user, password string) (*Mechanism, error) {
	user, userErr := stringprep.SASLprep.Prepare(user)
	password, passwordErr := stringprep.SASLprep.Prepare(password)
	if userErr != nil || passwordErr != nil {
		return nil, errors.New("the user name or password has characters that SCRAM allows in none (RFC 4013): choose others")
	}
	return &Mechanism{name: name, newHash: newHash, user: user, password: password, nonce: rand.Text}, nil
}

// Name is part of sasl.Mechanism.
func (m *Mechanism) Name() string { return m.name }

// noBinding begins a login: the client binds it to no channel, and acts for nobody else.
const noBinding = "n,,"

// Start is part of sasl.Mechanism.
func (m *Mechanism) Start(context.Context) (sasl.StateMachine, []byte, error) {
	e := &exchange{mechanism: m, nonce: m.nonce()}
	e.first = "n=" + strings.NewReplacer("=", "=3D", ",", "=2C").Replace(m.user) + ",r=" + e.nonce
	return e, []byte(noBinding + e.first), nil
}

// salted returns the salted password.
func (m *Mechanism) salted(ctx context.Context, salt []byte, iterations int) ([]byte, error) {
	m.mu.Lock()
	last := m.last
	m.mu.Unlock()
	if last.iterations == iterations && bytes.Equal(last.salt, salt) {
		return last.key, nil
	}
	key, err := derive(ctx, m.newHash, m.password, salt, iterations)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last = derived{salt, iterations, key}
	return key, nil
}

// exchange is one login.
type exchange struct {
	mechanism *Mechanism
	nonce     string
	first     string // the client's first message, without what it is bound to
	signature []byte // by which the server shows that it knows the password; nil until it is due
}

// Next is part of sasl.StateMachine. No error shows what the server sent.
func (e *exchange) Next(ctx context.Context, challenge []byte) (done bool, response []byte, err error) {
	if e.signature != nil {
		return e.finish(string(challenge))
	}
	response, err = e.prove(ctx, string(challenge))
	return false, response, err
}

// prove answers the server's first message.
func (e *exchange) prove(ctx context.Context, challenge string) ([]byte, error) {
	nonce, salt, iterations, err := e.parse(challenge)
	if err != nil {
		return nil, err
	}
	salted, err := e.mechanism.salted(ctx, salt, iterations)
	if err != nil {
		return nil, err
	}
	newHash := e.mechanism.newHash
	final := "c=" + base64.StdEncoding.EncodeToString([]byte(noBinding)) + ",r=" + nonce
	all := e.first + "," + challenge + "," + final
	clientKey := keyed(newHash, salted, "Client Key")
	proof := keyed(newHash, hashed(newHash, clientKey), all)
	subtle.XORBytes(proof, proof, clientKey)
	e.signature = keyed(newHash, keyed(newHash, salted, "Server Key"), all)
	return []byte(final + ",p=" + base64.StdEncoding.EncodeToString(proof)), nil
}

// parse reads the server's first message: its nonce, the salt, the iterations, and
// perhaps more, which does not matter.
func (e *exchange) parse(challenge string) (nonce string, salt []byte, iterations int, err error) {
	fields := strings.Split(challenge, ",")
	if len(fields) < 3 || !strings.HasPrefix(fields[0], "r=") || !strings.HasPrefix(fields[1], "s=") || !strings.HasPrefix(fields[2], "i=") {
		return "", nil, 0, errors.New("the broker's first message of the login is none of SCRAM")
	}
	nonce = fields[0][2:]
	if len(nonce) <= len(e.nonce) || !strings.HasPrefix(nonce, e.nonce) {
		return "", nil, 0, errors.New("the broker answers another login than this one")
	}
	salt, err = base64.StdEncoding.DecodeString(fields[1][2:])
	if err != nil || len(salt) == 0 {
		return "", nil, 0, errors.New("the broker names no salt for the login")
	}
	iterations, err = strconv.Atoi(fields[2][2:])
	if err != nil || iterations < MinIterations || iterations > MaxIterations {
		return "", nil, 0, &IterationsError{iterations}
	}
	return nonce, salt, iterations, nil
}

// IterationsError is a number of iterations out of bounds.
type IterationsError struct{ Iterations int }

// Error is part of error.
func (e *IterationsError) Error() string {
	return fmt.Sprintf("the broker wants %d SCRAM iterations for a login: from %d to %d are made", e.Iterations, MinIterations, MaxIterations)
}

// finish looks whether the server knows the password, too.
func (e *exchange) finish(challenge string) (done bool, response []byte, err error) {
	verifier, named := strings.CutPrefix(challenge, "v=")
	if !named {
		return false, nil, errors.New("the broker refuses the login")
	}
	verifier, _, _ = strings.Cut(verifier, ",")
	signature, err := base64.StdEncoding.DecodeString(verifier)
	if err != nil || subtle.ConstantTimeCompare(signature, e.signature) != 1 {
		return false, nil, errors.New("the broker does not know the password: somebody may stand in its place")
	}
	return true, nil, nil
}
