package api_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/configs/secret"
	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
)

func TestPasswordGrant(t *testing.T) {
	i := newIssuer(t, true)
	cfg := i.oauth()
	cfg.RefreshToken, cfg.Username, cfg.Password = secret.String{}, "crmsyncd", secret.New("canary-password")
	c := newOAuth(t, cfg, api.Options{})

	access, err := c.Access(t.Context(), "")
	require.NoError(t, err)
	require.Equal(t, "token-1", access.Token)
	require.Equal(t, "password", i.form().Get("grant_type"))
	require.Equal(t, "crmsyncd", i.form().Get("username"))
	require.Equal(t, "canary-password", i.form().Get("password"))

	access, err = c.Access(t.Context(), "token-1")
	require.NoError(t, err)
	require.Equal(t, "token-2", access.Token)
	require.Equal(t, "refresh_token", i.form().Get("grant_type"), "the password is not sent more often than need be")
	require.Equal(t, "refresh-1", i.form().Get("refresh_token"))
	require.Empty(t, i.form().Get("password"))

	i.say(say(401, `{"error":"invalid_request","error_description":"nobody has the password canary-password"}`))
	_, err = c.Access(t.Context(), "token-2")
	require.Equal(t, crm.KindUnauthorized, crm.Classify(err).Kind)
	require.ErrorContains(t, err, "username and password")
	require.NotContains(t, err.Error(), "canary")
	require.Equal(t, "password", i.form().Get("grant_type"), "a refresh token that is refused is not the end")

	i.answer.Store(nil)
	access, err = c.Access(t.Context(), "token-2")
	require.NoError(t, err)
	require.Equal(t, "token-3", access.Token)
}
