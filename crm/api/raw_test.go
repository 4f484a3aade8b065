package api_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm/api"
)

func TestRaw(t *testing.T) {
	var kind, body string
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		all, err := io.ReadAll(r.Body)
		if err == nil {
			kind, body = r.Header.Get("Content-Type"), string(all)
		}
	})
	r := changing
	r.Body = api.Raw{ContentType: "multipart/mixed; boundary=b", Body: []byte("--b--\r\n")}
	require.NoError(t, newClient(t, api.ClientConfig{BaseURL: s.URL}, api.Options{}).JSON(t.Context(), r, nil))
	require.Equal(t, "multipart/mixed; boundary=b", kind)
	require.Equal(t, "--b--\r\n", body)
}
