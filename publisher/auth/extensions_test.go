package auth

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestParseExtensions(t *testing.T) {
	t.Parallel()
	tests := map[string][]Extension{
		"":                       nil,
		"logicalCluster=lkc-abc": {{"logicalCluster", "lkc-abc"}},
		"logicalCluster=lkc-abc,identityPoolId=pool-1,pool-2": {{"logicalCluster", "lkc-abc"}, {"identityPoolId", "pool-1,pool-2"}},
		"a = b=c , d=e f": {{"a", "b=c"}, {"d", "e f"}},
	}
	for text, want := range tests {
		got, err := ParseExtensions(text)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"lkc-abc":      `extension "lkc-abc" is not name=value`,
		"a1=b":         `extension name "a1" does not consist of letters`,
		"=b":           `extension name "" does not consist of letters`,
		"a_b=c":        `extension name "a_b"`,
		"ä=b":          `extension name "ä"`,
		"auth=Bearer":  "cannot be named auth",
		"a=":           `extension a has the value ""`,
		"a=b\x01c=d":   `extension a has the value "b\x01c=d"`,
		"a=é":          `extension a has the value "é"`,
		"a=b,a=c":      "extension a is there twice",
		"a=b,,c=d,e=f": "", // a has the value "b,"
	} {
		_, err := ParseExtensions(text)
		if want == "" {
			if err != nil {
				t.Errorf("%q: error %v", text, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %s", text, err, want)
		}
	}
}

// The message is that of RFC 7628, section 3.1: key=value, each ended by ^A, and one
// more ^A at the end.
func TestBearerSendsExtensions(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	writeFile(t, file, "abc")
	c := &SASL{Mechanism: OAuthBearer, OAuth: OAuth{TokenFile: file, Extensions: "logicalCluster=lkc-1, identityPoolId=pool-2"}}
	if err := c.validate(); err != nil {
		t.Fatal(err)
	}
	read, err := c.load(nil)
	if err != nil {
		t.Fatal(err)
	}
	_, first, err := read.SASL.Start(t.Context())
	if want := "n,,\x01auth=Bearer abc\x01logicalCluster=lkc-1\x01identityPoolId=pool-2\x01\x01"; err != nil || string(first) != want {
		t.Errorf("the first message is %q, error %v, want %q", first, err, want)
	}
	c.OAuth.Extensions = "auth=x"
	if err := c.validate(); err == nil || !strings.Contains(err.Error(), "cannot be named auth") {
		t.Errorf("error %v of an extension that is the token", err)
	}
}
