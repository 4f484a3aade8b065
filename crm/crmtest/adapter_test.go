package crmtest_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/crmtest"
)

// canary is the secret of the adapter.
const canary = "canary-secret-value"

// plainAdapter is an adapter for a plainCRM: as short as one can be that passes.
type plainAdapter struct {
	client *api.Client
	search api.Search
}

func newPlainAdapter(t *testing.T, baseURL string) *plainAdapter {
	t.Helper()
	client, err := api.NewClient(api.ClientConfig{
		BaseURL: baseURL, Connection: api.DefaultConnection(), Credentials: api.Static("Authorization", "Bearer "+canary),
		Secrets: []string{canary},
	}, api.Options{})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	a := &plainAdapter{client: client}
	by := func(field string) api.Ask {
		return func(ctx context.Context, object string, values []string) ([]crm.Record, bool, error) {
			return a.find(ctx, object, field, values)
		}
	}
	a.search = api.Search{
		MaxValues: 50, Concurrency: 2, Region: "VN", ByTransactionID: by("transaction_id"), ByPhone: by("phone"),
	}
	return a
}

func (a *plainAdapter) Traits() crm.Traits {
	return crm.Traits{
		Name: "plain", Objects: []string{"contact"}, ByPhone: true, SearchLag: plainLag,
		WriteBatch: plainBatch, FindBatch: 50,
	}
}

func (a *plainAdapter) Find(ctx context.Context, lookups []crm.Lookup) []crm.Found {
	return a.search.Find(ctx, lookups)
}

func (a *plainAdapter) find(ctx context.Context, object, field string, values []string) ([]crm.Record, bool, error) {
	var found []plainRecord
	err := a.client.JSON(ctx, api.Request{
		Operation: "find", Title: "find records", Path: "/find", Method: "POST", Body: plainSearch{object, field, values},
	}, &found)
	var records []crm.Record
	for _, r := range found {
		records = append(records, crm.Record{
			Object: r.Object, ID: r.ID, TransactionID: r.TransactionID, Phones: []string{r.Phone},
		})
	}
	return records, false, err
}

// results asks for a list of results, one for each item.
func (a *plainAdapter) results(
	ctx context.Context, operation string, effect api.Effect, body any, n int,
) ([]plainResult, error) {
	var results []plainResult
	err := a.client.JSON(ctx, api.Request{
		Operation: operation, Title: operation, Path: "/" + operation, Method: "POST", Effect: effect, Body: body,
	}, &results)
	if err == nil && len(results) != n {
		return nil, crm.Errorf(crm.KindInDoubt, operation, "%d results for %d items", len(results), n)
	}
	return results, err
}

func (a *plainAdapter) FindLogs(ctx context.Context, calls []call.Call) []crm.LogFound {
	ids := make([]string, len(calls))
	for i, c := range calls {
		ids[i] = c.ID
	}
	founds := make([]crm.LogFound, len(calls))
	results, err := a.results(ctx, "find_log", api.Reads, plainSearch{Values: ids}, len(ids))
	for i := range founds {
		if founds[i].Err = err; err == nil {
			founds[i].LogID = results[i].ID
		}
	}
	return founds
}

func (a *plainAdapter) FindUsers(ctx context.Context, agents []string) []crm.UserFound {
	founds := make([]crm.UserFound, len(agents))
	results, err := a.results(ctx, "find_user", api.Reads, plainSearch{Values: agents}, len(agents))
	for i := range founds {
		if founds[i].Err = err; err == nil {
			founds[i].UserID = results[i].ID
		}
	}
	return founds
}

func (a *plainAdapter) CreateContacts(ctx context.Context, calls []call.Call) []crm.Found {
	return a.createContacts(ctx, calls, func(call.Call) string { return "" })
}

// createContacts creates a contact for each call, with what is given as its transaction id.
func (a *plainAdapter) createContacts(ctx context.Context, calls []call.Call, of func(call.Call) string) []crm.Found {
	contacts := make([]plainRecord, len(calls))
	for i, c := range calls {
		contacts[i] = plainRecord{Object: "contact", TransactionID: of(c), Phone: c.Customer.String()}
	}
	founds := make([]crm.Found, len(calls))
	results, err := a.results(ctx, "create_contact", api.Creates, contacts, len(contacts))
	for i := range founds {
		if founds[i].Err = err; err == nil {
			founds[i].Records = []crm.Record{{Object: "contact", ID: results[i].ID, Phones: []string{contacts[i].Phone}}}
		}
	}
	return founds
}

func (a *plainAdapter) Write(ctx context.Context, writes []crm.Write) []crm.Written {
	written := make([]crm.Written, len(writes))
	for first := 0; first < len(writes); first += plainBatch {
		last := min(first+plainBatch, len(writes))
		a.writeBatch(ctx, writes[first:last], written[first:last])
	}
	return written
}

func (a *plainAdapter) writeBatch(ctx context.Context, writes []crm.Write, written []crm.Written) {
	effect := api.Changes
	logs := make([]crmtest.Log, len(writes))
	for i, w := range writes {
		c := w.Call
		logs[i] = crmtest.Log{
			ID: w.LogID, CallID: c.ID, Owner: w.Owner, RecordingURL: c.RecordingURL, Direction: string(c.Direction),
			Result: string(c.Result), Start: c.Start, Seconds: c.Talk.N, Title: "Call",
		}
		if w.Record != nil {
			logs[i].RecordID = w.Record.ID
		}
		if w.LogID == "" {
			effect = api.Creates
		}
	}
	results, err := a.results(ctx, "write", effect, logs, len(logs))
	for i := range written {
		switch {
		case err != nil:
			written[i].Err = err
		case results[i].Gone:
			written[i].Err = crm.Errorf(crm.KindGone, "update call log", "there is none")
		case results[i].Error != "":
			written[i].Err = crm.Errorf(crm.KindInvalid, "create call log", "%s", results[i].Error)
		default:
			written[i].LogID = results[i].ID
		}
	}
}
