package auth

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Extension is a key and a value that brokers are sent beside a token.
type Extension struct{ Name, Value string }

// What names and values may consist of: RFC 7628, section 3.1. Apache Kafka takes no
// empty value.
var (
	extensionName  = regexp.MustCompile(`^[A-Za-z]+$`)
	extensionValue = regexp.MustCompile(`^[\x20-\x7E\t\r\n]+$`)
)

// tokenKey is the key of the token itself.
const tokenKey = "auth"

// ParseExtensions reads name=value, several separated by commas. What has no = belongs
// to the value before it: values may have commas.
func ParseExtensions(text string) ([]Extension, error) {
	if text == "" {
		return nil, nil
	}
	var entries []string
	for part := range strings.SplitSeq(text, ",") {
		if len(entries) > 0 && !strings.Contains(part, "=") {
			entries[len(entries)-1] += "," + part
			continue
		}
		entries = append(entries, part)
	}
	var all []Extension
	seen := make(map[string]bool)
	for _, entry := range entries {
		name, value, found := strings.Cut(entry, "=")
		e := Extension{strings.TrimSpace(name), strings.TrimSpace(value)}
		switch {
		case !found:
			return nil, fmt.Errorf("extension %q is not name=value: write it as in logicalCluster=lkc-abc123", entry)
		case !extensionName.MatchString(e.Name):
			return nil, fmt.Errorf("extension name %q does not consist of letters A-Z, a-z: no other is possible", e.Name)
		case e.Name == tokenKey:
			return nil, errors.New("an extension cannot be named " + tokenKey + ": that is the token's own name")
		case !extensionValue.MatchString(e.Value):
			return nil, fmt.Errorf("extension %s has the value %q: write one in printable ASCII, which is not empty", e.Name, e.Value)
		case seen[e.Name]:
			return nil, fmt.Errorf("extension %s is there twice: remove one", e.Name)
		}
		seen[e.Name] = true
		all = append(all, e)
	}
	return all, nil
}

// wire is what extensions are between the token and the end of the message.
func wire(extensions []Extension) string {
	var b strings.Builder
	for _, e := range extensions {
		b.WriteString(e.Name + "=" + e.Value + "\x01")
	}
	return b.String()
}
