package scram

import (
	"bytes"
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"hash"
	"strings"
	"testing"
)

// login begins the login of RFC 7677, section 3, with the nonce that it has there.
func login(t *testing.T) *exchange {
	t.Helper()
	m, err := SHA256("user", "pencil")
	if err != nil {
		t.Fatal(err)
	}
	m.nonce = func() string { return "rOprNGfwEbeRWgbNEkqO" }
	e, first, err := m.Start(t.Context())
	if err != nil || string(first) != "n,,n=user,r=rOprNGfwEbeRWgbNEkqO" {
		t.Fatalf("the first message is %q, error %v", first, err)
	}
	begun, ok := e.(*exchange)
	if !ok {
		t.Fatalf("it is a %T", e)
	}
	return begun
}

const (
	serverFirst = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
	clientFinal = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
	serverFinal = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
)

// The messages are those of RFC 7677, section 3.
func TestLogin(t *testing.T) {
	t.Parallel()
	e := login(t)
	done, response, err := e.Next(t.Context(), []byte(serverFirst))
	if done || string(response) != clientFinal || err != nil {
		t.Fatalf("done %v with %q, error %v; want %q", done, response, err, clientFinal)
	}
	if done, response, err = e.Next(t.Context(), []byte(serverFinal)); !done || len(response) != 0 || err != nil {
		t.Errorf("in the end: done %v with %q, error %v", done, response, err)
	}
}

func TestServerThatDoesNotKnowThePassword(t *testing.T) {
	t.Parallel()
	for _, final := range []string{"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl96G4=", "v=", "v", "", "e=invalid-proof", "v=!"} {
		e := login(t)
		if _, _, err := e.Next(t.Context(), []byte(serverFirst)); err != nil {
			t.Fatal(err)
		}
		if done, _, err := e.Next(t.Context(), []byte(final)); done || err == nil {
			t.Errorf("%q ends the login: done %v, error %v", final, done, err)
		}
	}
}

// What a server may not begin with.
func TestFirstMessageRefused(t *testing.T) {
	t.Parallel()
	for _, first := range []string{
		"", "r=", ",,", "m=x," + serverFirst,
		strings.Replace(serverFirst, "r=rOpr", "r=sOpr", 1),
		"r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
		strings.Replace(serverFirst, "s=W22Z", "s=!", 1),
		strings.Replace(serverFirst, "s=W22ZaJ0SNY7soEsUEjb6gQ==", "s=", 1),
	} {
		if _, _, err := login(t).Next(t.Context(), []byte(first)); err == nil {
			t.Errorf("%q is taken", first)
		}
	}
	for _, iterations := range []string{"2000000000", "1000001", "4095", "0", "-1", "99999999999999999999", ""} {
		_, _, err := login(t).Next(t.Context(), []byte(strings.Replace(serverFirst, "4096", iterations, 1)))
		if _, ok := errors.AsType[*IterationsError](err); !ok {
			t.Errorf("%s iterations: error %v", iterations, err)
		}
	}
}

// countedContext ends when it was looked at so many times.
type countedContext struct {
	context.Context
	looks, most int
}

func (c *countedContext) Err() error {
	if c.looks++; c.looks > c.most {
		return context.Canceled
	}
	return nil
}

// A login that nobody waits for any more ends soon, however many iterations it has.
func TestLoginEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx := &countedContext{Context: t.Context(), most: 2}
	_, _, err := login(t).Next(ctx, []byte(strings.Replace(serverFirst, "4096", "1000000", 1)))
	if !errors.Is(err, context.Canceled) || ctx.looks != 3 {
		t.Errorf("error %v after %d looks at the context, want its error after 3", err, ctx.looks)
	}
}

// The next connection need not do the work again; another salt is other work.
func TestKeysAreKept(t *testing.T) {
	t.Parallel()
	m, err := SHA512("user", "pencil")
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	first, err := m.salted(t.Context(), []byte("salt"), 10_000)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	again, err := m.salted(ended, []byte("salt"), 10_000)
	if err != nil || !bytes.Equal(again, first) {
		t.Errorf("the same again: %x, error %v, want %x", again, err, first)
	}
	if _, err := m.salted(ended, []byte("pepper"), 10_000); !errors.Is(err, context.Canceled) {
		t.Errorf("another salt: error %v, want that it is work", err)
	}
}

// The standard library derives the same.
func TestDerive(t *testing.T) {
	t.Parallel()
	for _, newHash := range []func() hash.Hash{sha256.New, sha512.New} {
		want, err := pbkdf2.Key(newHash, "pass=word", []byte("salt"), 5000, newHash().Size())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := derive(t.Context(), newHash, "pass=word", []byte("salt"), 5000); hex.EncodeToString(got) != hex.EncodeToString(want) {
			t.Errorf("%x, want %x; error %v", got, want, err)
		}
	}
}

// Names are written so that no part of them reads as another field, and prepared as
// RFC 4013 has it: its example I<SOFT HYPHEN>X is IX.
func TestUserNames(t *testing.T) {
	t.Parallel()
	for user, want := range map[string]string{"a=b,c": "n,,n=a=3Db=2Cc,r=", "I\u00adX": "n,,n=IX,r="} {
		m, err := SHA256(user, "secret")
		if err != nil {
			t.Fatal(err)
		}
		if _, first, _ := m.Start(t.Context()); !strings.HasPrefix(string(first), want) {
			t.Errorf("%q begins with %q, want %q", user, first, want)
		}
	}
	if _, err := SHA256("user", "bell\u0007"); err == nil || strings.Contains(err.Error(), "bell") {
		t.Errorf("a password with a control character: error %v", err)
	}
}
