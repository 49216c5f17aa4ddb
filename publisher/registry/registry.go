package registry

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
	"time"

	"github.com/flowpub/flowpub/internal/config/variable"
	"github.com/flowpub/flowpub/internal/secretfile"
	"github.com/flowpub/flowpub/internal/secrethttp"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
	"github.com/flowpub/flowpub/publisher/failure"
)

// Config says where a schema registry is that speaks Confluent's
// protocol. Its files are read again for each request.
type Config struct {
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

const (
	// timeout bounds asking for an id.
	timeout = 10 * time.Second
	// media is the media type of the protocol.
	media = "application/vnd.schemaregistry.v1+json"
	// maxAnswer bounds what is read of an answer.
	maxAnswer = 1 << 20
)

// Validate returns every mistake. It reads the files.
func (c *Config) Validate() error {
	urlErr := validateURL(c.URL)
	errs := []error{variable.In(variable.SchemaRegistryURL, urlErr)}
	const both = "a schema registry takes both a user name and a password file, or neither"
	switch {
	case c.Username == "" && c.PasswordFile != "":
		errs = append(errs, variable.Mistake(variable.SchemaRegistryUsername, both))
	case c.Username != "" && c.PasswordFile == "":
		errs = append(errs, variable.Mistake(variable.SchemaRegistryPasswordFile, both))
	}
	if c.CAFile != "" && urlErr == nil && !c.Encrypted() {
		errs = append(errs, variable.Mistake(variable.SchemaRegistryCAFile, "authorities for a schema registry need https in its URL: without it nothing is encrypted"))
	}
	_, passwordErr := c.password()
	_, clientErr := secrethttp.Client(c.CAFile)
	return errors.Join(append(errs,
		variable.In(variable.SchemaRegistryPasswordFile, passwordErr),
		variable.In(variable.SchemaRegistryCAFile, clientErr),
	)...)
}

// validateURL shows nothing of the URL: it may hold a password.
func validateURL(text string) error {
	if text == "" {
		return errors.New("there is no schema registry: name its URL, as in https://registry:8081")
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" ||
		u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("the schema registry's URL is not valid: write it as https://registry:8081, without credentials or a query")
	}
	return nil
}

// Encrypted reports whether nobody on the way to the registry can read the password.
func (c *Config) Encrypted() bool {
	u, err := url.Parse(c.URL)
	return err == nil && u.Scheme == "https"
}

// password reads the password of now; empty if there is none.
func (c *Config) password() (string, error) {
	if c.PasswordFile == "" {
		return "", nil
	}
	return secretfile.Read("schema registry's password", c.PasswordFile)
}

// SchemaID returns the id of the flow records' schema under a subject. It
// registers the schema, which does nothing to one that is there already; where
// that is refused it looks the schema up. The error is an *Error, or about
// one of the files.
func (c *Config) SchemaID(ctx context.Context, subject string) (uint32, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	path := "/subjects/" + url.PathEscape(subject)
	id, err := c.post(ctx, path+"/versions")
	refusal, refused := errors.AsType[*Error](err)
	if !refused || !refusal.Refused() {
		return id, err
	}
	id, err = c.post(ctx, path)
	if missing, ok := errors.AsType[*Error](err); ok && missing.status == http.StatusNotFound {
		return 0, refusal // what is to be mended is the first
	}
	return id, err
}

// Registered reports whether the schema is registered under a subject, and registers
// nothing. The error is as that of SchemaID.
func (c *Config) Registered(ctx context.Context, subject string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	_, err := c.post(ctx, "/subjects/"+url.PathEscape(subject))
	if missing, ok := errors.AsType[*Error](err); ok && missing.code/100 == http.StatusNotFound { // subject, version or schema
		return false, nil
	}
	return err == nil, err
}

// post sends the schema and returns the id in the answer.
func (c *Config) post(ctx context.Context, path string) (uint32, error) {
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
		return 0, unanswered(ctx, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return 0, unanswered(ctx, err)
	}
	return idIn(response.StatusCode, body)
}

// request makes one that carries the schema.
func (c *Config) request(ctx context.Context, path string) (*http.Request, error) {
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
	request.Header.Set("Content-Type", media)
	request.Header.Set("Accept", media+", application/json")
	if c.Username != "" {
		request.SetBasicAuth(c.Username, password)
	}
	return request, nil
}

// Error is why a registry gave no id.
type Error struct {
	// Cure is what an operator can do about it.
	Cure string

	status int // 0: there was no answer
	code   int // in the answer; 0: none
	text   string
}

// Error is part of error.
func (e *Error) Error() string { return e.text }

// Refused reports whether registering is not allowed, or not possible with what is
// there. The schema may be there all the same.
func (e *Error) Refused() bool {
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
	e := &Error{status: status, code: answer.Code, text: fmt.Sprintf("status %d %s", status, http.StatusText(status)), Cure: cureOf(status)}
	switch {
	case status == http.StatusOK && err == nil && answer.ID != nil && *answer.ID >= 0 && *answer.ID <= math.MaxInt32:
		return uint32(*answer.ID), nil
	case status == http.StatusOK:
		e.text, e.Cure = "its answer has no schema id", cureOf(http.StatusNotFound)
	case answer.Code != 0:
		e.text += fmt.Sprintf(", error code %d", answer.Code)
	}
	return 0, e
}

// cureOf tells what helps after an answer.
func cureOf(status int) string {
	const byHand = "register proto/flow/v1/flow_record.proto there by hand, as docs/values.md shows"
	switch {
	case status >= 300 && status < 400:
		return "it points elsewhere: set " + variable.SchemaRegistryURL + " to where the registry is"
	case status == http.StatusBadRequest:
		return "look at the registry's log; if that port speaks TLS, write https in " + variable.SchemaRegistryURL
	case status == http.StatusUnauthorized:
		return "correct " + variable.SchemaRegistryUsername + ", or the password in the file that " + variable.SchemaRegistryPasswordFile + " names"
	case status == http.StatusNotFound:
		return "no schema registry answers at that path: correct " + variable.SchemaRegistryURL
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

// unanswered tells of a request without an answer. Texts of net/http quote
// what was received, so only those of the network and of TLS are shown.
func unanswered(ctx context.Context, err error) error {
	e := &Error{Cure: "check whether the registry runs and can be reached from here, and whether " + variable.SchemaRegistryURL + " is right: http or https, host, port"}
	_, network := errors.AsType[*net.OpError](err)
	_, dns := errors.AsType[*net.DNSError](err)
	_, noTLS := errors.AsType[tls.RecordHeaderError](err)
	switch {
	case ctx.Err() != nil:
		e.text = fmt.Sprintf("no answer within %v", timeout)
	case noTLS, errors.Is(err, http.ErrSchemeMismatch):
		e.text, e.Cure = "it answers without TLS", "write http in "+variable.SchemaRegistryURL+", or correct the port"
	case failure.IsTLS(err):
		e.text = secrethttp.Cause(err).Error()
		e.Cure = "compare the registry's certificate with the authorities in " + variable.SchemaRegistryCAFile + ", and its name with " + variable.SchemaRegistryURL
	case network, dns:
		e.text = secrethttp.Cause(err).Error()
	default:
		e.text = "what it answers is not HTTP"
	}
	return e
}
