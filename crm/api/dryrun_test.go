package api_test

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
)

func TestDryRun(t *testing.T) {
	s := serve(t, say(200, `{"id":"real"}`))
	dry := &api.DryRun{}
	c := newClient(t, api.ClientConfig{
		BaseURL: s.URL + "/rest/1/web-hook-key", Secrets: []string{"web-hook-key"},
		Credentials: api.Static("Authorization", "Bearer s3cret-token"),
	}, api.Options{DryRun: dry})
	var into struct {
		ID string `json:"id"`
	}
	require.NoError(t, c.JSON(t.Context(), reading, &into))
	require.Equal(t, "real", into.ID)

	create := creating
	create.Query = url.Values{"k": {"s3cret-token"}}
	create.WithToken = func(token string) any { return map[string]string{"auth": token, "phone": "+84912345678"} }
	create.Pretend = map[string]string{"id": "pretended"}
	require.NoError(t, c.JSON(t.Context(), create, &into))
	require.Equal(t, "pretended", into.ID)
	require.NoError(t, c.JSON(t.Context(), changing, &into), "nothing to pretend is fine")

	require.Equal(t, []string{"GET /rest/1/web-hook-key/contacts"}, s.requests())
	require.Equal(t, []api.Recorded{
		{
			Operation: "create_log", Title: "create call log", Method: "POST", URL: s.URL + "/rest/1/***/calls?k=***",
			Body: `{"auth":"***","phone":"+84912345678"}`,
		},
		{
			Operation: "update_log", Title: "update call log", Method: "PATCH", URL: s.URL + "/rest/1/***/calls/1",
			Body: `{"name":"c"}`,
		},
	}, dry.Requests())
}

// TestOfflineSendsNothing holds that with a dry run that is offline not even a token is fetched.
func TestOfflineSendsNothing(t *testing.T) {
	s := serve(t, say(200, `{"access_token":"t","expires_in":3600}`))
	credentials, err := api.NewOAuth(api.OAuth{TokenURL: s.URL + "/token", ClientID: "c"}, api.Connection{}, api.Options{})
	require.NoError(t, err)
	dry := &api.DryRun{Offline: true}
	c := newClient(t, api.ClientConfig{BaseURL: s.URL, Credentials: credentials}, api.Options{DryRun: dry})
	_, err = c.Do(t.Context(), reading)
	require.Equal(t, crm.KindTransient, crm.Classify(err).Kind)
	require.ErrorContains(t, err, "not asked, since nothing is to be sent")
	_, err = c.Do(t.Context(), changing)
	require.NoError(t, err)
	require.Len(t, dry.Requests(), 1)
	require.Empty(t, s.requests())
}
