package admin_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/configs/secret"
	"github.com/crmsyncd/crmsyncd/crm/admin"
)

const token = "correct horse battery staple"

// routes are all routes but /healthz, and one that does not exist.
var routes = []struct{ method, path string }{
	{http.MethodGet, "/readyz"},
	{http.MethodGet, "/metrics"},
	{http.MethodGet, "/api/v1/stats"},
	{http.MethodGet, "/api/v1/config"},
	{http.MethodGet, "/api/v1/calls"},
	{http.MethodGet, "/api/v1/calls/a"},
	{http.MethodPost, "/api/v1/calls/a/replay"},
	{http.MethodPost, "/api/v1/replay?state=parked"},
	{http.MethodGet, "/api/v1/quarantine"},
	{http.MethodGet, "/api/v1/backup"},
	{http.MethodPost, "/api/v1/pause"},
	{http.MethodPost, "/api/v1/resume"},
	{http.MethodPost, "/api/v1/calls/a/discard"},
	{http.MethodGet, "/"},
	{http.MethodGet, "/nothing"},
	{http.MethodDelete, "/api/v1/calls/a"},
}

func withConsole(o *admin.Options) {
	o.Config = struct{}{}
	o.Console = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
}

func withToken(o *admin.Options) {
	withConsole(o)
	o.Token = secret.New(token)
}

func TestEveryRouteAsksForTheToken(t *testing.T) {
	f := newFixture(t, withToken)
	f.park("invalid", "a")
	for name, give := range map[string]func(r *http.Request){
		"none":          nil,
		"empty":         func(r *http.Request) { r.Header.Set("Authorization", "Bearer ") },
		"wrong":         func(r *http.Request) { r.Header.Set("Authorization", "Bearer wrong") },
		"longer":        func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token+"x") },
		"other scheme":  func(r *http.Request) { r.Header.Set("Authorization", "Token "+token) },
		"no scheme":     func(r *http.Request) { r.Header.Set("Authorization", token) },
		"as a user":     func(r *http.Request) { r.SetBasicAuth(token, "") },
		"in a query":    func(r *http.Request) { r.URL.RawQuery += "&token=" + url.QueryEscape(token) },
		"malformed":     func(r *http.Request) { r.Header.Set("Authorization", "Basic !!!") },
		"wrong as Host": func(r *http.Request) { r.Host = "localhost" },
	} {
		for _, route := range routes {
			a := f.do(route.method, route.path, give)
			requireError(t, a, http.StatusUnauthorized, "unauthorized")
			require.Len(t, a.header.Values("WWW-Authenticate"), 2, name)
		}
		require.Equal(t, http.StatusOK, f.do(http.MethodGet, "/healthz", give).code, name)
	}
	require.Len(t, f.store.Stats().ParkedBy, 1, "nothing was changed")
	require.NotContains(t, f.log.String(), token)
}

func TestTheTokenLetsIn(t *testing.T) {
	for name, give := range map[string]func(r *http.Request){
		"bearer":        func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) },
		"bearer, lower": func(r *http.Request) { r.Header.Set("Authorization", "bearer  "+token) },
		"password":      func(r *http.Request) { r.SetBasicAuth("anybody", token) },
		"under another name": func(r *http.Request) {
			r.SetBasicAuth("", token)
			r.Host = "crm.example:9090"
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, withToken)
			f.park("invalid", "a")
			for _, route := range routes[:14] {
				require.Equal(t, http.StatusOK, f.do(route.method, route.path, give).code, route.path)
			}
		})
	}
}

// serve hands a request to the handler as if it came from the given address.
func serve(o admin.Options, remote, host string) int {
	r := httptest.NewRequest(http.MethodGet, "/api/v1/stats", nil)
	r.RemoteAddr, r.Host = remote, host
	w := httptest.NewRecorder()
	admin.New(o).ServeHTTP(w, r)
	return w.Code
}

func TestWithoutATokenOnlyThisMachineIsServed(t *testing.T) {
	o := newFixture(t, nil).options
	for remote, want := range map[string]int{
		"127.0.0.1:4711": http.StatusOK, "[::1]:4711": http.StatusOK, "127.9.9.9:1": http.StatusOK,
		"[::ffff:127.0.0.1]:1": http.StatusOK, "10.0.0.7:4711": http.StatusForbidden, "[fe80::1]:1": http.StatusForbidden,
		"": http.StatusForbidden, "@": http.StatusForbidden,
	} {
		require.Equal(t, want, serve(o, remote, "localhost:9090"), remote)
	}
	o.Token = secret.New(token)
	require.Equal(t, http.StatusUnauthorized, serve(o, "127.0.0.1:4711", "localhost"), "with a token nobody is trusted")
}

func TestWithoutATokenTheHostMustBeThisMachine(t *testing.T) {
	o := newFixture(t, nil).options
	for host, want := range map[string]int{
		"localhost": http.StatusOK, "LOCALHOST:9090": http.StatusOK, "127.0.0.1:9090": http.StatusOK, "[::1]": http.StatusOK,
		"[::1]:9090": http.StatusOK, "evil.example": http.StatusForbidden, "evil.example:9090": http.StatusForbidden,
		"localhost.evil.example": http.StatusForbidden, "127.0.0.1.evil.example": http.StatusForbidden,
		"10.0.0.7:9090": http.StatusForbidden, "": http.StatusForbidden, "0.0.0.0:9090": http.StatusForbidden,
	} {
		require.Equal(t, want, serve(o, "127.0.0.1:4711", host), host)
	}
}

func TestChangesFromOtherSitesAreRefused(t *testing.T) {
	for name, change := range map[string]func(r *http.Request){
		"cross site": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"same site":  func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
		"old browser": func(r *http.Request) {
			r.Header.Set("Origin", "https://evil.example")
		},
		"no origin": func(r *http.Request) { r.Header.Set("Origin", "null") },
		"other port": func(r *http.Request) {
			r.Header.Set("Origin", "http://127.0.0.1:1")
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, setup := range []func(o *admin.Options){withConsole, withToken} {
				f := newFixture(t, setup)
				f.park("invalid", "a")
				for _, path := range []string{
					"/api/v1/calls/a/replay", "/api/v1/calls/a/discard", "/api/v1/replay?state=parked", "/api/v1/pause",
					"/api/v1/resume", "/",
				} {
					a := f.do(http.MethodPost, path, func(r *http.Request) {
						r.SetBasicAuth("anybody", token)
						change(r)
					})
					requireError(t, a, http.StatusForbidden, "cross_origin")
				}
				require.Len(t, f.store.Stats().ParkedBy, 1, "nothing was changed")
			}
		})
	}
}

func TestChangesFromOurOwnPageAreTaken(t *testing.T) {
	f := newFixture(t, withConsole)
	for _, change := range []func(r *http.Request){
		func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-origin") },
		func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "none") },
		func(r *http.Request) { r.Header.Set("Origin", "http://"+r.URL.Host) },
	} {
		require.Equal(t, http.StatusOK, f.do(http.MethodPost, "/api/v1/pause", change).code)
	}
}

func TestSecureHeaders(t *testing.T) {
	f := newFixture(t, withToken)
	for _, path := range []string{"/healthz", "/readyz", "/api/v1/calls", "/nothing"} {
		h := f.get(path).header
		require.Equal(t, "default-src 'none'; frame-ancestors 'none'", h.Get("Content-Security-Policy"), path)
		require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"), path)
		require.Equal(t, "DENY", h.Get("X-Frame-Options"), path)
		require.Equal(t, "no-store", h.Get("Cache-Control"), path)
		require.Equal(t, "no-referrer", h.Get("Referrer-Policy"), path)
		require.Empty(t, h.Get("Access-Control-Allow-Origin"), path)
	}
}
