package api_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
)

func TestRequest(t *testing.T) {
	var got *http.Request
	var body string
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		content, _ := io.ReadAll(r.Body)
		got, body = r, string(content)
		_, _ = io.WriteString(w, `{"id":123456789012345678}`)
	})
	c := newClient(t, api.ClientConfig{
		BaseURL: s.URL + "/v1/", Credentials: api.Static("Authorization", "Bearer s3cret"),
		Header: http.Header{"X-Account": {"7"}, "Accept": {"application/vnd+json"}},
	}, api.Options{UserAgent: "crmsyncd/1"})
	for name, test := range map[string]struct {
		request                api.Request
		line, body, contentFor string
	}{
		"get":   {api.Request{Path: "/a%2Fb", Query: url.Values{"q": {"x y"}}}, "GET /v1/a%2Fb?q=x+y", "", ""},
		"post":  {creating, "POST /v1/calls", `{"name":"a & b"}`, "application/json"},
		"patch": {changing, "PATCH /v1/calls/1", `{"name":"c"}`, "application/json"},
		"form": {
			api.Request{Path: "/f?a=1", Query: url.Values{"b": {"2"}}, Body: url.Values{"q": {"SELECT Id"}}},
			"POST /v1/f?a=1&b=2", "q=SELECT+Id", "application/x-www-form-urlencoded",
		},
		"raw": {
			api.Request{Path: "/", Body: json.RawMessage(`[1]`), Header: http.Header{"content-type": {"text/x"}}},
			"POST /v1/", "[1]", "text/x",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.Do(t.Context(), test.request)
			require.NoError(t, err)
			require.Equal(t, test.line, got.Method+" "+got.URL.RequestURI())
			require.Equal(t, test.body, body)
			require.Equal(t, test.contentFor, got.Header.Get("Content-Type"))
			require.Equal(t, "Bearer s3cret", got.Header.Get("Authorization"))
			require.Equal(t, "7", got.Header.Get("X-Account"))
			require.Equal(t, "application/vnd+json", got.Header.Get("Accept"))
			require.Equal(t, "crmsyncd/1", got.Header.Get("User-Agent"))
		})
	}
	var into struct {
		ID json.Number
	}
	require.NoError(t, c.JSON(t.Context(), reading, &into))
	require.Equal(t, "123456789012345678", into.ID.String())
	var anything any
	require.NoError(t, c.JSON(t.Context(), reading, &anything))
	require.Equal(t, map[string]any{"id": json.Number("123456789012345678")}, anything)
}

func TestWhatCannotBeSent(t *testing.T) {
	s := serve(t, say(200, "{}"))
	c := newClient(t, api.ClientConfig{BaseURL: s.URL}, api.Options{})
	get := creating
	get.Method = http.MethodGet
	unencodable := creating
	unencodable.Body = func() {}
	badPath := reading
	badPath.Path = "/%zz"
	for want, r := range map[string]api.Request{
		"create call log: what makes something must not be sent by GET (invalid)":    get,
		"create call log: encode the body: json: unsupported type: func() (invalid)": unencodable,
		"find contact: the path is no part of an address (invalid)":                  badPath,
	} {
		_, err := c.Do(t.Context(), r)
		require.EqualError(t, err, want)
	}
	require.Empty(t, s.requests())
}

func TestNewClientRefuses(t *testing.T) {
	for _, address := range []string{"", "crm.example.com", "ftp://crm.example.com", "https://u:s3cret@crm.example.com", "http://[::"} {
		_, err := api.NewClient(api.ClientConfig{BaseURL: address}, api.Options{})
		require.Error(t, err)
		require.NotContains(t, err.Error(), "s3cret")
	}
}

// TestUnreadableSuccess: a success that cannot be read leaves a doubt about what was created, and only about that.
func TestUnreadableSuccess(t *testing.T) {
	for body, message := range map[string]string{
		"":                           "the answer is not JSON",
		"<html>":                     "the answer is not JSON",
		`{"id":`:                     "the answer is not JSON",
		`{"id":"1"} x`:               "the answer goes on after its end",
		`{"id":["0912345678"]}`:      `the answer has another form than expected: "id" is no string`,
		strings.Repeat(" ", 2<<10):   "the answer is larger than max_response",
		`"` + strings.Repeat("x", 9): "the answer is not JSON",
	} {
		s := serve(t, say(200, body))
		c := newClient(t, api.ClientConfig{BaseURL: s.URL, Connection: api.Connection{MaxResponse: 1 << 10}}, api.Options{})
		for kind, r := range map[crm.Kind]api.Request{crm.KindTransient: reading, crm.KindInDoubt: creating} {
			var into struct {
				ID string `json:"id"`
			}
			e := failure(t, c.JSON(t.Context(), r, &into))
			require.Equal(t, kind, e.Kind, "%q", body)
			require.Equal(t, message, e.Message)
			require.Equal(t, 200, e.Status)
		}
		var into struct {
			ID string `json:"id"`
		}
		require.Equal(t, crm.KindTransient, failure(t, c.JSON(t.Context(), changing, &into)).Kind)
		require.NoError(t, c.JSON(t.Context(), changing, nil), "the body is not looked at")
	}
}

func TestLostAnswers(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"dropped": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"cut": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `{"id":`)
		},
		"late": func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, handler)
			c := newClient(t, api.ClientConfig{
				BaseURL: s.URL, Connection: api.Connection{Timeout: 100 * time.Millisecond},
			}, api.Options{})
			for kind, r := range map[crm.Kind]api.Request{crm.KindTransient: changing, crm.KindInDoubt: creating} {
				_, err := c.Do(t.Context(), r)
				require.Equal(t, kind, failure(t, err).Kind)
				if name == "late" {
					require.ErrorIs(t, err, context.DeadlineExceeded)
					require.NotErrorIs(t, err, context.Canceled)
				}
			}
		})
	}
}

func TestCancelledIsNotTimedOut(t *testing.T) {
	came := make(chan struct{})
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(came)
		<-r.Context().Done()
	})
	c := newClient(t, api.ClientConfig{BaseURL: s.URL}, api.Options{})
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		<-came
		cancel(io.ErrClosedPipe) // a cause of its own must not hide that it was cancelled
	}()
	_, err := c.Do(ctx, creating)
	require.ErrorIs(t, err, context.Canceled)
	require.EqualError(t, err, "create call log: it was cancelled (in_doubt)")
	_, err = c.Do(ctx, creating)
	require.Equal(t, crm.KindTransient, failure(t, err).Kind, "it was not sent")
}

// TestNoHiddenRepetition: net/http repeats what it thinks harmless on a new connection. A create is never that.
func TestNoHiddenRepetition(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.URL.Path != "/warm" {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, "{}")
	})
	c := newClient(t, api.ClientConfig{BaseURL: s.URL}, api.Options{})
	for _, header := range []string{"Idempotency-Key", "X-Idempotency-Key", "X-None"} {
		_, err := c.Do(t.Context(), api.Request{Path: "/warm"}) // so that the connection is a used one
		require.NoError(t, err)
		before := len(s.requests())
		r := creating
		r.Header = http.Header{header: {"key"}}
		_, err = c.Do(t.Context(), r)
		require.Equal(t, crm.KindInDoubt, failure(t, err).Kind)
		require.Len(t, s.requests(), before+1, header)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	elsewhere := serve(t, say(200, "{}"))
	s := serve(t, say(307, "", "Location", elsewhere.URL))
	c := newClient(t, api.ClientConfig{BaseURL: s.URL, Credentials: api.Static("X-Key", "s3cret")}, api.Options{})
	for _, r := range []api.Request{reading, creating, changing} {
		_, err := c.Do(t.Context(), r)
		require.ErrorContains(t, err, "HTTP 307: the CRM redirects elsewhere, which is not followed")
		require.Equal(t, crm.KindTransient, failure(t, err).Kind)
	}
	require.Empty(t, elsewhere.requests())
}

func TestFreshTokenAfterARefusal(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer new-token" {
			say(200, `{"error":"expired_token","said":"`+r.Header.Get("Authorization")+`"}`)(w, r)
			return
		}
		_, _ = io.WriteString(w, `{}`)
	})
	issue := credentials(func(_ context.Context, refused string) (api.Access, error) {
		token := "old-token"
		if refused == token {
			token = "new-token"
		}
		return api.Access{Header: "Authorization", Value: "Bearer " + token, Token: token}, nil
	})
	judge := func(_ api.Request, a api.Answer) *crm.Error {
		if strings.Contains(string(a.Body), "expired_token") {
			return crm.Errorf(crm.KindUnauthorized, "", "%s", a.Body)
		}
		return nil
	}
	c := newClient(t, api.ClientConfig{BaseURL: s.URL, Credentials: issue, Judge: judge}, api.Options{})
	_, err := c.Do(t.Context(), creating)
	require.NoError(t, err)
	require.Len(t, s.requests(), 2)

	// The new one is refused as well: that is final.
	stubborn := credentials(func(context.Context, string) (api.Access, error) {
		return api.Access{Header: "Authorization", Value: "Bearer old-token", Token: "old-token"}, nil
	})
	c = newClient(t, api.ClientConfig{BaseURL: s.URL, Credentials: stubborn, Judge: judge}, api.Options{})
	_, err = c.Do(t.Context(), creating)
	require.EqualError(t, err,
		`create call log: HTTP 200: {"error":"expired_token","said":"Bearer ***"} (unauthorized)`)
	require.Len(t, s.requests(), 4)

	// A fixed header cannot be renewed.
	c = newClient(t, api.ClientConfig{
		BaseURL: s.URL, Credentials: api.Static("Authorization", "Bearer old-token"), Judge: judge,
	}, api.Options{})
	_, err = c.Do(t.Context(), creating)
	require.Equal(t, crm.KindUnauthorized, failure(t, err).Kind)
	require.Len(t, s.requests(), 5)
}

func TestTokenInTheBody(t *testing.T) {
	var body, header string
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		content, _ := io.ReadAll(r.Body)
		body, header = string(content), r.Header.Get("Authorization")
		_, _ = io.WriteString(w, "{}")
	})
	c := newClient(t, api.ClientConfig{BaseURL: s.URL, Credentials: credentials(
		func(context.Context, string) (api.Access, error) {
			return api.Access{Header: "Authorization", Value: "Bearer t0ken", Token: "t0ken"}, nil
		},
	)}, api.Options{})
	r := creating
	r.WithToken = func(token string) any { return map[string]string{"auth": token} }
	_, err := c.Do(t.Context(), r)
	require.NoError(t, err)
	require.JSONEq(t, `{"auth":"t0ken"}`, body)
	require.Empty(t, header)
}

func TestJudgeOfARequest(t *testing.T) {
	s := serve(t, say(200, `{"ok":false}`))
	c := newClient(t, api.ClientConfig{BaseURL: s.URL}, api.Options{})
	r := reading
	r.Judge = func(api.Answer) *crm.Error {
		return crm.Errorf(crm.KindGone, "x", "at https://crm.example/1 for 0912345678")
	}
	a, err := c.Do(t.Context(), r)
	require.EqualError(t, err, "find contact: HTTP 200: at (address) for ********78 (gone)")
	require.JSONEq(t, `{"ok":false}`, string(a.Body), "the answer is there with the error")
}
