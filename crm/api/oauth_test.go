package api_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/configs/secret"
	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
)

// issuer is a token endpoint that gives out token-1, token-2, … with refresh-1, refresh-2, … where it rotates.
type issuer struct {
	*server

	issued  atomic.Int32
	rotates bool
	// answer takes the place of a token; nil: a token.
	answer atomic.Pointer[http.HandlerFunc]
	mu     sync.Mutex
	forms  []url.Values
}

func newIssuer(t *testing.T, rotates bool) *issuer {
	t.Helper()
	i := &issuer{rotates: rotates}
	i.server = serve(t, func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		i.mu.Lock()
		i.forms = append(i.forms, r.Form)
		i.mu.Unlock()
		if answer := i.answer.Load(); answer != nil {
			(*answer)(w, r)
			return
		}
		n := strconv.Itoa(int(i.issued.Add(1)))
		refresh := ""
		if i.rotates {
			refresh = `,"refresh_token":"refresh-` + n + `"`
		}
		say(200, `{"access_token":"token-`+n+`","expires_in":3600`+refresh+`,"endpoint":"https://crm.example.com"}`)(w, r)
	})
	return i
}

func (i *issuer) say(answer http.HandlerFunc) { i.answer.Store(&answer) }

func (i *issuer) form() url.Values {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.forms[len(i.forms)-1]
}

func (i *issuer) oauth() api.OAuth {
	cfg := api.OAuth{TokenURL: i.URL + "/token", ClientID: "client", ClientSecret: secret.New("canary-secret")}
	if i.rotates {
		cfg.RefreshToken = secret.New("refresh-0")
	}
	return cfg
}

func newOAuth(t *testing.T, cfg api.OAuth, o api.Options) api.Credentials {
	t.Helper()
	c, err := api.NewOAuth(cfg, api.DefaultConnection(), o)
	require.NoError(t, err)
	closer := newClient(t, api.ClientConfig{Credentials: c}, api.Options{})
	t.Cleanup(closer.Close)
	return c
}

// memory is a TokenStore that may fail.
type memory struct {
	mu     sync.Mutex
	stored api.Stored
	saves  int
	broken error
}

func (m *memory) Load() (api.Stored, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stored, nil
}

func (m *memory) Save(s api.Stored) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.saves++
	if m.broken == nil {
		m.stored = s
	}
	return m.broken
}

func (m *memory) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken = err
}

func TestOneFetchForAll(t *testing.T) {
	seen := newObserved()
	i := newIssuer(t, false)
	c := newOAuth(t, i.oauth(), api.Options{Observer: seen})
	var workers sync.WaitGroup
	for range 32 {
		workers.Go(func() {
			access, err := c.Access(t.Context(), "")
			require.NoError(t, err)
			require.Equal(t, api.Access{Header: "Authorization", Value: "Bearer token-1", Token: "token-1"}, access)
		})
	}
	workers.Wait()
	for range 32 {
		workers.Go(func() {
			access, err := c.Access(t.Context(), "token-1")
			require.NoError(t, err)
			require.Equal(t, "token-2", access.Token)
		})
	}
	workers.Wait()
	require.Equal(t, int32(2), i.issued.Load())
	require.Equal(t, "client_credentials", i.form().Get("grant_type"))
	require.Equal(t, map[string]int{"token 2xx": 2}, seen.requests)
}

// TestWhoWaitedSharesTheFailure: the fetch fails after all have come.
func TestWhoWaitedSharesTheFailure(t *testing.T) {
	i := newIssuer(t, true)
	came, goOn := make(chan struct{}, 1), make(chan struct{})
	i.say(func(w http.ResponseWriter, r *http.Request) {
		came <- struct{}{}
		<-goOn
		say(500, "")(w, r)
	})
	c := newOAuth(t, i.oauth(), api.Options{})
	const waiting = 8
	results := make(chan error, waiting)
	ask := func() {
		_, err := c.Access(t.Context(), "")
		results <- err
	}
	go ask()
	<-came
	entered := make(chan struct{}, waiting)
	for range waiting - 1 {
		go func() {
			entered <- struct{}{}
			ask()
		}()
	}
	for range waiting - 1 {
		<-entered
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	_, err := c.Access(stopped, "")
	require.ErrorIs(t, err, context.Canceled, "who leaves does not wait")
	close(goOn)
	for range waiting {
		require.Equal(t, crm.KindTransient, failure(t, <-results).Kind)
	}
	require.LessOrEqual(t, len(i.requests()), waiting)
}

// TestTheFetchOutlivesItsCaller: the answer may hold the only refresh token that still counts.
func TestTheFetchOutlivesItsCaller(t *testing.T) {
	i := newIssuer(t, true)
	came, goOn := make(chan struct{}), make(chan struct{})
	i.say(func(w http.ResponseWriter, r *http.Request) {
		close(came)
		<-goOn
		say(200, `{"access_token":"token-1","refresh_token":"refresh-1"}`)(w, r)
	})
	cfg, store := i.oauth(), &memory{}
	cfg.Store = store
	c := newOAuth(t, cfg, api.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() {
		_, err := c.Access(ctx, "")
		result <- err
	}()
	<-came
	cancel()
	require.ErrorIs(t, <-result, context.Canceled)
	close(goOn)
	access, err := c.Access(t.Context(), "")
	require.NoError(t, err)
	require.Equal(t, "token-1", access.Token)
	require.Len(t, i.requests(), 1)
	require.Equal(t, "refresh-1", store.stored.RefreshToken)
}

func TestExpiry(t *testing.T) {
	for refusedOnly, want := range map[bool]string{false: "token-2", true: "token-1"} {
		now := newClock()
		i := newIssuer(t, false)
		cfg := i.oauth()
		cfg.RefreshOnlyWhenRefused = refusedOnly
		c := newOAuth(t, cfg, api.Options{Now: now.Now})
		_, err := c.Access(t.Context(), "")
		require.NoError(t, err)
		now.move(59 * time.Minute)
		access, err := c.Access(t.Context(), "")
		require.NoError(t, err)
		require.Equal(t, "token-1", access.Token)
		now.move(55 * time.Second)
		access, err = c.Access(t.Context(), "")
		require.NoError(t, err)
		require.Equal(t, want, access.Token)
	}
}

// TestRotation: a new refresh token is durable before its access token is used, and outlives the process.
func TestRotation(t *testing.T) {
	i := newIssuer(t, true)
	cfg, store := i.oauth(), &memory{}
	cfg.Store, cfg.Scheme, cfg.Params = store, "Zoho-oauthtoken", map[string]string{"audience": "x"}
	c := newOAuth(t, cfg, api.Options{})
	access, err := c.Access(t.Context(), "")
	require.NoError(t, err)
	require.Equal(t, "Zoho-oauthtoken token-1", access.Value)
	require.Equal(t, url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {"refresh-0"}, "client_id": {"client"},
		"client_secret": {"canary-secret"}, "audience": {"x"},
	}, i.form())
	require.Equal(t, "refresh-1", store.stored.RefreshToken)

	// After a restart the token still counts, and then the last refresh token.
	c = newOAuth(t, cfg, api.Options{})
	access, err = c.Access(t.Context(), "")
	require.NoError(t, err)
	require.Equal(t, "token-1", access.Token)
	_, err = c.Access(t.Context(), "token-1")
	require.NoError(t, err)
	require.Equal(t, "refresh-1", i.form().Get("refresh_token"))

	// The operator authorized again: the stored one does not count any more.
	cfg.RefreshToken = secret.New("refresh-by-hand")
	c = newOAuth(t, cfg, api.Options{})
	_, err = c.Access(t.Context(), "")
	require.NoError(t, err)
	require.Equal(t, "refresh-by-hand", i.form().Get("refresh_token"))

	// Another process, a check, has fetched meanwhile: what it stored is taken over.
	other := newOAuth(t, cfg, api.Options{})
	fresh, err := other.Access(t.Context(), "token-3")
	require.NoError(t, err)
	require.Equal(t, "token-4", fresh.Token)
	access, err = c.Access(t.Context(), "token-3")
	require.NoError(t, err)
	require.Equal(t, "token-4", access.Token)
	require.Equal(t, int32(4), i.issued.Load())
}

func TestStoreThatFails(t *testing.T) {
	i := newIssuer(t, true)
	cfg, store := i.oauth(), &memory{broken: errors.New("no space left for refresh-1 on the device")}
	cfg.Store = store
	c := newOAuth(t, cfg, api.Options{})
	for range 3 {
		_, err := c.Access(t.Context(), "")
		require.EqualError(t, err, "get token: the new refresh token cannot be stored, so nothing is sent; make room or "+
			"the file writable: no space left for *** on the device (unauthorized)")
	}
	require.Len(t, i.requests(), 1, "the refresh token that it got is not thrown away")
	require.Equal(t, 3, store.saves)
	store.fail(nil)
	access, err := c.Access(t.Context(), "")
	require.NoError(t, err)
	require.Equal(t, "token-1", access.Token)
	require.Equal(t, "refresh-1", store.stored.RefreshToken)
	require.Len(t, i.requests(), 1)
}

func TestRefusedRefreshToken(t *testing.T) {
	i := newIssuer(t, true)
	for want, answer := range map[string]http.HandlerFunc{
		": invalid_grant *** has expired": say(400, `{"error":"invalid_grant","error_description":"refresh-0 has expired"}`),
		": expired_token":                 say(200, `{"error":"expired_token"}`),
		"":                                say(401, ""),
		"not a refusal":                   say(302, "", "Location", "/token"),
	} {
		i.say(answer)
		c := newClient(t, api.ClientConfig{BaseURL: i.URL, Credentials: newOAuth(t, i.oauth(), api.Options{})}, api.Options{})
		_, err := c.Do(t.Context(), creating)
		e := failure(t, err)
		require.Equal(t, "get token", e.Op)
		if e.Status == 302 {
			require.Equal(t, crm.KindTransient, e.Kind)
			continue
		}
		require.Equal(t, crm.KindUnauthorized, e.Kind)
		require.Equal(t, "token_url refuses the refresh token: authorize crmsyncd in the CRM again and put the new one into "+
			"refresh_token"+want, e.Message)
	}
	require.Len(t, i.requests(), 4, "a refresh token is not tried in two ways")
	i.say(say(401, `{"error":"invalid_client"}`))
	_, err := newOAuth(t, i.oauth(), api.Options{}).Access(t.Context(), "")
	require.ErrorContains(t, err, "token_url refuses client_id and client_secret")

	cfg := i.oauth()
	cfg.RefreshToken, cfg.Store = secret.String{}, &memory{}
	_, err = newOAuth(t, cfg, api.Options{}).Access(t.Context(), "")
	require.ErrorContains(t, err, "there is no refresh token: authorize crmsyncd in the CRM")
}

// TestTokenEndpointThatAsksToWait is left alone, also where a client's secret might be sent in another way.
func TestTokenEndpointThatAsksToWait(t *testing.T) {
	for _, rotates := range []bool{false, true} {
		now := newClock()
		i := newIssuer(t, rotates)
		i.say(say(429, "", "Retry-After", "30"))
		c := newOAuth(t, i.oauth(), api.Options{Now: now.Now})
		for _, left := range []int{30, 20, 10} {
			e := failure(t, func() error { _, err := c.Access(t.Context(), ""); return err }())
			require.Equal(t, crm.KindThrottled, e.Kind)
			require.Equal(t, left, int(e.RetryAfter.Seconds()))
			now.move(10 * time.Second)
		}
		require.Len(t, i.requests(), 1)
		i.answer.Store(nil)
		_, err := c.Access(t.Context(), "")
		require.NoError(t, err)
	}
}

func TestTokenByGet(t *testing.T) {
	i := newIssuer(t, true)
	cfg := i.oauth()
	cfg.Method = http.MethodGet
	cfg.BaseURL = func(raw map[string]any) (string, error) {
		endpoint, _ := raw["endpoint"].(string)
		return endpoint + "/rest/", nil
	}
	access, err := newOAuth(t, cfg, api.Options{}).Access(t.Context(), "")
	require.NoError(t, err)
	require.Equal(t, "https://crm.example.com/rest", access.BaseURL)
	require.Equal(t, []string{
		"GET /token?client_id=client&client_secret=canary-secret&grant_type=refresh_token&refresh_token=refresh-0",
	}, i.requests())
	i.say(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	_, err = newOAuth(t, cfg, api.Options{}).Access(t.Context(), "")
	require.EqualError(t, err, "get token: the connection was closed without an answer (transient)")
}

// TestUnusableBaseURL: the new refresh token counts all the same.
func TestUnusableBaseURL(t *testing.T) {
	i := newIssuer(t, true)
	cfg, store := i.oauth(), &memory{}
	cfg.Store = store
	cfg.BaseURL = func(map[string]any) (string, error) { return "", errors.New("https://evil.example is no CRM") }
	c := newOAuth(t, cfg, api.Options{})
	_, err := c.Access(t.Context(), "")
	require.EqualError(t, err, "get token: (address) is no CRM (unauthorized)")
	require.Equal(t, "refresh-1", store.stored.RefreshToken)
	_, err = c.Access(t.Context(), "")
	require.Error(t, err)
	require.Equal(t, "refresh-1", i.form().Get("refresh_token"))
}

func TestOAuthRefuses(t *testing.T) {
	_, err := api.NewOAuth(api.OAuth{ClientID: "x"}, api.DefaultConnection(), api.Options{})
	require.ErrorContains(t, err, "token_url: ")
	_, err = api.NewOAuth(api.OAuth{TokenURL: "https://crm.example.com"}, api.DefaultConnection(), api.Options{})
	require.EqualError(t, err, "client_id: is missing")
}
