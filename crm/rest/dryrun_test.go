package rest_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/rest"
)

// TestDryRun holds that writes succeed without being sent: their answers cannot be pretended, since only the
// configuration knows where the ids stand, and there is nothing to read back.
func TestDryRun(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s %s was sent", r.Method, r.URL.Path)
	}))
	t.Cleanup(s.Close)
	cfg := parseConfig(t, `
objects: [{name: contact, find_by_phone: {path: /contacts, records: body}, phones: item.phone}]
calls:
  create:
    path: /calls
    body: {call_id: "${call.id}", contact: "${record.id}"}
    id: body.data.id
    read_back: {path: "/calls/${log_id}", expect: "body.call_id == call.id"}
  update: {method: PATCH, path: "/calls/${log_id}"}
  find: {path: /calls, records: body}
  call_id: item.call_id
contacts: {object: contact, create: {path: /contacts, body: {phone: "${call.customer.raw}"}, id: body.id}}
`)
	cfg.BaseURL = s.URL
	dry := &api.DryRun{}
	a, err := rest.New(cfg, api.Options{PhoneRegion: "VN", DryRun: dry})
	require.NoError(t, err)
	t.Cleanup(a.Close)
	c := call.Call{ID: "c-1", Customer: call.ParseNumber("0912345678", "VN")}
	made := a.CreateContacts(t.Context(), []call.Call{c})
	require.NoError(t, made[0].Err)
	written := a.Write(t.Context(), []crm.Write{{Call: c, Record: &made[0].Records[0]}, {Call: c, LogID: "l-1"}})
	require.NoError(t, written[0].Err)
	require.Equal(t, "dry-run", written[0].LogID)
	require.NoError(t, written[1].Err)
	require.ElementsMatch(t, []string{"/contacts", "/calls", "/calls/l-1"}, paths(s.URL, dry.Requests()))
}

// paths returns what was recorded, without the address of the server.
func paths(server string, recorded []api.Recorded) []string {
	var all []string
	for _, r := range recorded {
		all = append(all, r.URL[len(server):])
	}
	return all
}
