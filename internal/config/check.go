package config

import "strings"

// checkTogether finds variables that contradict each other although each is
// right on its own, and none of which collector or publisher would notice.
func checkTogether(s *settings, found *mistakes) {
	checkFiles(found)
	const tls, sasl = Prefix + "KAFKA_TLS", Prefix + "KAFKA_SASL"
	if !bool(s.TLS) && !found.made(tls) {
		off := "TLS is off: set " + tls + "=true, or remove this"
		refuse(found, off, tls+"_CA_FILE", tls+"_CERT_FILE", tls+"_KEY_FILE", tls+"_SERVER_NAME")
		if s.TLSInsecure {
			refuse(found, off, tls+"_INSECURE")
		}
	}
	if s.SASLMechanism == "" && !found.made(sasl+"_MECHANISM") {
		refuse(found, "authentication is off: set "+sasl+"_MECHANISM, or remove this",
			sasl+"_USERNAME", sasl+"_PASSWORD", sasl+"_PASSWORD_FILE")
	}
}

// checkFiles refuses a key, certificate or password of several lines where the
// name of its file belongs. It must not be shown then.
func checkFiles(found *mistakes) {
	for _, v := range Variables() {
		if strings.HasSuffix(v.Name, "_FILE") && strings.ContainsAny(found.environment[v.Name], "\r\n") {
			found.hide(v.Name)
			found.add(v.Name, "it holds the contents of a file: write them to a file and name that")
		}
	}
}

// refuse complains about those of the variables that are set: whoever set them
// believes that what they are for is switched on.
func refuse(found *mistakes, complaint string, variables ...string) {
	for _, variable := range variables {
		if found.environment[variable] != "" {
			found.add(variable, complaint)
		}
	}
}
