package api_test

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/configs/secret"
	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
)

// TestMovedBaseURL: where a token sends us is looked at before anything is sent there.
func TestMovedBaseURL(t *testing.T) {
	s := serve(t, say(200, "{}"))
	byName := strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
	private := "the host has a private address: set private_addresses if it stands in your own network"
	for name, test := range map[string]struct {
		configured, moved string
		private           bool
		want              string
	}{
		"private address":         {"http://192.0.2.1", s.URL, false, private + " (transient)"},
		"name of one":             {"http://192.0.2.1", byName, false, private + " (transient)"},
		"private ones allowed":    {"http://192.0.2.1", s.URL, true, ""},
		"the address configured":  {s.URL, s.URL + "/", false, ""},
		"localhost is configured": {byName, s.URL, false, ""},
		"no TLS":                  {"https://192.0.2.1", s.URL, true, "is no https address (unauthorized)"},
		"no address":              {"http://192.0.2.1", "javascript:x", true, "is no https address (unauthorized)"},
		"a user in it":            {s.URL, strings.Replace(s.URL, "//", "//u:p@", 1), true, "is no https address (unauthorized)"},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(s.requests())
			c := newClient(t, api.ClientConfig{
				BaseURL: test.configured, Credentials: at(test.moved), Connection: api.Connection{PrivateAddresses: test.private},
			}, api.Options{})
			_, err := c.Do(t.Context(), creating)
			if test.want == "" {
				require.NoError(t, err)
				require.Equal(t, "POST /calls", s.requests()[before])
				return
			}
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), "127.0.0.1")
			require.Len(t, s.requests(), before)
		})
	}
}

func TestTokenWithoutTheBaseURL(t *testing.T) {
	s := serve(t, say(200, `{"access_token":"t"}`))
	credentials, err := api.NewOAuth(api.OAuth{
		TokenURL: s.URL, ClientID: "id", ClientSecret: secret.New("s3cret"),
	}, api.DefaultConnection(), api.Options{})
	require.NoError(t, err)
	c := newClient(t, api.ClientConfig{Credentials: credentials}, api.Options{})
	_, err = c.Do(t.Context(), reading)
	require.EqualError(t, err, "find contact: the token came without the base URL of the CRM (unauthorized)")
}

// TestTransport: what is wrong with a connection is told in plain words, without the address.
func TestTransport(t *testing.T) {
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	plain := serve(t, say(200, ""))
	for address, want := range map[string]string{
		secure.URL: "the certificate is signed by an authority that this machine does not trust",
		strings.Replace(plain.URL, "http:", "https:", 1): "the server does not speak TLS at this address",
		"http://127.0.0.1:1":                             "the connection was refused",
	} {
		c := newClient(t, api.ClientConfig{BaseURL: address}, api.Options{})
		_, err := c.Do(t.Context(), creating)
		require.EqualError(t, err, "create call log: "+want+" (transient)")
		require.Equal(t, crm.KindTransient, failure(t, err).Kind, "nothing was sent")
	}
}
