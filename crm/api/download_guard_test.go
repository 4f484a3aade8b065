package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
)

// TestDownloadGuard: an allowed host whose name resolves to a private address is not dialled unless that is allowed.
// The one name that resolves so everywhere, localhost, stands literally among the hosts; so its guard is that of
// another.
func TestDownloadGuard(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.Header().Set("Content-Type", "audio/mpeg")
		_, _ = w.Write([]byte("ID3"))
	}))
	t.Cleanup(server.Close)
	host := strings.Replace(strings.TrimPrefix(server.URL, "http://"), "127.0.0.1", "localhost", 1)
	for want, private := range []bool{false, true} {
		connection := DefaultConnection()
		connection.PrivateAddresses = private
		d, err := NewDownloader(DownloadConfig{Hosts: []string{host}, MaxSize: 100, Connection: connection}, Options{})
		require.NoError(t, err)
		other, err := NewDownloader(DownloadConfig{Hosts: []string{"a.example"}, Connection: connection}, Options{})
		require.NoError(t, err)
		d.client.Transport = other.client.Transport
		t.Cleanup(d.Close)

		f, err := d.Open(t.Context(), "http://"+host+"/secret.mp3")
		require.Equal(t, want, asked)
		if private {
			require.NoError(t, err)
			require.NoError(t, f.Close())
			continue
		}
		require.Equal(t, crm.KindInvalid, crm.Classify(err).Kind)
		require.EqualError(t, err, "fetch recording: "+errPrivate.Error()+" (invalid)")
	}
}
