package secretfile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestRead(t *testing.T) {
	t.Parallel()
	if secret, err := Read("password", write(t, " hunter2 \r\n\n")); secret != " hunter2 " || err != nil {
		t.Errorf("read %q, error %v", secret, err)
	}
	empty := write(t, "\n")
	directory := t.TempDir()
	for file, want := range map[string]string{
		empty:      "password: " + empty + " is empty: write it to that file",
		directory:  "password: is a directory: name a file that this user may read",
		"/hunter2": "password: no such file or directory: name a file that this user may read",
	} {
		if _, err := Read("password", file); err == nil || err.Error() != want {
			t.Errorf("%s: error %v, want %s", file, err, want)
		}
	}
}

func TestAuthoritiesRefused(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		write(t, "no PEM"): "holds no PEM certificate",
		"/nowhere/ca.pem":  "certificate authorities: open /nowhere/ca.pem: ",
	} {
		if pool, err := Authorities(file); pool != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %s", file, err, want)
		}
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	file := write(t, "one")
	absent := filepath.Join(t.TempDir(), "later")
	w := NewWatch([]string{file, absent})
	want := func(changed bool, after string) {
		t.Helper()
		if got := w.Changed(); got != changed {
			t.Errorf("after %s: changed %v, want %v", after, got, changed)
		}
	}
	want(false, "nothing")
	if err := os.WriteFile(file, []byte("longer"), 0o600); err != nil {
		t.Fatal(err)
	}
	want(true, "another size")
	want(false, "nothing")
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(file, later, later); err != nil {
		t.Fatal(err)
	}
	want(true, "another time")
	if err := os.WriteFile(absent, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	want(true, "a file that was not there")
	if err := os.Remove(absent); err != nil {
		t.Fatal(err)
	}
	want(true, "a file that is gone")
}
