package rest_test

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
)

// TestTLS: what is wrong with a connection is told in plain words, without the address.
func TestTLS(t *testing.T) {
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	for address, want := range map[string]string{
		secure.URL: "the certificate is signed by an authority that this machine does not trust",
		strings.Replace(plain.URL, "http:", "https:", 1): "the server does not speak TLS at this address",
		"http://127.0.0.1:1":                             "the connection was refused",
	} {
		cfg := parseConfig(t, small)
		cfg.BaseURL = address
		err := write(t, newAdapter(t, cfg), crm.Write{Call: endedCall()}).Err
		require.EqualError(t, err, "create call log: "+want+" (transient)")
	}
}

func TestAnswerThatIsTooLarge(t *testing.T) {
	cfg := "max_response: 1KiB\n" + small
	a := against(t, cfg, saying(200, "", `{"id":1,"list":[],"x":"`+strings.Repeat("x", 1024)+`"}`))
	err := lookUp(t, a, crm.Lookup{Object: "lead", TransactionID: "1"}).Err
	require.EqualError(t, err, "find lead: HTTP 200: the answer is larger than max_response (transient)")
	written := write(t, a, crm.Write{Call: endedCall()})
	require.Equal(t, crm.KindInDoubt, crm.Classify(written.Err).Kind)
	require.NoError(t, write(t, a, crm.Write{Call: endedCall(), LogID: "1"}).Err, "an update needs no answer to read")
}
