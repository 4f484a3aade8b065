package pipedrive_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/crmtest"
	"github.com/crmsyncd/crmsyncd/crm/pipedrive"
	"github.com/crmsyncd/crmsyncd/crm/pipedrive/pipedrivetest"
)

// find looks one transaction id up.
func (b *bench) find(t *testing.T, object, transactionID string) crm.Found {
	t.Helper()
	return b.Find(t.Context(), []crm.Lookup{{Object: object, TransactionID: transactionID}})[0]
}

// TestRecordsAreReadAgain: what a search names may be gone, and what it does not show is read.
func TestRecordsAreReadAgain(t *testing.T) {
	b := newBench(t, pipedrivetest.Options{}, objects)
	for _, object := range []string{"person", "deal", "lead"} {
		gone := b.crm.AddRecord(object, "T-1", "+84987654321")
		there := b.crm.AddRecord(object, "T-1", "+84912345678")
		b.crm.Remove(object, gone)
		found := b.find(t, object, "T-1")
		require.NoError(t, found.Err)
		require.Equal(t, []crm.Record{{
			Object: object, ID: there, Owner: "1", TransactionID: "T-1", Phones: []string{"+84912345678"},
		}}, found.Records)
		require.Empty(t, b.find(t, object, "t-1").Records, "the case matters")
	}
}

// TestCampaign: a transaction id that many records share is one for the customer's number to choose.
func TestCampaign(t *testing.T) {
	b := newBench(t, pipedrivetest.Options{}, objects)
	for i := range 11 {
		b.crm.AddRecord("person", "T-many", fmt.Sprintf("+8491234567%d", i%10))
	}
	found := b.find(t, "person", "T-many")
	require.NoError(t, found.Err)
	require.True(t, found.Truncated)
}

// TestOneRecordCostsLittle: a name is resolved once, and a deal found alone needs no number.
func TestOneRecordCostsLittle(t *testing.T) {
	b := newBench(t, pipedrivetest.Options{}, func(cfg *pipedrive.Config, _ *api.Options) {
		cfg.Objects = []pipedrive.Object{{Name: "deal", TransactionID: "Transaction ID"}}
	})
	b.crm.AddRecord("deal", "T-1", "+84912345678")
	for range 3 {
		require.Len(t, b.find(t, "deal", "T-1").Records, 1)
	}
	require.Equal(t, map[string]int{"describe": 1, "find": 3, "read": 3}, b.crm.Requests())
}

func TestFieldOfAName(t *testing.T) {
	for name, test := range map[string]struct {
		set  func(*pipedrivetest.CRM)
		want string
	}{
		"none": {func(*pipedrivetest.CRM) {}, `there is no custom field "Campaign"`},
		"two": {func(fake *pipedrivetest.CRM) {
			fake.AddField("person", "Campaign", "varchar")
			fake.AddField("person", "campaign", "text")
		}, `2 custom fields have the name "Campaign"`},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, pipedrivetest.Options{}, func(cfg *pipedrive.Config, _ *api.Options) {
				cfg.Objects = []pipedrive.Object{{Name: "person", TransactionID: "Campaign"}}
			})
			test.set(b.crm)
			err := b.find(t, "person", "T-1").Err
			require.ErrorContains(t, err, test.want)
			require.Equal(t, crm.KindUnauthorized, crm.Classify(err).Kind)
		})
	}
}

// TestFormsOfFields: both forms in which the API reference shows hits are read, and numbers of a field of numbers.
func TestFormsOfFields(t *testing.T) {
	b := newBench(t, pipedrivetest.Options{}, objects)
	b.server.Inject(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		body := `{"success":true,"data":[{"result_score":1,"item":{"id":77}}],"additional_data":null}`
		if r.URL.Path == "/api/v2/deals/77" {
			body = `{"success":true,"data":{"id":77,"owner_id":null,"custom_fields":{"` + pipedrivetest.DealField + `":12345}}}`
		}
		crmtest.Say(crmtest.Answer{Status: 200, Body: body})(w, r, next)
	})
	found := b.find(t, "deal", "12345")
	require.NoError(t, found.Err)
	require.Equal(t, []crm.Record{{Object: "deal", ID: "77", TransactionID: "12345"}}, found.Records)
}

func TestFindUsers(t *testing.T) {
	b := newBench(t, pipedrivetest.Options{})
	id := b.crm.AddUser(login)
	require.Equal(t, []crm.UserFound{{UserID: id}, {}, {}},
		b.FindUsers(t.Context(), []string{" An.Nguyen@Example.com", "an.nguyen", ""}))
	require.Equal(t, map[string]int{"find_user": 1}, b.crm.Requests())

	b = newBench(t, pipedrivetest.Options{}, func(cfg *pipedrive.Config, _ *api.Options) {
		cfg.EmailDomain = "example.com"
	})
	id = b.crm.AddUser(login)
	require.Equal(t, []crm.UserFound{{UserID: id}, {UserID: id}, {}},
		b.FindUsers(t.Context(), []string{"an.nguyen", login, "101"}))
}

func TestOwnerMustBeANumber(t *testing.T) {
	b := newBench(t, pipedrivetest.Options{})
	written := b.Write(t.Context(), []crm.Write{{Call: endedCall("call-1"), Owner: login}})
	require.EqualError(t, written[0].Err,
		"create call log: the id of a user is a number, correct agents.map or agents.default (invalid)")
}

// TestFindLogsAmongMany: page after page, the newest first, until all are found; the ids of other calls that look alike
// are no hits.
func TestFindLogsAmongMany(t *testing.T) {
	clock := newClock()
	b := newBench(t, pipedrivetest.Options{Now: clock.Now}, func(cfg *pipedrive.Config, o *api.Options) {
		o.Now, cfg.Text.Language = clock.Now, "vi"
	})
	write := func(id string) string {
		return b.write(t, crm.Write{Call: endedCall(id)}).LogID
	}
	first := write("call-1")
	b.crm.Edit(first, func(note string) string { return "<p>Gọi lại!</p><p>" + note + "&nbsp;</p>" })
	for i := range 505 {
		write(fmt.Sprintf("call-1%03d", i))
	}
	asked := []call.Call{endedCall("call-1"), endedCall("call-"), {ID: "call-1000"}, {ID: "19001000"}}
	found := b.FindLogs(t.Context(), asked)
	require.Equal(t, crm.LogFound{LogID: first}, found[0])
	require.Equal(t, crm.LogFound{}, found[1])
	require.NotEmpty(t, found[2].LogID)
	require.Equal(t, crm.LogFound{}, found[3], "the hotline is no call id")
	require.Equal(t, 2, b.crm.Requests()["find_log"])

	clock.move(24 * time.Hour)
	later := endedCall("call-1")
	later.Start, later.Answer, later.End = clock.Now(), clock.Now(), clock.Now()
	require.Equal(t, crm.LogFound{}, b.FindLogs(t.Context(), []call.Call{later})[0], "it was made before the call")
}

// TestFindLogsIsBounded: when not all could be looked at, nobody may think that there is none.
func TestFindLogsIsBounded(t *testing.T) {
	b := newBench(t, pipedrivetest.Options{})
	b.server.Inject(crmtest.Say(crmtest.Answer{
		Status: 200, Body: `{"success":true,"data":[{"id":5,"note":null}],"additional_data":{"next_cursor":"on"}}`,
	}))
	found := b.FindLogs(t.Context(), []call.Call{endedCall("call-1")})
	require.ErrorContains(t, found[0].Err, "whether one of them is its log is not known")
	require.Equal(t, 20, b.server.Requests())
}

// TestOwnTemplates: call id and link stand in the note whatever the template says.
func TestOwnTemplates(t *testing.T) {
	b := newBench(t, pipedrivetest.Options{}, func(cfg *pipedrive.Config, _ *api.Options) {
		cfg.Text.Body = "{{.Result}}"
	})
	w := b.write(t, b.linked(recorded(endedCall("call <1>"), recordingURL)))
	log := b.crm.Logs()[0]
	require.Equal(t, "call <1>", log.CallID)
	require.Equal(t, recordingURL, log.RecordingURL)
	require.Equal(t, crm.LogFound{LogID: w.LogID}, b.FindLogs(t.Context(), []call.Call{w.Call})[0])
	c := recorded(endedCall("call-2"), "bare-file.mp3")
	b.write(t, b.linked(c))
	require.Contains(t, b.crm.Logs()[1].Text, "<br>bare-file.mp3<br>", "what is no address is no link")
}
