package odoo_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/crmtest"
	"github.com/crmsyncd/crmsyncd/crm/odoo"
	"github.com/crmsyncd/crmsyncd/crm/odoo/odootest"
)

const sunday = "No calls on Sunday"

// TestTheInnocentIsNotBlamed: load puts the error of all records at the first of them.
func TestTheInnocentIsNotBlamed(t *testing.T) {
	b := newBench(t, odootest.Options{})
	b.crm.Refuse("call-0057", sunday)
	for i, w := range b.Write(t.Context(), many(100)) {
		if i == 57 {
			require.Equal(t, "invalid", kindOf(w.Err))
			require.ErrorContains(t, w.Err, sunday)
			continue
		}
		require.NoError(t, w.Err, "%d", i)
	}
	require.Len(t, b.crm.Logs(), 99)
	require.Equal(t, 4, b.crm.Requests()["write"], "all, those that nobody blames, the first alone, the bad one alone")
}

// TestManyBadCalls: load stops after ten errors and says nothing of the rest.
func TestManyBadCalls(t *testing.T) {
	b := newBench(t, odootest.Options{})
	for i := range 30 {
		b.crm.Refuse(fmt.Sprintf("call-%04d", i*2), sunday)
	}
	for i, w := range b.Write(t.Context(), many(60)) {
		require.Equal(t, i%2 == 0, w.Err != nil, "%d: %v", i, w.Err)
	}
	require.Len(t, b.crm.Logs(), 30)
}

// TestNobodyIsNamed: where Odoo refuses all without a word on which, halves are tried.
func TestNobodyIsNamed(t *testing.T) {
	b := newBench(t, odootest.Options{})
	b.server.Inject(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if body := peek(t, r); strings.Contains(body, "call-0005") {
			crmtest.Say(odootest.Refusal(422, "odoo.exceptions.ValidationError", sunday))(w, r, next)
			return
		}
		next.ServeHTTP(w, r)
	})
	for i, w := range b.Write(t.Context(), many(16)) {
		require.Equal(t, i == 5, w.Err != nil, "%d: %v", i, w.Err)
	}
	require.Len(t, b.crm.Logs(), 15)
}

// TestCollisionParksNoCall: load tells in the words of a bad record that two transactions met.
func TestCollisionParksNoCall(t *testing.T) {
	b := newBench(t, odootest.Options{})
	b.crm.Collide(1)
	for _, w := range b.Write(t.Context(), many(5)) {
		require.Equal(t, "transient", kindOf(w.Err))
	}
	require.Empty(t, b.crm.Logs())
	for _, w := range b.Write(t.Context(), many(5)) {
		require.NoError(t, w.Err)
	}
}

// TestNoRightParksNoCall: load catches that the user lacks a right and says it of every record.
func TestNoRightParksNoCall(t *testing.T) {
	b := newBench(t, odootest.Options{Denied: []string{"crm.phonecall create"}})
	for _, w := range b.Write(t.Context(), many(50)) {
		require.Equal(t, "forbidden", kindOf(w.Err))
	}
	require.Equal(t, 1, b.crm.Requests()["write"])
}

func TestThrottledAmongSuspects(t *testing.T) {
	b := newBench(t, odootest.Options{})
	b.crm.Refuse("call-0003", sunday)
	loads := 0
	b.server.Inject(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if strings.HasSuffix(r.URL.Path, "/load") {
			if loads++; loads == 3 {
				crmtest.Say(odootest.Throttled(3600e9))(w, r, next)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
	kinds := map[string]int{}
	for _, w := range b.Write(t.Context(), many(10)) {
		kinds[kindOf(w.Err)]++
	}
	require.Equal(t, map[string]int{"": 8, "throttled": 2}, kinds)
	require.Equal(t, 3, loads)
}

// TestRequestsOfABatch: calls with a contact, with a lead and with none share one request.
func TestRequestsOfABatch(t *testing.T) {
	b := newBench(t, odootest.Options{})
	writes := many(90)
	partner, lead := b.crm.AddRecord("res.partner", "", ""), b.crm.AddRecord("crm.lead", "", "")
	user := b.crm.AddUser("an.nguyen")
	for i := range writes {
		writes[i].Owner = user
		switch i % 3 {
		case 0:
			writes[i].Record = &crm.Record{Object: "res.partner", ID: partner}
		case 1:
			writes[i].Record = &crm.Record{Object: "crm.lead", ID: lead}
			writes[i].Call = missed(writes[i].Call.ID)
		}
	}
	written := b.Write(t.Context(), writes)
	require.Equal(t, 1, b.crm.Requests()["write"])
	for i, log := range b.crm.Logs() {
		require.Equal(t, written[i].LogID, log.ID)
		require.Equal(t, []string{partner, lead, ""}[i%3], log.RecordID)
	}
	require.Nil(t, b.crm.Value("crm.phonecall", written[0].LogID, "opportunity_id"))
}

func TestWordsOfPeopleStay(t *testing.T) {
	b := newBench(t, odootest.Options{})
	notes := func(id string) any { return b.crm.Value("crm.phonecall", id, "description") }
	w := b.write(t, crm.Write{Call: running()})
	w.Call = ended("call-1")
	b.crm.Set("crm.phonecall", w.LogID, "description", "Wants a quote by Friday")
	title := b.crm.Value("crm.phonecall", w.LogID, "name")
	w = b.write(t, w)
	require.Equal(t, "Wants a quote by Friday", notes(w.LogID))
	require.NotEqual(t, title, b.crm.Value("crm.phonecall", w.LogID, "name"), "nobody wrote there")

	b.crm.Set("crm.phonecall", w.LogID, "description", nil)
	w.Call.Hotline = "19002000"
	w = b.write(t, w)
	require.Contains(t, notes(w.LogID), "19002000", "what is empty may be filled")
	before := b.crm.Requests()
	w = b.write(t, w)
	require.Equal(t, before["find_log"], b.crm.Requests()["find_log"], "nothing to say, nothing to read")
}

// TestWordsAfterALostAnswer: what was written without an answer are our words, too.
func TestWordsAfterALostAnswer(t *testing.T) {
	b := newBench(t, odootest.Options{})
	w := b.write(t, crm.Write{Call: running()})
	w.Call = ended("call-1")
	b.server.Inject(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		if strings.HasSuffix(r.URL.Path, "/load") {
			crmtest.Lose()(rw, r, next)
		}
		next.ServeHTTP(rw, r)
	})
	lost := b.Write(t.Context(), []crm.Write{w})[0]
	require.Equal(t, "transient", kindOf(lost.Err))
	w.Progress = lost.Progress
	require.Equal(t, lost.Progress, b.Write(t.Context(), []crm.Write{w})[0].Progress, "it does not grow with attempts")
	require.Equal(t, w.LogID, lost.LogID)
	b.server.Inject(nil)
	w.Progress, w.Call.Hotline = lost.Progress, "19002000"
	w = b.write(t, w)
	require.Contains(t, b.crm.Value("crm.phonecall", w.LogID, "description"), "19002000")
}

// TestLinksOfPeopleStay: record and user are written when they change on our side only.
func TestLinksOfPeopleStay(t *testing.T) {
	b := newBench(t, odootest.Options{})
	partner, lead := b.crm.AddRecord("res.partner", "", ""), b.crm.AddRecord("crm.lead", "", "")
	an, binh := b.crm.AddUser("an"), b.crm.AddUser("binh")
	w := b.write(t, crm.Write{Call: running(), Owner: an, Record: &crm.Record{Object: "res.partner", ID: partner}})
	b.crm.Set("crm.phonecall", w.LogID, "opportunity_id", int64(7))
	b.crm.Set("crm.phonecall", w.LogID, "user_id", int64(8))
	w.Call = ended("call-1")
	w = b.write(t, w)
	require.Equal(t, int64(7), b.crm.Value("crm.phonecall", w.LogID, "opportunity_id"))
	require.Equal(t, int64(8), b.crm.Value("crm.phonecall", w.LogID, "user_id"))

	w.Owner, w.Record = binh, &crm.Record{Object: "crm.lead", ID: lead}
	w = b.write(t, w)
	require.Equal(t, binh, b.crm.Logs()[0].Owner)
	require.Equal(t, lead, b.crm.Logs()[0].RecordID)
	require.Nil(t, b.crm.Value("crm.phonecall", w.LogID, "partner_id"))
}

func TestIDsThatAreNone(t *testing.T) {
	b := newBench(t, odootest.Options{})
	for name, test := range map[string]struct {
		write crm.Write
		kind  string
	}{
		"log":           {crm.Write{LogID: "987654321987654321"}, "gone"},
		"record":        {crm.Write{Record: &crm.Record{Object: "res.partner", ID: "x"}}, "gone"},
		"record is out": {crm.Write{Record: &crm.Record{Object: "res.partner", ID: "9999"}}, "gone"},
		"user":          {crm.Write{Owner: "an.nguyen"}, "invalid"},
		"user is out":   {crm.Write{Owner: "9999"}, "invalid"},
	} {
		test.write.Call = ended("bad")
		written := b.Write(t.Context(), append(many(2), test.write))
		require.NoError(t, written[0].Err, name)
		require.Equal(t, test.kind, kindOf(written[2].Err), "%s: %v", name, written[2].Err)
		require.Equal(t, test.write.LogID, written[2].LogID)
	}
	require.Len(t, b.crm.Logs(), 2)
}

func TestExternalIDs(t *testing.T) {
	b := newBench(t, odootest.Options{})
	ids := []string{"1.2", "1_2", "cuộc gọi 1", strings.Repeat("9", 65), "20240113ABC-7", "a b", "a\nb"}
	writes := make([]crm.Write, len(ids))
	for i, id := range ids {
		writes[i].Call = ended(id)
	}
	for range 2 {
		for _, w := range b.Write(t.Context(), writes) {
			require.NoError(t, w.Err)
		}
	}
	require.Len(t, b.crm.Logs(), len(ids))
	for _, id := range b.crm.External() {
		require.Regexp(t, `^crmsyncd\.(call|hash)_[A-Za-z0-9_-]+$`, id)
	}
	require.Contains(t, b.crm.External(), "crmsyncd.call_20240113ABC-7")
}

// TestModelsThatLackFields: what may be missing is left out, and the recording is not lost.
func TestModelsThatLackFields(t *testing.T) {
	b := newBench(t, odootest.Options{Bare: true, OldPhonecall: true})
	c := ended("call-1")
	c.RecordingURL = "https://media.example.com/a.mp3"
	w := b.write(t, crm.Write{Call: c})
	log := b.crm.Logs()[0]
	require.Equal(t, c.RecordingURL, log.RecordingURL)
	require.Contains(t, log.Text, c.RecordingURL)

	w.Call.RecordingURL = ""
	w = b.write(t, w)
	w.Call.RecordingURL = c.RecordingURL
	b.write(t, w)
	require.Equal(t, c.RecordingURL, b.crm.Logs()[0].RecordingURL)
}

func TestHTMLDescription(t *testing.T) {
	b := newBench(t, odootest.Options{HTML: true, Bare: true})
	c := ended("call-1")
	c.RecordingURL = "https://media.example.com/a.mp3"
	b.write(t, crm.Write{Call: c})
	require.Contains(t, b.crm.Logs()[0].Text, `<a href="https://media.example.com/a.mp3"`)
}

func TestMissingColumnPausesAll(t *testing.T) {
	for name, o := range map[string]odootest.Options{"json2": {}, "jsonrpc": {Version: "15.0"}} {
		b := newBench(t, o, func(cfg *odoo.Config) { cfg.Text.Fields = map[string]string{"x_hotline": "{{.Hotline}}"} })
		written := b.Write(t.Context(), many(3))
		for _, w := range written {
			require.Equal(t, "unauthorized", kindOf(w.Err), name)
			require.ErrorContains(t, w.Err, "crmsyncd check")
		}
	}
}

func TestStrangeAnswersAreNoSuccess(t *testing.T) {
	for _, body := range []string{
		`{}`, `null`, `[]`, `{"ids":[]}`, `{"ids":false}`, `{"ids":[1,2]}`, `{"ids":["1"]}`, `{"ids":[0]}`, `{"ids":[1.5]}`,
		`{"ids":[-1],"messages":[]}`, `{"ids":{"0":1}}`,
	} {
		b := newBench(t, odootest.Options{})
		b.write(t, crm.Write{Call: ended("first")})
		b.server.Inject(crmtest.Say(says(body)))
		written := b.Write(t.Context(), many(1))[0]
		require.Equal(t, "transient", kindOf(written.Err), body)
		require.Empty(t, written.LogID)
	}
}

func TestDryRunWritesNothing(t *testing.T) {
	for _, version := range []string{"19.0", "17.0"} {
		fake := odootest.New(odootest.Options{Version: version})
		dry := &api.DryRun{}
		a := newAdapter(t, configuration(crmtest.NewServer(t, fake).URL), func(o *api.Options) { o.DryRun = dry })
		for _, w := range a.Write(t.Context(), many(3)) {
			require.NoError(t, w.Err)
		}
		require.NoError(t, a.CreateContacts(t.Context(), []call.Call{ended("a")})[0].Err)
		require.Len(t, dry.Requests(), 2)
		require.NotContains(t, fmt.Sprint(dry.Requests()), odootest.APIKey)
		require.Empty(t, fake.Logs())
	}
}
