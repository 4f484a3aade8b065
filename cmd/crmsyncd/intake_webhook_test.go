package main

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// webhook is a request as some sender may make it; the zero values are those of a good one.
type webhook struct {
	method, path, body string
	// keys are the Authorization headers; nil: the one of the demo.
	keys []string
	// contentType and encoding are headers; contentType "-" leaves its own out.
	contentType, encoding string
	// chunked sends the body without saying how long it is.
	chunked bool
}

// answered is what a sender gets.
type answered struct {
	status int
	header http.Header
	body   string
}

// send makes the request to a receiver at address.
func (w webhook) send(t *testing.T, address string) answered {
	t.Helper()
	var body io.Reader = strings.NewReader(w.body)
	if w.chunked {
		body = io.MultiReader(body) // its length cannot be seen
	}
	req, err := http.NewRequestWithContext(t.Context(), orElse(w.method, http.MethodPost),
		"http://"+address+orElse(w.path, "/webhooks/alohub"), body)
	require.NoError(t, err)
	req.Header["Authorization"] = w.keys
	if w.keys == nil {
		req.Header["Authorization"] = []string{demoKey}
	}
	if w.contentType != "-" {
		req.Header.Set("Content-Type", orElse(w.contentType, "application/json"))
	}
	if w.encoding != "" {
		req.Header.Set("Content-Encoding", w.encoding)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { require.NoError(t, resp.Body.Close()) }()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return answered{resp.StatusCode, resp.Header, string(answer)}
}

func orElse(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}

// requireRefusal requires an error answer of the fixed form, and that it repeats nothing of the body.
func (a answered) requireRefusal(t *testing.T, status int, code string) {
	t.Helper()
	require.Equal(t, status, a.status, a.body)
	require.Equal(t, "application/json; charset=utf-8", a.header.Get("Content-Type"))
	var refusal struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	decoder := json.NewDecoder(strings.NewReader(a.body))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&refusal), a.body)
	require.Equal(t, code, refusal.Error.Code)
	require.NotEmpty(t, refusal.Error.Message)
	require.NotContains(t, a.body, bodyMark)
	if status == http.StatusServiceUnavailable {
		require.Regexp(t, `^[1-9][0-9]*$`, a.header.Get("Retry-After"))
	} else {
		require.Empty(t, a.header.Get("Retry-After"))
	}
}

// requireTaken requires the answer to an event that is stored, in the very form that is promised.
func (a answered) requireTaken(t *testing.T, status, id string) {
	t.Helper()
	require.Equal(t, http.StatusOK, a.status, a.body)
	require.Equal(t, "application/json; charset=utf-8", a.header.Get("Content-Type"))
	quoted, err := json.Marshal(id)
	require.NoError(t, err)
	require.Equal(t, `{"status":"`+status+`","call_id":`+string(quoted)+`}`, a.body)
}

// bodyMark stands in the bodies of this file; no answer may repeat it.
const bodyMark = "mark-of-the-body"

// taken is what the daemon says it has taken in.
type taken struct {
	Entries    uint64 `json:"entries"`
	Messages   uint64 `json:"messages"`
	Duplicates uint64 `json:"duplicates"`
	Quarantine struct {
		Items int64 `json:"items"`
	} `json:"quarantine"`
}

func (p *process) taken() taken {
	p.t.Helper()
	status, body := p.get("/api/v1/stats")
	require.Equal(p.t, http.StatusOK, status)
	var stats taken
	require.NoError(p.t, json.Unmarshal(body, &stats))
	return stats
}

// quarantined is a refused webhook as the operators' API shows it.
type quarantined struct {
	ID          uint64 `json:"id"`
	Count       int    `json:"count"`
	Reason      string `json:"reason"`
	Error       string `json:"error"`
	ContentType string `json:"content_type"`
	Truncated   bool   `json:"truncated"`
	Body        []byte `json:"body"`
}

func (p *process) quarantine() []quarantined {
	p.t.Helper()
	status, body := p.get("/api/v1/quarantine?include=body&limit=200")
	require.Equal(p.t, http.StatusOK, status)
	var page struct {
		Items []quarantined `json:"items"`
	}
	require.NoError(p.t, json.Unmarshal(body, &page))
	return page.Items
}
