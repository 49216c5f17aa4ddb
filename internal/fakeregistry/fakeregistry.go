// Package fakeregistry is a schema registry for tests.
package fakeregistry

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/flowpub/flowpub/internal/testca"
)

// Registry is a schema registry, as far as Confluent's reference of its API says
// what is asked of it here. Once it has started, Change changes its fields.
type Registry struct {
	Server *httptest.Server

	// Next is the id of the next schema.
	Next uint32
	// ReadOnly, when not 0, is the status with which registering is refused.
	ReadOnly int
	// Username and Password are who may ask.
	Username, Password string
	// Asked lists the paths of all requests.
	Asked []string

	mu      sync.Mutex
	schemas map[string]map[string]uint32
}

// New returns one that has not started.
func New() *Registry {
	return &Registry{Next: 1, schemas: make(map[string]map[string]uint32)}
}

// Start starts one, which ends with the test.
func Start(t *testing.T) *Registry {
	t.Helper()
	r := New()
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Server.Close)
	return r
}

// ServeHTTP registers schemas and looks them up.
func (r *Registry) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Asked = append(r.Asked, request.URL.Path)
	username, password, _ := request.BasicAuth()
	var body struct{ SchemaType, Schema string }
	decoded := json.NewDecoder(request.Body).Decode(&body)
	subject, isSubject := strings.CutPrefix(request.URL.Path, "/subjects/")
	subject, registers := strings.CutSuffix(subject, "/versions")
	id, known := r.schemas[subject][body.Schema]
	switch {
	case request.Method != http.MethodPost || !isSubject || strings.Contains(subject, "/"):
		refuseWith(w, http.StatusNotFound, 404, "HTTP 404 Not Found")
	case username != r.Username || password != r.Password:
		refuseWith(w, http.StatusUnauthorized, 401, "Unauthorized")
	case request.Header.Get("Content-Type") != "application/vnd.schemaregistry.v1+json":
		refuseWith(w, http.StatusUnsupportedMediaType, 415, "HTTP 415 Unsupported Media Type")
	case decoded != nil || body.SchemaType != "PROTOBUF" || body.Schema == "":
		refuseWith(w, http.StatusUnprocessableEntity, 42201, "Invalid schema")
	case registers && r.ReadOnly != 0:
		refuseWith(w, r.ReadOnly, 100*r.ReadOnly+1, "User is denied operation Write on Subject:\n"+subject)
	case !registers && !known:
		refuseWith(w, http.StatusNotFound, 40403, "Schema not found")
	default:
		if !known {
			id = r.Add(subject, body.Schema)
		}
		fmt.Fprintf(w, `{"id":%d}`, id)
	}
}

func refuseWith(w http.ResponseWriter, status, code int, message string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"error_code":%d,"message":%q}`, code, message) //nolint:gosec // read by a test, not a browser
}

// Add gives a schema an id. The caller holds the lock.
func (r *Registry) Add(subject, schema string) uint32 {
	if r.schemas[subject] == nil {
		r.schemas[subject] = make(map[string]uint32)
	}
	id := r.Next
	r.Next++
	r.schemas[subject][schema] = id
	return id
}

// Change does something to r while it runs.
func (r *Registry) Change(do func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	do()
}

// Registered returns the ids of a subject's schemas.
func (r *Registry) Registered(subject string) []uint32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	var ids []uint32
	for _, id := range r.schemas[subject] {
		ids = append(ids, id)
	}
	return ids
}

// StartTLS starts one with a certificate of an authority.
func StartTLS(t *testing.T, a *testca.Authority) *Registry {
	t.Helper()
	r := New()
	r.Server = httptest.NewUnstartedServer(r)
	r.Server.TLS = &tls.Config{Certificates: []tls.Certificate{a.Issue(t, "registry").TLS(t)}, MinVersion: tls.VersionTLS12}
	r.Server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	r.Server.StartTLS()
	t.Cleanup(r.Server.Close)
	return r
}
