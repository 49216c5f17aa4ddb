package config

import (
	"errors"
	"os"
	"strings"

	"github.com/flowpub/flowpub/internal/config/variable"
	"github.com/flowpub/flowpub/publisher"
	"github.com/flowpub/flowpub/publisher/auth"
)

// judge sorts what was said of a configuration by those whose the rules are. Mistakes in
// variables that were found before are not told again. It returns those that are
// in no variable.
func judge(said error, found *mistakes) (others []string) {
	var names []string
	complaints := make(map[string][]string)
	for _, err := range separate(said) {
		mistake, ok := errors.AsType[*variable.Error](err)
		if !ok {
			others = append(others, withoutPackage(err.Error()))
			continue
		}
		name := mistake.Variable
		if complaints[name] == nil {
			names = append(names, name)
		}
		for line := range strings.SplitSeq(err.Error(), "\n") {
			complaints[name] = append(complaints[name], withoutPackage(line))
		}
	}
	for _, name := range names {
		found.add(name, strings.Join(complaints[name], "; "))
	}
	return others
}

// separate takes apart what errors.Join has joined.
func separate(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		if err == nil {
			return nil
		}
		return []error{err}
	}
	var all []error
	for _, one := range joined.Unwrap() {
		all = append(all, separate(one)...)
	}
	return all
}

// checkTogether finds variables that contradict each other although each is
// right on its own, and none of which collector or publisher would notice.
func checkTogether(s *settings, found *mistakes) {
	checkFiles(found)
	const value, registry = Prefix + "KAFKA_VALUE", Prefix + "SCHEMA_REGISTRY"
	if s.Value != publisher.ValueConfluent && !found.made(value) {
		refuse(found, "values need no schema registry: set "+value+"=confluent, or remove this",
			registry+"_URL", registry+"_USERNAME", registry+"_PASSWORD_FILE", registry+"_CA_FILE")
	}
	const tls, sasl = Prefix + "KAFKA_TLS", Prefix + "KAFKA_SASL"
	if !bool(s.TLS) && !found.made(tls) {
		off := "TLS is off: set " + tls + "=true, or remove this"
		refuse(found, off, tls+"_CA_FILE", tls+"_CERT_FILE", tls+"_KEY_FILE", tls+"_SERVER_NAME")
		if s.TLSInsecure {
			refuse(found, off, tls+"_INSECURE")
		}
	}
	if !found.made(sasl + "_MECHANISM") {
		checkMechanism(s.SASLMechanism, found)
	}
}

// checkMechanism finds settings that are for another mechanism than the one
// chosen.
func checkMechanism(chosen mechanism, found *mistakes) {
	const sasl = Prefix + "KAFKA_SASL"
	passwords := []string{sasl + "_USERNAME", sasl + "_PASSWORD", sasl + "_PASSWORD_FILE"}
	tokens := []string{
		sasl + "_OAUTH_TOKEN_FILE", sasl + "_OAUTH_TOKEN_URL", sasl + "_OAUTH_CLIENT_ID",
		sasl + "_OAUTH_CLIENT_SECRET_FILE", sasl + "_OAUTH_SCOPE", sasl + "_OAUTH_CA_FILE",
		sasl + "_OAUTH_EXTENSIONS",
	}
	switch chosen {
	case "":
		refuse(found, "authentication is off: set "+sasl+"_MECHANISM, or remove this", append(passwords, tokens...)...)
	case auth.OAuthBearer:
		refuse(found, "it is of no use to oauthbearer, whose token tells the user: set another "+sasl+"_MECHANISM, or remove this", passwords...)
	default:
		refuse(found, "it is for oauthbearer: set "+sasl+"_MECHANISM=oauthbearer, or remove this", tokens...)
	}
}

// checkFiles keeps what may be a key, password or token where the name of its file
// belongs out of all complaints, and refuses what certainly is one.
func checkFiles(found *mistakes) {
	for _, v := range Variables() {
		value := found.environment[v.Name]
		if v.namesSecret() && !isThere(value) {
			found.hide(v.Name)
		}
		if strings.HasSuffix(v.Name, "_FILE") && strings.ContainsAny(value, "\r\n") {
			found.hide(v.Name)
			found.add(v.Name, "it holds the contents of a file: write them to a file and name that")
		}
	}
}

// isThere reports whether a name is that of something on disk, whether or not this
// user may read it.
func isThere(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

// refuse complains about those of the variables that are set: whoever set them
// believes that what they are for is switched on.
func refuse(found *mistakes, complaint string, variables ...string) {
	for _, name := range variables {
		if found.environment[name] != "" {
			found.add(name, complaint)
		}
	}
}
