package secretfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// Read returns the secret in a file, without the line breaks at its end. what
// is what errors call it. They name the file only if it exists: another name
// may be the secret itself, put in the wrong place.
func Read(what, file string) (string, error) {
	b, err := os.ReadFile(file) //nolint:gosec // the operator names the file
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		err = path.Err
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w: name a file that this user may read", what, err)
	}
	secret := strings.TrimRight(string(b), "\r\n")
	if secret == "" {
		return "", fmt.Errorf("%s: %s is empty: write it to that file", what, file)
	}
	return secret, nil
}
