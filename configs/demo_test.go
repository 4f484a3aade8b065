package configs_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/configs"
	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/rest"
	"github.com/crmsyncd/crmsyncd/crm/sandbox"
)

func TestDemoIsACopyThatLoads(t *testing.T) {
	configs.Demo()[0] = 'x'
	config, err := configs.LoadBytes("demo.yaml", configs.Demo(), []string{"CRMSYNCD_OUTBOX__PATH=elsewhere.db"})
	require.NoError(t, err)
	require.Equal(t, "elsewhere.db", config.Outbox.Path)
	require.Equal(t, "http://127.0.0.1:8090/api/v1", config.CRM.Rest.BaseURL)
	require.Equal(t, "demo-key-not-for-production", config.Receiver.AuthorizationKeys[0].Reveal())
}

// TestMappingsFitTheSandbox drives the mappings of the demo and of the example against the sandbox itself.
func TestMappingsFitTheSandbox(t *testing.T) {
	for _, name := range []string{"demo.yaml", "example.yaml"} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(sandbox.New(sandbox.Options{}))
			t.Cleanup(server.Close)
			config, err := configs.Load(name, []string{"CRMSYNCD_CRM__BASE_URL=" + server.URL + "/api/v1"})
			require.NoError(t, err)
			adapter, err := rest.New(config.CRM.Rest, api.Options{Location: time.UTC, PhoneRegion: "VN"})
			require.NoError(t, err)
			t.Cleanup(adapter.Close)
			drive(t, adapter, server.URL)
			require.Subset(t, stored(t, server.URL, "call-1"), map[string]any{
				"call_id": "call-1", "contact_id": "ct_000001", "transaction_id": "deal-7", "direction": "inbound",
				"result": "answered", "agent": "an.nguyen", "hotline": "19001234", "started_at": "2026-05-04T03:02:01Z",
				"answered_at": "2026-05-04T03:02:02Z", "ended_at": "2026-05-04T03:03:01Z", "talk_seconds": 59.0,
				"recording_url": "https://records.example.com/call-1.mp3", "revision": 2.0,
			})
		})
	}
}

// stored returns a call log as the sandbox has it.
func stored(t *testing.T, url, callID string) map[string]any {
	t.Helper()
	response, err := http.Get(url + "/api/v1/calls?call_id=" + callID)
	require.NoError(t, err)
	defer func() { require.NoError(t, response.Body.Close()) }()
	var list struct{ Data []map[string]any }
	require.NoError(t, json.NewDecoder(response.Body).Decode(&list))
	require.Len(t, list.Data, 1)
	return list.Data[0]
}

// assign gives a contact of the sandbox a transaction id, as a person does.
func assign(t *testing.T, url, contact, transactionID string) {
	t.Helper()
	body := strings.NewReader(`{"transaction_id":"` + transactionID + `"}`)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, url+"/api/v1/contacts/"+contact, body)
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode)
}

// drive takes one call through everything an adapter does.
func drive(t *testing.T, adapter *rest.Adapter, url string) {
	t.Helper()
	ctx := t.Context()
	start := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	c := call.Call{
		ID: "call-1", TransactionID: "deal-7", Direction: call.Inbound, State: call.Started, Status: "Ringing",
		Customer: call.ParseNumber("0912345678", "VN"), Agent: "an.nguyen", Start: start, Hotline: "19001234",
	}
	created := adapter.CreateContacts(ctx, []call.Call{c})
	require.NoError(t, created[0].Err)
	require.Len(t, created[0].Records, 1)
	record := created[0].Records[0]
	require.Empty(t, adapter.Find(ctx, []crm.Lookup{{Object: "contact", TransactionID: c.TransactionID}})[0].Records,
		"the next customer of the campaign is somebody else")
	assign(t, url, record.ID, c.TransactionID)

	for _, found := range adapter.Find(ctx, []crm.Lookup{
		{Object: "contact", TransactionID: c.TransactionID}, {Object: "contact", Phone: c.Customer},
	}) {
		require.NoError(t, found.Err)
		require.False(t, found.Truncated)
		require.Len(t, found.Records, 1)
		require.Equal(t, record.ID, found.Records[0].ID)
	}
	nobody := adapter.Find(ctx, []crm.Lookup{{Object: "contact", TransactionID: "deal-8"}})
	require.NoError(t, nobody[0].Err)
	require.Empty(t, nobody[0].Records)
	users := adapter.FindUsers(ctx, []string{"an.nguyen"})
	require.NoError(t, users[0].Err)
	require.Empty(t, users[0].UserID)

	written := adapter.Write(ctx, []crm.Write{{Call: c, Record: &record}})
	require.NoError(t, written[0].Err)
	require.NotEmpty(t, written[0].LogID)
	logs := adapter.FindLogs(ctx, []call.Call{c})
	require.NoError(t, logs[0].Err)
	require.Equal(t, written[0].LogID, logs[0].LogID)

	again := adapter.Write(ctx, []crm.Write{{Call: c, Record: &record}})
	require.Equal(t, crm.KindExists, crm.Classify(again[0].Err).Kind)
	require.Equal(t, written[0].LogID, again[0].LogID)

	c.State, c.Result, c.Answer, c.End = call.Ended, call.ResultAnswered, start.Add(time.Second), start.Add(time.Minute)
	c.Talk, c.RecordingURL = call.KnownSeconds(59), "https://records.example.com/call-1.mp3"
	updated := adapter.Write(ctx, []crm.Write{{Call: c, Record: &record, LogID: written[0].LogID}})
	require.NoError(t, updated[0].Err)
	require.Equal(t, written[0].LogID, updated[0].LogID)

	unlinked := adapter.Write(ctx, []crm.Write{{Call: call.Call{ID: "call-2", Direction: call.Outbound, Start: start}}})
	require.NoError(t, unlinked[0].Err)
}
