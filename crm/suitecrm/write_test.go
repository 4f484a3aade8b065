package suitecrm_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/crmtest"
	"github.com/crmsyncd/crmsyncd/crm/suitecrm"
	"github.com/crmsyncd/crmsyncd/crm/suitecrm/suitecrmtest"
)

func oneAtATime(cfg *suitecrm.Config, _ *api.Options) { cfg.Concurrency = 1 }

// TestOneLogHoweverOften: whatever gets lost, and without any memory, a call stands there once.
func TestOneLogHoweverOften(t *testing.T) {
	b := newBench(t, suitecrmtest.Options{})
	w := crm.Write{Call: endedCall("call-1")}
	for range 3 {
		b.server.Inject(crmtest.Lose())
		kind(t, crm.KindTransient, b.Write(t.Context(), []crm.Write{w})[0].Err)
	}
	b.server.Inject(nil)
	w.Call.RecordingURL = recordingURL
	after := b.write(t, w)
	require.Len(t, b.crm.Logs(), 1)
	require.Equal(t, suitecrm.LogID("call-1"), after.LogID)
	require.Equal(t, recordingURL, b.crm.Logs()[0].RecordingURL, "the later write counts")
}

func TestADeletedCallIsNotWrittenAgain(t *testing.T) {
	b := newBench(t, suitecrmtest.Options{})
	w := b.write(t, crm.Write{Call: endedCall("call-1")})
	b.crm.Delete("Calls", w.LogID)
	w.Call.RecordingURL = recordingURL
	kind(t, crm.KindGone, b.Write(t.Context(), []crm.Write{w})[0].Err)

	w.LogID = "" // as the Syncer goes on
	err := b.Write(t.Context(), []crm.Write{w})[0].Err
	kind(t, crm.KindInvalid, err)
	require.ErrorContains(t, err, "somebody deleted the call")
}

func TestPeoplesWordsStay(t *testing.T) {
	for name, test := range map[string]struct {
		edit map[string]any
		kept map[string]any
	}{
		"nothing": {},
		"the description": {
			map[string]any{"description": "Wants a quote & a call back"},
			map[string]any{"description": "Wants a quote & a call back"},
		},
		"subject and status": {
			map[string]any{"name": "Quote", "status": "Not Held"}, map[string]any{"name": "Quote", "status": "Not Held"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, suitecrmtest.Options{}, func(cfg *suitecrm.Config, _ *api.Options) {
				cfg.Text.Title = `{{.Result}} "{{.Customer}}"{{with .RecordingURL}} & recorded{{end}}`
			})
			w := b.write(t, crm.Write{Call: endedCall("call-1")})
			b.crm.Edit("Calls", w.LogID, test.edit)
			w.Call.RecordingURL = recordingURL
			w = b.write(t, w)
			values := b.crm.Values("Calls", w.LogID)
			require.Equal(t, recordingURL, values["recording_url_c"])
			for field, value := range test.kept {
				require.Equal(t, value, values[field])
			}
			if test.kept["description"] == nil {
				require.Contains(t, values["description"], recordingURL)
			}
			if test.kept["name"] == nil {
				require.Contains(t, values["name"], "& recorded")
			}
			before := b.crm.Requests()["write"]
			b.write(t, w)
			require.LessOrEqual(t, b.crm.Requests()["write"], before+len(test.kept), "nothing new is not written")
		})
	}
}

// TestAnUpdateWhoseAnswerGotLost leaves words of ours, not of people.
func TestAnUpdateWhoseAnswerGotLost(t *testing.T) {
	b := newBench(t, suitecrmtest.Options{})
	running := endedCall("call-1")
	running.State, running.Talk, running.Total = call.Answered, call.Seconds{}, call.Seconds{}
	w := b.write(t, crm.Write{Call: running})
	w.Call = endedCall("call-1")
	var patches atomic.Int32
	b.server.Inject(loseThe(&patches, "PATCH"))
	lost := b.Write(t.Context(), []crm.Write{w})[0]
	b.server.Inject(nil)
	kind(t, crm.KindTransient, lost.Err)
	w.LogID, w.Progress = lost.LogID, lost.Progress
	w.Call.RecordingURL = recordingURL
	b.write(t, w)
	require.Equal(t, int32(1), patches.Load())
	require.Contains(t, b.crm.Logs()[0].Text, recordingURL)
}

// TestAnUpdateThatFailedIsSentAgain, with all that it said, however often it failed.
func TestAnUpdateThatFailedIsSentAgain(t *testing.T) {
	for failures := range 4 {
		b := newBench(t, suitecrmtest.Options{})
		w := b.write(t, crm.Write{Call: endedCall("call-1")})
		w.Call.RecordingURL = recordingURL
		w.Call.Talk = call.KnownSeconds(601)
		b.server.Inject(func(rw http.ResponseWriter, r *http.Request, fake http.Handler) {
			if r.Method == http.MethodPatch {
				rw.WriteHeader(http.StatusBadGateway)
				return
			}
			fake.ServeHTTP(rw, r)
		})
		for range failures {
			failed := b.Write(t.Context(), []crm.Write{w})[0]
			kind(t, crm.KindTransient, failed.Err)
			w.LogID, w.Progress = failed.LogID, failed.Progress
		}
		b.server.Inject(nil)
		b.write(t, w)
		log := b.crm.Logs()[0]
		require.Equal(t, recordingURL, log.RecordingURL, "after %d failures", failures)
		require.Contains(t, log.Text, recordingURL)
		require.EqualValues(t, 11, b.crm.Values("Calls", w.LogID)["duration_minutes"], "after %d failures", failures)
	}
}

func TestTitleIsCutByCharacters(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		title := rapid.StringOfN(rapid.SampledFrom([]rune("aàậ đỹ&'<")), 1, 90, -1).Draw(rt, "title")
		b := newBench(t, suitecrmtest.Options{}, func(cfg *suitecrm.Config, _ *api.Options) {
			cfg.Text.Title = strings.ReplaceAll(title, "{", "") + "{{.Result}}"
		})
		b.write(t, crm.Write{Call: endedCall("call-1")})
		require.LessOrEqual(t, utf8.RuneCountInString(b.crm.Logs()[0].Title), 50)
		require.NotEmpty(t, b.crm.Logs()[0].Title)
	})
}

func TestDurationInHoursAndMinutes(t *testing.T) {
	for seconds, want := range map[int64]string{0: "0:00", 1: "0:01", 60: "0:01", 61: "0:02", 3600: "1:00", 7384: "2:04"} {
		b := newBench(t, suitecrmtest.Options{})
		c := endedCall("call-1")
		c.Talk = call.KnownSeconds(seconds)
		w := b.write(t, crm.Write{Call: c})
		v := b.crm.Values("Calls", w.LogID)
		require.Equal(t, want, fmt.Sprintf("%v:%02v", v["duration_hours"], v["duration_minutes"]))
	}
}

func TestPeopleOfTheCall(t *testing.T) {
	for module, person := range map[string]string{"Contacts": "contact_id", "Leads": "lead_id", "Accounts": ""} {
		b := newBench(t, suitecrmtest.Options{})
		id := b.crm.AddRecord(module, "T-1", "")
		w := b.write(t, crm.Write{Call: endedCall("call-1"), Record: &crm.Record{Object: module, ID: id}})
		values := b.crm.Values("Calls", w.LogID)
		require.Equal(t, []any{module, id}, []any{values["parent_type"], values["parent_id"]})
		if person != "" {
			require.Equal(t, id, values[person])
		}
	}
}

func TestDryRunChangesNothing(t *testing.T) {
	dry := &api.DryRun{}
	b := newBench(t, suitecrmtest.Options{}, func(_ *suitecrm.Config, o *api.Options) { o.DryRun = dry })
	w := b.write(t, crm.Write{Call: endedCall("call-1")})
	require.Equal(t, suitecrm.LogID("call-1"), w.LogID)
	require.Empty(t, b.crm.Logs())
	require.Len(t, dry.Requests(), 1)
	require.Equal(t, "create_log", dry.Requests()[0].Operation)
}

// TestTokens: an hour later, or once they are forgotten, another one is fetched, and the password sent only if need be.
func TestTokens(t *testing.T) {
	now := time.Now()
	clock := func() time.Time { return now }
	b := newBench(t, suitecrmtest.Options{Now: clock, PasswordGrant: true}, withPassword,
		func(_ *suitecrm.Config, o *api.Options) { o.Now = clock })
	for i, then := range []func(){
		func() {}, func() { now = now.Add(2 * time.Hour) }, func() { b.crm.ForgetTokens(false) },
		func() { b.crm.ForgetTokens(true) }, func() { now = now.Add(60 * 24 * time.Hour) },
	} {
		then()
		b.write(t, crm.Write{Call: endedCall(fmt.Sprint("call-", i))})
	}
	require.Equal(t, 1+1+1+2+2, b.crm.Requests()["token"])
}

// TestWeather: calls are tried again until they are written, as the relay does, while answers get lost and servers fail.
func TestWeather(t *testing.T) {
	b := newBench(t, suitecrmtest.Options{})
	b.server.Endure(crmtest.Weather{Seed: 7, Lose: 0.3, Fail: 0.2, Exempt: isToken})
	left := make([]crm.Write, 80)
	for i := range left {
		left[i].Call = endedCall(fmt.Sprint("call-", i))
	}
	for round := 0; len(left) > 0; round++ {
		require.Less(t, round, 100, "it must come to an end")
		var again []crm.Write
		for i, written := range b.Write(t.Context(), left) {
			if written.Err != nil {
				kind(t, crm.KindTransient, written.Err)
				again = append(again, left[i])
			}
		}
		left = again
	}
	require.Positive(t, b.server.Counts().Lost)
	seen := map[string]bool{}
	for _, log := range b.crm.Logs() {
		require.False(t, seen[log.CallID], "%s is there twice", log.CallID)
		seen[log.CallID] = true
	}
	require.Len(t, seen, 80)
}
