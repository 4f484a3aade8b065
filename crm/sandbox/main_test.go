package sandbox_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/crmsyncd/crmsyncd/crm/sandbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// client speaks to a sandbox over HTTP.
type client struct {
	*sandbox.Server
	http *http.Client
	base string
	key  string
}

// object is a decoded JSON object.
type object = map[string]any

// start serves a sandbox for the length of a test.
func start(t *testing.T, options sandbox.Options) *client {
	t.Helper()
	s := sandbox.New(options)
	server := httptest.NewServer(s)
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
	})
	return &client{
		Server: s, base: server.URL, key: options.APIKey,
		http: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		}},
	}
}

// reply is an answer of the sandbox.
type reply struct {
	status int
	header http.Header
	text   string
	json   object
}

// data is the record of the answer.
func (r reply) data(t *testing.T) object {
	t.Helper()
	record, ok := r.json["data"].(object)
	require.True(t, ok, "no record in %s", r.text)
	return record
}

// ids are those of the records of a list.
func (r reply) ids(t *testing.T) []string {
	t.Helper()
	records, ok := r.json["data"].([]any)
	require.True(t, ok, "no list in %s", r.text)
	ids := []string{}
	for _, record := range records {
		ids = append(ids, record.(object)["id"].(string))
	}
	return ids
}

// code is that of the error of the answer.
func (r reply) code(t *testing.T) string {
	t.Helper()
	problem, ok := r.json["error"].(object)
	require.True(t, ok, "no error in %s", r.text)
	require.NotEmpty(t, problem["message"])
	return problem["code"].(string)
}

// try sends a request and returns the error of the connection, if any.
func (c *client) try(t *testing.T, method, path, body string) (reply, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, c.base+path, strings.NewReader(body))
	require.NoError(t, err)
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.key != "" {
		request.Header.Set("Authorization", "Bearer "+c.key)
	}
	return c.send(t, request)
}

func (c *client) send(t *testing.T, request *http.Request) (reply, error) {
	t.Helper()
	response, err := c.http.Do(request)
	if err != nil {
		return reply{}, err
	}
	defer func() { require.NoError(t, response.Body.Close()) }()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	r := reply{status: response.StatusCode, header: response.Header, text: string(body)}
	if strings.HasPrefix(response.Header.Get("Content-Type"), "application/json") {
		decoder := json.NewDecoder(bytes.NewReader(body))
		require.NoError(t, decoder.Decode(&r.json), r.text)
	}
	return r, nil
}

// do sends a request that must be answered.
func (c *client) do(t *testing.T, method, path, body string) reply {
	t.Helper()
	r, err := c.try(t, method, path, body)
	require.NoError(t, err)
	return r
}

// want sends a request that must be answered with a status.
func (c *client) want(t *testing.T, status int, method, path, body string) reply {
	t.Helper()
	r := c.do(t, method, path, body)
	require.Equal(t, status, r.status, r.text)
	return r
}

// clock is a clock that stands until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 22, 7, 30, 0, 0, time.UTC)} }

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
