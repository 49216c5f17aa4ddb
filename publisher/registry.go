package publisher

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/flowpub/flowpub/internal/secretfile"
	"github.com/flowpub/flowpub/internal/secrethttp"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
	kinds "github.com/flowpub/flowpub/publisher/failure"
)

// RegistryConfig says where a schema registry is that speaks Confluent's
// protocol. Its files are read again for each request.
type RegistryConfig struct {
	// URL is http or https, with a path if the registry is not at the root:
	// https://registry:8081.
	URL string
	// Username and PasswordFile are for HTTP's basic authentication; both or
	// neither.
	Username, PasswordFile string
	// CAFile holds the authorities that may sign the registry's certificate, in
	// PEM; empty means those of the system.
	CAFile string
}

// Variables that a registry's cures name.
const (
	variableRegistryURL      = "FLOWPUB_SCHEMA_REGISTRY_URL"
	variableRegistryUsername = "FLOWPUB_SCHEMA_REGISTRY_USERNAME"
	variableRegistryPassword = "FLOWPUB_SCHEMA_REGISTRY_PASSWORD_FILE" //nolint:gosec // the name of a variable
	variableRegistryCA       = "FLOWPUB_SCHEMA_REGISTRY_CA_FILE"
)

const (
	// registryMedia is the media type of the protocol.
	registryMedia = "application/vnd.schemaregistry.v1+json"
	// maxRegistryAnswer bounds what is read of an answer.
	maxRegistryAnswer = 1 << 20
)

func (c Config) validateRegistry() error {
	switch {
	case c.Registry == nil && c.Value == ValueConfluent:
		return errors.New("publisher: values for readers with a schema registry need one: name its URL, as in https://registry:8081")
	case c.Registry == nil:
		return nil
	case c.Value != ValueConfluent:
		return fmt.Errorf("publisher: there is a schema registry, but values are %v: make them %v, or remove it", c.Value, ValueConfluent)
	}
	return c.Registry.validate()
}

// validate returns every mistake.
func (c *RegistryConfig) validate() error {
	errs := []error{validateRegistryURL(c.URL)}
	if (c.Username == "") != (c.PasswordFile == "") {
		errs = append(errs, errors.New("publisher: a schema registry takes both a user name and a password file, or neither"))
	}
	if c.CAFile != "" && errs[0] == nil && !c.encrypted() {
		errs = append(errs, errors.New("publisher: authorities for a schema registry need https in its URL: without it nothing is encrypted"))
	}
	_, passwordErr := c.password()
	_, clientErr := secrethttp.Client(c.CAFile)
	return errors.Join(append(errs, passwordErr, clientErr)...)
}

// validateRegistryURL shows nothing of the URL: it may hold a password.
func validateRegistryURL(text string) error {
	if text == "" {
		return errors.New("publisher: there is no schema registry: name its URL, as in https://registry:8081")
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" ||
		u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("publisher: the schema registry's URL is none: write it as https://registry:8081, without credentials or a query")
	}
	return nil
}

// encrypted tells whether nobody on the way to the registry can read the password.
func (c *RegistryConfig) encrypted() bool {
	u, err := url.Parse(c.URL)
	return err == nil && u.Scheme == "https"
}

// password reads the password of now; empty if there is none.
func (c *RegistryConfig) password() (string, error) {
	if c.PasswordFile == "" {
		return "", nil
	}
	return secretfile.Read("schema registry's password", c.PasswordFile)
}

// schemaID returns the id of the flow records' schema under a subject. It
// registers the schema, which does nothing to one that is there already; where
// that is refused it looks the schema up. The error is a *registryError, or about
// one of the files.
func (c *RegistryConfig) schemaID(ctx context.Context, subject string) (uint32, error) {
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	path := "/subjects/" + url.PathEscape(subject)
	id, err := c.post(ctx, path+"/versions")
	refusal, refused := errors.AsType[*registryError](err)
	if !refused || !refusal.refused() {
		return id, err
	}
	id, err = c.post(ctx, path)
	if missing, ok := errors.AsType[*registryError](err); ok && missing.status == http.StatusNotFound {
		return 0, refusal // what is to be mended is the first
	}
	return id, err
}

// post sends the schema and returns the id in the answer.
func (c *RegistryConfig) post(ctx context.Context, path string) (uint32, error) {
	client, err := secrethttp.Client(c.CAFile)
	if err != nil {
		return 0, err
	}
	request, err := c.request(ctx, path)
	if err != nil {
		return 0, err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, unansweredRegistry(ctx, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxRegistryAnswer))
	if err != nil {
		return 0, unansweredRegistry(ctx, err)
	}
	return idIn(response.StatusCode, body)
}

// request makes one that carries the schema.
func (c *RegistryConfig) request(ctx context.Context, path string) (*http.Request, error) {
	password, err := c.password()
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(map[string]string{"schemaType": "PROTOBUF", "schema": flowv1.Schema})
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(c.URL, "/")+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", registryMedia)
	request.Header.Set("Accept", registryMedia+", application/json")
	if c.Username != "" {
		request.SetBasicAuth(c.Username, password)
	}
	return request, nil
}

// registryError is why a registry gave no id.
type registryError struct {
	status int // 0: there was no answer
	text   string
	cure   string
}

// Error is part of error.
func (e *registryError) Error() string { return e.text }

// refused: registering is not allowed, or not possible with what is there. The
// schema may be there all the same.
func (e *registryError) refused() bool {
	switch e.status {
	case http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusConflict, http.StatusUnprocessableEntity:
		return true
	default:
		return false
	}
}

// idIn returns the id in an answer. Of what else is in it only the code of an
// error is shown, a number: it may repeat what was sent, the password with it.
func idIn(status int, body []byte) (uint32, error) {
	var answer struct {
		ID   *int64 `json:"id"`
		Code int    `json:"error_code"`
	}
	err := json.Unmarshal(body, &answer)
	e := &registryError{status: status, text: fmt.Sprintf("status %d %s", status, http.StatusText(status)), cure: registryCure(status)}
	switch {
	case status == http.StatusOK && err == nil && answer.ID != nil && *answer.ID >= 0 && *answer.ID <= math.MaxInt32:
		return uint32(*answer.ID), nil
	case status == http.StatusOK:
		e.text, e.cure = "its answer has no schema id", registryCure(http.StatusNotFound)
	case answer.Code != 0:
		e.text += fmt.Sprintf(", error code %d", answer.Code)
	}
	return 0, e
}

// registryCure tells what helps after an answer.
func registryCure(status int) string {
	const byHand = "register proto/flow/v1/flow_record.proto there by hand, as docs/values.md shows"
	switch {
	case status >= 300 && status < 400:
		return "it points elsewhere: set " + variableRegistryURL + " to where the registry is"
	case status == http.StatusBadRequest:
		return "look at the registry's log; if that port speaks TLS, write https in " + variableRegistryURL
	case status == http.StatusUnauthorized:
		return "correct " + variableRegistryUsername + ", or the password in the file that " + variableRegistryPassword + " names"
	case status == http.StatusNotFound:
		return "no schema registry answers at that path: correct " + variableRegistryURL
	case status == http.StatusConflict:
		return "the subject has a schema that this one is not compatible with: use another topic, or change the subject or its compatibility"
	case status == http.StatusUnprocessableEntity:
		return "the registry must know schemas of type PROTOBUF and not be read-only; or " + byHand
	case status == http.StatusForbidden, status == http.StatusMethodNotAllowed:
		return "let this user register schemas under this subject, or " + byHand
	default:
		return "look at the registry's log"
	}
}

// unansweredRegistry tells of a request without an answer. Texts of net/http quote
// what was received, so only those of the network and of TLS are shown.
func unansweredRegistry(ctx context.Context, err error) error {
	e := &registryError{cure: "look whether the registry runs and can be reached from here, and whether " + variableRegistryURL + " is right: http or https, host, port"}
	_, network := errors.AsType[*net.OpError](err)
	_, dns := errors.AsType[*net.DNSError](err)
	_, noTLS := errors.AsType[tls.RecordHeaderError](err)
	switch {
	case ctx.Err() != nil:
		e.text = fmt.Sprintf("no answer within %v", controlTimeout)
	case noTLS, errors.Is(err, http.ErrSchemeMismatch):
		e.text, e.cure = "it answers without TLS", "write http in "+variableRegistryURL+", or correct the port"
	case kinds.IsTLS(err):
		e.text = secrethttp.Cause(err).Error()
		e.cure = "compare the registry's certificate with the authorities in " + variableRegistryCA + ", and its name with " + variableRegistryURL
	case network, dns:
		e.text = secrethttp.Cause(err).Error()
	default:
		e.text = "what it answers is not HTTP"
	}
	return e
}
