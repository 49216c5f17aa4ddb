package registry

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/flowpub/flowpub/internal/fakehttp"
	"github.com/flowpub/flowpub/internal/fakeregistry"
	"github.com/flowpub/flowpub/internal/testca"
	"github.com/flowpub/flowpub/internal/testwait"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// The text that is registered describes the message: it needs no other text, and
// the first message type in it, which index 0 means, is the flow record.
func TestSchema(t *testing.T) {
	t.Parallel()
	file := flowv1.File_flow_v1_flow_record_proto
	if n := file.Imports().Len(); n > 0 {
		t.Errorf("the schema imports %d others", n)
	}
	if name := file.Messages().Get(0).FullName(); name != "flow.v1.FlowRecord" {
		t.Errorf("the first message is %s", name)
	}
	for _, line := range []string{"\nsyntax = \"proto3\";\n", "\npackage flow.v1;\n", "\nmessage FlowRecord {\n"} {
		if !strings.Contains(flowv1.Schema, line) {
			t.Errorf("the schema lacks %q", line)
		}
	}
}

// Where registering is refused the schema is looked up.
func TestSchemaLookedUp(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusConflict, http.StatusUnprocessableEntity} {
		r := fakeregistry.Start(t)
		r.ReadOnly = status
		c := Config{URL: r.Server.URL}
		_, err := c.SchemaID(t.Context(), "flows-value")
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("status %d %s, error code %d01", status, http.StatusText(status), status)) {
			t.Errorf("%d, and not there: error %v", status, err)
		}
		r.Add("flows-value", flowv1.Schema)
		if id, err := c.SchemaID(t.Context(), "flows-value"); err != nil || id != 1 {
			t.Errorf("%d, and there: id %d, %v", status, id, err)
		}
	}
}

// The schema is registered once, however often that is asked for.
func TestSchemaRegisteredOnce(t *testing.T) {
	t.Parallel()
	r := fakeregistry.Start(t)
	c := Config{URL: r.Server.URL}
	for range 3 {
		if id, err := c.SchemaID(t.Context(), "flows-value"); err != nil || id != 1 {
			t.Errorf("id %d, %v", id, err)
		}
	}
}

// What is no answer of a registry is told, with its cure.
func TestRegistryErrors(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		status       int
		header, body string
		want, cure   string
	}{
		"redirection":  {http.StatusMovedPermanently, "https://other.example.net/", "", "status 301 Moved Permanently", "set FLOWPUB_SCHEMA_REGISTRY_URL to where"},
		"TLS expected": {http.StatusBadRequest, "", "Client sent an HTTP request to an HTTPS server.", "status 400 Bad Request", "write https in FLOWPUB_SCHEMA_REGISTRY_URL"},
		"no path":      {http.StatusNotFound, "", "404 page not found", "status 404 Not Found", "correct FLOWPUB_SCHEMA_REGISTRY_URL"},
		"no id":        {http.StatusOK, "", `{"id":null}`, "its answer has no schema id", "correct FLOWPUB_SCHEMA_REGISTRY_URL"},
		"a web page":   {http.StatusOK, "", "<html>", "its answer has no schema id", "correct FLOWPUB_SCHEMA_REGISTRY_URL"},
		"large id":     {http.StatusOK, "", `{"id":2147483648}`, "its answer has no schema id", "correct FLOWPUB_SCHEMA_REGISTRY_URL"},
		"unauthorized": {http.StatusUnauthorized, "", `{"error_code":401,"message":"Unauthorized"}`, "status 401 Unauthorized, error code 401", "in the file that FLOWPUB_SCHEMA_REGISTRY_PASSWORD_FILE names"},
		"trouble":      {http.StatusInternalServerError, "", `{"error_code":50001,"message":"Error in the backend\ndata store"}`, "status 500 Internal Server Error, error code 50001", "the registry's log"},
		"forbidden":    {http.StatusForbidden, "", "", "status 403 Forbidden", "let this user register schemas under this subject, or register proto/flow/v1/flow_record.proto there"},
		"read-only":    {http.StatusUnprocessableEntity, "", `{"error_code":42205,"message":"Operation not permitted"}`, "status 422 Unprocessable Entity, error code 42205", "not be read-only; or register proto/flow/v1"},
		"incompatible": {http.StatusConflict, "", "", "status 409 Conflict", "not compatible with"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
				if !strings.HasSuffix(request.URL.Path, "/versions") {
					w.WriteHeader(http.StatusNotFound) // a look-up
					return
				}
				if tt.header != "" {
					w.Header().Set("Location", tt.header)
				}
				w.WriteHeader(tt.status)
				fmt.Fprint(w, tt.body)
			}))
			t.Cleanup(server.Close)
			checkRegistryError(t, &Config{URL: server.URL}, tt.want, tt.cure)
		})
	}
}

func checkRegistryError(t *testing.T, c *Config, want, cure string) {
	t.Helper()
	_, err := c.SchemaID(t.Context(), "flows-value")
	known, ok := err.(*Error) //nolint:errorlint // that is promised
	if !ok {
		t.Fatalf("error %v (%T)", err, err)
	}
	if !strings.Contains(err.Error(), want) || !strings.Contains(known.Cure, cure) {
		t.Errorf("error %q with cure %q, want %q and %q", err, known.Cure, want, cure)
	}
}

// A registry that cannot be reached, or trusted, is told with its cure.
func TestRegistryUnreached(t *testing.T) {
	t.Parallel()
	authority := testca.New(t)
	closed := httptest.NewServer(nil)
	closed.Close()
	address := closed.Listener.Addr().String()
	plain := fakeregistry.Start(t)
	secured := fakeregistry.StartTLS(t, authority)
	secure := "https://" + strings.TrimPrefix(plain.Server.URL, "http://")
	for name, tt := range map[string]struct {
		config     Config
		want, cure string
	}{
		"nobody listens":     {Config{URL: "http://" + address}, "connection refused", "check whether the registry runs"},
		"no such name":       {Config{URL: "http://registry.invalid"}, "registry.invalid", "check whether the registry runs"},
		"no TLS there":       {Config{URL: secure}, "it answers without TLS", "write http in FLOWPUB_SCHEMA_REGISTRY_URL"},
		"unknown authority":  {Config{URL: secured.Server.URL}, "certificate signed by unknown authority", "the authorities in FLOWPUB_SCHEMA_REGISTRY_CA_FILE"},
		"another's name":     {Config{URL: strings.Replace(secured.Server.URL, "127.0.0.1", "localhost", 1), CAFile: authority.File(t)}, "localhost", "its name with FLOWPUB_SCHEMA_REGISTRY_URL"},
		"HTTP to a TLS port": {Config{URL: strings.Replace(secured.Server.URL, "https", "http", 1)}, "", "https"}, // an answer, or the connection's end
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkRegistryError(t, &tt.config, tt.want, tt.cure)
		})
	}
}

// No redirection is followed: who is pointed to would get the password.
func TestRegistryRedirection(t *testing.T) {
	t.Parallel()
	elsewhere := fakeregistry.Start(t)
	server := httptest.NewServer(http.RedirectHandler(elsewhere.Server.URL+"/subjects/flows-value", http.StatusTemporaryRedirect))
	t.Cleanup(server.Close)
	c := Config{URL: server.URL, Username: "flowpub", PasswordFile: testca.File(t, "password", []byte("open-sesame"))}
	if _, err := c.SchemaID(t.Context(), "flows-value"); err == nil || !strings.Contains(err.Error(), "status 307") {
		t.Errorf("error %v", err)
	}
	if len(elsewhere.Asked) > 0 {
		t.Errorf("the other was asked for %v", elsewhere.Asked)
	}
}

// A file that has gone is named.
func TestRegistryFileGone(t *testing.T) {
	t.Parallel()
	r := fakeregistry.Start(t)
	c := Config{URL: r.Server.URL, Username: "flowpub", PasswordFile: testca.File(t, "password", []byte("hunter2"))}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(c.PasswordFile); err != nil {
		t.Fatal(err)
	}
	if _, err := c.SchemaID(t.Context(), "flows-value"); err == nil || !strings.Contains(err.Error(), "password: no such file or directory: name a file") {
		t.Errorf("error %v", err)
	}
}

// Whatever a registry answers: there is an error in time, little is read of it, and
// no redirection is followed.
func TestHostileRegistry(t *testing.T) {
	testwait.Long(t)
	t.Parallel()
	fakehttp.Hostile(t, func(t *testing.T, address string) {
		t.Helper()
		c := Config{URL: address}
		if id, err := c.SchemaID(t.Context(), "flows-value"); err == nil {
			t.Errorf("the registry gave the id %d", id)
		}
	})
}
