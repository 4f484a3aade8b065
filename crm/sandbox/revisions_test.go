package sandbox_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crmsyncd/crmsyncd/crm/sandbox"
)

func TestRevisions(t *testing.T) {
	clock := newClock()
	c := start(t, sandbox.Options{Now: clock.read})
	c.want(t, 201, "POST", callsPath, `{"call_id":"1","status":"started","campaign":"a"}`)
	clock.advance(time.Second)
	c.want(t, 200, "PATCH", callsPath+"/cl_000001", `{"status":"ended","talk_seconds":4,"campaign":"b"}`)
	c.want(t, 200, "PATCH", callsPath+"/cl_000001", `{"status":"ended"}`)
	clock.advance(time.Second)
	c.want(t, 200, "PATCH", callsPath+"/cl_000001", `{"talk_seconds":null}`)
	r := c.want(t, 200, "GET", callsPath+"/cl_000001/revisions", "")
	require.JSONEq(t, `{"total":3,"data":[
		{"revision":1,"at":"2026-11-22T07:30:00Z","fields":["call_id","custom.campaign","status"],"changes":{
			"call_id":{"from":null,"to":"1"},"custom.campaign":{"from":null,"to":"a"},"status":{"from":null,"to":"started"}}},
		{"revision":2,"at":"2026-11-22T07:30:01Z","fields":["custom.campaign","status","talk_seconds"],"changes":{
			"custom.campaign":{"from":"a","to":"b"},"status":{"from":"started","to":"ended"},
			"talk_seconds":{"from":null,"to":4}}},
		{"revision":3,"at":"2026-11-22T07:30:02Z","fields":["talk_seconds"],"changes":{
			"talk_seconds":{"from":4,"to":null}}}]}`, r.text)
	require.Len(t, c.Revisions("cl_000001"), 3)
	require.Empty(t, c.Revisions("cl_000002"))
}

func TestRevisionsAreBounded(t *testing.T) {
	c := start(t, sandbox.Options{})
	c.want(t, 201, "POST", callsPath, `{"call_id":"1"}`)
	for i := range 150 {
		c.want(t, 200, "PATCH", callsPath+"/cl_000001", fmt.Sprintf(`{"note":"%d"}`, i))
	}
	history := c.Revisions("cl_000001")
	require.Len(t, history, 100)
	require.Equal(t, 52, history[0].Number)
	require.Equal(t, sandbox.Change{From: "49", To: "50"}, history[0].Changes["note"], "compared with the one dropped")
	require.Equal(t, 151, history[99].Number)
}

// Whatever is written in whatever order: there is one log for each call id, its revisions count up without a gap, and
// played one after the other they lead to the log as it stands.
func TestRevisionsLeadToTheLog(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := sandbox.New(sandbox.Options{Now: newClock().read})
		_, err := s.AddContact(sandbox.Contact{})
		require.NoError(t, err)
		ids := map[string]string{}
		for range rapid.IntRange(1, 30).Draw(t, "writes") {
			callID := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "call id")
			fields := map[string]any{"call_id": callID}
			for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom(
				[]string{"status", "note", "contact_id", "extra"}), rapid.ID).Draw(t, "fields") {
				fields[name] = rapid.SampledFrom([]any{"x", "y", nil}).Draw(t, name)
			}
			if fields["contact_id"] != nil {
				fields["contact_id"] = "ct_000001"
			}
			body, err := json.Marshal(fields)
			require.NoError(t, err)
			method, path, want := "POST", callsPath, 201
			if id, exists := ids[callID]; exists {
				method, path, want = "PATCH", callsPath+"/"+id, 200
			}
			recorder := httptest.NewRecorder()
			request := httptest.NewRequest(method, path, strings.NewReader(string(body)))
			request.Header.Set("Content-Type", "application/json")
			s.ServeHTTP(recorder, request)
			require.Equal(t, want, recorder.Code, recorder.Body)
			var answer struct{ Data sandbox.Call }
			require.NoError(t, json.Unmarshal(recorder.Body.Bytes(), &answer))
			ids[callID] = answer.Data.ID
		}
		require.Len(t, s.Calls(), len(ids))
		unlinked := 0
		for _, log := range s.Calls() {
			if log.ContactID == "" {
				unlinked++
			}
			state := map[string]any{}
			history := s.Revisions(log.ID)
			for i, step := range history {
				require.Equal(t, i+1, step.Number)
				require.NotEmpty(t, step.Fields)
				for name, change := range step.Changes {
					require.Equal(t, state[name], change.From)
					state[name] = change.To
				}
			}
			require.Len(t, history, log.Revision)
			for name, value := range map[string]string{
				"call_id": log.CallID, "status": log.Status, "note": log.Note, "contact_id": log.ContactID,
			} {
				stands, _ := state[name].(string)
				require.Equal(t, value, stands, name)
			}
			require.Equal(t, log.Custom["extra"], state["custom.extra"])
		}
		require.Equal(t, unlinked, s.Stats().Unlinked)
	})
}

// A number is found by each of its spellings, and by no other number's.
func TestSpellingsOfANumberAreEqual(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.StringMatching(`[35789][0-9]{8}`)
		mine, other := number.Draw(t, "mine"), number.Draw(t, "other")
		spell := rapid.SampledFrom([]string{"0%s", "84%s", "+84%s", "0084%s", "+84 (0) %s", "+84-%s", " 0%s "})
		spelled := func(n, label string) string {
			n = n[:3] + rapid.SampledFrom([]string{"", " ", ".", "-"}).Draw(t, "separator") + n[3:]
			return fmt.Sprintf(spell.Draw(t, label), n)
		}
		s := sandbox.New(sandbox.Options{})
		_, err := s.AddContact(sandbox.Contact{Phone: spelled(mine, "stored")})
		require.NoError(t, err)
		find := func(phone string) float64 {
			request := httptest.NewRequest("GET", contactsPath, nil)
			request.URL.RawQuery = "phone=" + strings.NewReplacer("+", "%2B", " ", "%20").Replace(phone)
			recorder := httptest.NewRecorder()
			s.ServeHTTP(recorder, request)
			var answer struct{ Total float64 }
			require.NoError(t, json.Unmarshal(recorder.Body.Bytes(), &answer))
			return answer.Total
		}
		require.InDelta(t, 1, find(spelled(mine, "asked")), 0)
		if mine != other {
			require.InDelta(t, 0, find(spelled(other, "asked for another")), 0)
		}
	})
}
