package crmtest_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/crmtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// harness returns a harness of the plain CRM.
func harness(newAdapter func(t *testing.T, baseURL string) crm.Adapter) crmtest.Harness {
	return crmtest.Harness{
		New: newAdapter, CRM: func(*testing.T) crmtest.CRM { return newPlainCRM() }, Secrets: []string{canary},
		Lagging: func(*testing.T) (crmtest.CRM, func()) { return lagging() },
		Refusals: []crmtest.Refusal{
			{Name: "bad data", Step: crmtest.Create, Answer: crmtest.Answer{Status: 422}, Kind: crm.KindInvalid},
			{Name: "wrong key", Step: crmtest.Find, Answer: crmtest.Answer{Status: 401}, Kind: crm.KindUnauthorized},
			{
				Name: "too many", Step: crmtest.Find, Kind: crm.KindThrottled, RetryAfter: time.Minute,
				Answer: crmtest.Answer{Status: 429, Header: http.Header{"Retry-After": {"60"}}},
			},
		},
	}
}

func TestAdapterWithoutFlawPasses(t *testing.T) {
	crmtest.Run(t, harness(func(t *testing.T, baseURL string) crm.Adapter {
		t.Helper()
		return newPlainAdapter(t, baseURL)
	}))
}

// flawed is an adapter with a flaw in what goes in or what comes out; nil: none.
type flawed struct {
	*plainAdapter
	in     func([]crm.Write) []crm.Write
	out    func([]crm.Written) []crm.Written
	err    func(error) error
	found  func([]crm.Found) []crm.Found
	anew   func() *plainAdapter
	traits func(crm.Traits) crm.Traits
	// carried returns what a created contact carries as its transaction id.
	carried func(call.Call) string
}

// each returns a change of each write of a list that leaves the list of the caller alone.
func each(change func(*crm.Write)) func([]crm.Write) []crm.Write {
	return func(writes []crm.Write) []crm.Write {
		writes = slices.Clone(writes)
		for i := range writes {
			change(&writes[i])
		}
		return writes
	}
}

func (f flawed) Traits() crm.Traits {
	if f.traits != nil {
		return f.traits(f.plainAdapter.Traits())
	}
	return f.plainAdapter.Traits()
}

func (f flawed) Write(ctx context.Context, writes []crm.Write) []crm.Written {
	if f.in != nil {
		writes = f.in(writes)
	}
	adapter := f.plainAdapter
	if f.anew != nil {
		adapter = f.anew()
	}
	written := adapter.Write(ctx, writes)
	for i := range written {
		if f.err != nil && written[i].Err != nil {
			written[i].Err = f.err(written[i].Err)
		}
	}
	if f.out != nil {
		written = f.out(written)
	}
	return written
}

func (f flawed) CreateContacts(ctx context.Context, calls []call.Call) []crm.Found {
	if f.carried != nil {
		return f.createContacts(ctx, calls, f.carried)
	}
	return f.plainAdapter.CreateContacts(ctx, calls)
}

func (f flawed) Find(ctx context.Context, lookups []crm.Lookup) []crm.Found {
	founds := f.plainAdapter.Find(ctx, lookups)
	if f.found != nil {
		founds = f.found(founds)
	}
	return founds
}

// flaws are ways to get an adapter wrong, each with the test of the suite that must find it.
var flaws = map[string]struct {
	found string
	flaw  func(t *testing.T, baseURL string) flawed
}{
	"creates in place of updating": {"WriteTwice", plainly(flawed{in: each(func(w *crm.Write) { w.LogID = "" })})},
	"loses the owner":              {"Create", plainly(flawed{in: each(func(w *crm.Write) { w.Owner = "" })})},
	"loses the record":             {"Create", plainly(flawed{in: each(func(w *crm.Write) { w.Record = nil })})},
	"one owner for all": {"EachItsOwn", plainly(flawed{in: func(writes []crm.Write) []crm.Write {
		return each(func(w *crm.Write) { w.Owner = writes[0].Owner })(writes)
	}})},
	"loses the recording": {
		"LateRecording", plainly(flawed{in: each(func(w *crm.Write) { w.Call.RecordingURL = "" })}),
	},
	"another hour": {"Units", plainly(flawed{in: each(func(w *crm.Write) {
		w.Call.Start = w.Call.Start.Add(7 * time.Hour)
	})})},
	"milliseconds": {"Units", plainly(flawed{in: each(func(w *crm.Write) {
		w.Call.Talk.N *= 1000
	})})},
	"all calls inbound": {"Units", plainly(flawed{in: each(func(w *crm.Write) { w.Call.Direction = call.Inbound })})},
	"a running call is missed": {"UpdateRunning", plainly(flawed{in: each(func(w *crm.Write) {
		if w.Call.State != call.Ended {
			w.Call.Result = call.ResultMissed
		}
	})})},
	"results in another order": {"EachItsOwn", plainly(flawed{out: func(written []crm.Written) []crm.Written {
		slices.Reverse(written)
		return written
	}})},
	"a result less": {"Create", plainly(flawed{out: func(written []crm.Written) []crm.Written {
		return written[:max(len(written)-1, 0)]
	}})},
	"one bad call fails all": {"BadCall", plainly(flawed{out: func(written []crm.Written) []crm.Written {
		for _, w := range written {
			if w.Err != nil {
				return slices.Repeat([]crm.Written{w}, len(written))
			}
		}
		return written
	}})},
	"keeps the CRM's words to itself": {"BadCall", plainly(flawed{err: func(err error) error {
		return crm.Errorf(crm.Classify(err).Kind, "write", "it failed")
	}})},
	"takes a lost answer for a failure": {"LostCreate", plainly(flawed{err: func(err error) error {
		return crm.Errorf(crm.KindTransient, "write", "%s", crm.Classify(err).Message)
	}})},
	"does not classify": {"Refusals", plainly(flawed{err: func(err error) error { return errors.New(err.Error()) }})},
	"tells a secret": {"Refusals", plainly(flawed{err: func(err error) error {
		return crm.Errorf(crm.Classify(err).Kind, "write", "%v with %s", err, canary)
	}})},
	"tells no time to wait": {"RetryAfter", plainly(flawed{err: func(err error) error {
		return crm.Errorf(crm.Classify(err).Kind, "write", "throttled")
	}})},
	"goes on when throttled": {"Hold", func(t *testing.T, baseURL string) flawed {
		t.Helper()
		return flawed{anew: func() *plainAdapter { return newPlainAdapter(t, baseURL) }}
	}},
	"finds whatever there is": {"FindMany", plainly(flawed{found: func(founds []crm.Found) []crm.Found {
		for i := range founds {
			founds[i].Records = slices.Repeat(founds[i].Records, 2)
		}
		return founds
	}})},
	"finds nothing": {"FindOne", plainly(flawed{found: func(founds []crm.Found) []crm.Found {
		return make([]crm.Found, len(founds))
	}})},
	"a created contact is the whole campaign's": {"CreateContacts", plainly(flawed{carried: func(c call.Call) string {
		return c.TransactionID
	}})},
	"promises an upsert": {"WriteTwice", plainly(flawed{traits: func(traits crm.Traits) crm.Traits {
		traits.Upsert = true
		return traits
	}})},
	"knows of no lag": {"LaggingSearch", plainly(flawed{traits: func(traits crm.Traits) crm.Traits {
		traits.SearchLag = 0
		return traits
	}})},
}

// plainly returns a flaw that needs nothing of its own.
func plainly(f flawed) func(*testing.T, string) flawed {
	return func(*testing.T, string) flawed { return f }
}

// flawVariable names the flaw with which a child process runs the suite.
const flawVariable = "CRMTEST_FLAW"

// TestChild is the suite with a flawed adapter. It fails, so it runs in processes of its own.
func TestChild(t *testing.T) {
	chosen, known := flaws[os.Getenv(flawVariable)]
	if !known {
		t.Skip("runs as a child of TestSuiteFindsFlaws only")
	}
	crmtest.Run(t, harness(func(t *testing.T, baseURL string) crm.Adapter {
		t.Helper()
		adapter := chosen.flaw(t, baseURL)
		adapter.plainAdapter = newPlainAdapter(t, baseURL)
		return adapter
	}))
}

func TestSuiteFindsFlaws(t *testing.T) {
	for name, flaw := range flaws {
		t.Run(name, func(t *testing.T) {
			child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$/^"+flaw.found+"$")
			child.Env = append(os.Environ(), flawVariable+"="+name)
			out, err := child.CombinedOutput()
			_, failed := errors.AsType[*exec.ExitError](err)
			require.True(t, failed, "the suite did not mind: %v\n%s", err, out)
			require.Contains(t, string(out), "--- FAIL: TestChild/"+flaw.found)
			require.NotContains(t, string(out), "panic:")
		})
	}
}
