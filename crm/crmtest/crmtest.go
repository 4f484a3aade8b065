package crmtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/call"
)

// Harness brings an adapter together with a fake of its CRM.
type Harness struct {
	// New returns the adapter for the CRM at an address. Its own timeout should be a minute or more: the suite ends
	// requests that hang by itself. Numbers are those of region VN.
	New func(t *testing.T, baseURL string) crm.Adapter
	// CRM returns a fake that holds nothing.
	CRM func(t *testing.T) CRM
	// Secrets are texts of the adapter's configuration that no error may show.
	Secrets []string
	// Exempt tells requests that no fault is meant for, those for a token; nil: none.
	Exempt func(*http.Request) bool
	// MissingLogID is the id of a call log that is not there, in the vendor's form. Empty: a number of 18 digits.
	MissingLogID string
	// Login is the name of an agent as the adapter looks users up. Empty: "an.nguyen@example.com".
	Login string
	// Lagging returns a fake of which the search does not show what is written before catchUp is called; nil: the CRM's
	// search does not lag.
	Lagging func(t *testing.T) (fake CRM, catchUp func())
	// Refusals are the vendor's own forms of errors. One of kind KindInvalid for Create is required.
	Refusals []Refusal
}

// Step is what an adapter is asked for when an answer goes wrong.
type Step string

// The steps.
const (
	Find   Step = "find"
	Create Step = "create"
	Update Step = "update"
)

// Refusal is an answer in the vendor's form, and what it must be taken for.
type Refusal struct {
	Name   string
	Step   Step
	Answer Answer
	Kind   crm.Kind
	// RetryAfter is what the error must say, to the second.
	RetryAfter time.Duration
}

// The call centre's data in the suite. All of it must stay out of errors.
const (
	phone        = "+84912345678"
	national     = "0912345678"
	recordingURL = "https://recordings.example.com/secret-recording.mp3?signature=c0ffee"
)

// Run tests an adapter. Each test has its own fake.
func Run(t *testing.T, h Harness) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, *setup){
		"Traits": testTraits, "Empty": testEmpty, "FindNone": testFindNone, "FindOne": testFindOne,
		"FindMany": testFindMany, "FindByPhone": testFindByPhone, "FindBatch": testFindBatch,
		"Create": testCreate, "CreateUnlinked": testUnlinked, "WriteTwice": testWriteTwice,
		"LateRecording": testLateRecording, "UpdateGone": testUpdateGone, "FindLogs": testFindLogs,
		"PartialFailure": testPartialFailure, "Concurrent": testConcurrent,
		"Refusals": testRefusals, "RetryAfter": testRetryAfter, "StopsWhenThrottled": testStopsWhenThrottled,
		"Redirect": testRedirect, "BrokenFind": testBrokenFind, "LostCreate": testLostCreate,
		"Units": testUnits, "UpdateRunning": testUpdateRunning, "EachItsOwn": testEachItsOwn, "BadCall": testBadCall,
		"FindUsers": testFindUsers, "CreateContacts": testCreateContacts, "LaggingSearch": testLaggingSearch, "Hold": testHold, "HoldEnds": testHoldEnds,
		"Cancel": testCancel, "Unreachable": testUnreachable,
	} {
		t.Run(name, func(t *testing.T) {
			test(t, newSetup(t, h))
		})
	}
}

// setup is what each test has.
type setup struct {
	Harness

	server  *Server
	crm     CRM
	adapter crm.Adapter

	mu   sync.Mutex
	logs int
}

// newSetup returns a fake that holds nothing, with an adapter for it.
func newSetup(t *testing.T, h Harness) *setup {
	t.Helper()
	return newSetupOf(t, h, h.CRM(t))
}

// newSetupOf returns a fake with an adapter for it.
func newSetupOf(t *testing.T, h Harness, fake CRM) *setup {
	t.Helper()
	server := NewServer(t, fake)
	server.exempt = h.Exempt
	return &setup{Harness: h, server: server, crm: fake, adapter: h.New(t, server.URL)}
}

// another returns the same fake with an adapter that knows nothing of what was before.
func (s *setup) another(t *testing.T) *setup {
	t.Helper()
	return &setup{Harness: s.Harness, server: s.server, crm: s.crm, adapter: s.New(t, s.server.URL)}
}

func (s *setup) object(t *testing.T) string {
	t.Helper()
	objects := s.adapter.Traits().Objects
	if len(objects) == 0 {
		t.Skip("the CRM matches by itself")
	}
	return objects[0]
}

// call returns an answered call that ended.
func (s *setup) call() call.Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logs++
	start := time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC).Add(time.Duration(s.logs) * time.Minute)
	return call.Call{
		ID: fmt.Sprintf("call-%04d", s.logs), TransactionID: "T-1001", Direction: call.Inbound, State: call.Ended,
		Result: call.ResultAnswered, Status: "answered", Customer: call.ParseNumber(national, "VN"), Hotline: "19001000",
		Extension: "101", Agent: "an.nguyen", Start: start, Answer: start.Add(10 * time.Second),
		End: start.Add(100 * time.Second), HangupBy: "customer", Total: call.KnownSeconds(100),
		Talk: call.KnownSeconds(90),
	}
}

// find looks one value up.
func (s *setup) find(t *testing.T, l crm.Lookup) crm.Found {
	t.Helper()
	found := s.adapter.Find(t.Context(), []crm.Lookup{l})
	require.Len(t, found, 1)
	s.clean(t, found[0].Err)
	return found[0]
}

// write writes one call log.
func (s *setup) write(ctx context.Context, t *testing.T, w crm.Write) crm.Written {
	t.Helper()
	written := s.adapter.Write(ctx, []crm.Write{w})
	require.Len(t, written, 1)
	s.clean(t, written[0].Err)
	return written[0]
}

// created writes a new call log and returns its id.
func (s *setup) created(t *testing.T, w crm.Write) string {
	t.Helper()
	written := s.write(t.Context(), t, w)
	require.NoError(t, written.Err)
	require.NotEmpty(t, written.LogID)
	return written.LogID
}

// owner returns the id of a user. A fake that makes none takes any.
func (s *setup) owner() string {
	if vendor, makes := s.crm.(Vendor); makes {
		return vendor.AddUser(s.login())
	}
	return "7"
}

func (s *setup) login() string { return cmp.Or(s.Login, "an.nguyen@example.com") }

// missingLog returns the id of a call log that is not there.
func (s *setup) missingLog() string { return cmp.Or(s.MissingLogID, "987654321987654321") }

// linked returns a write that is linked to a new record and has an owner.
func (s *setup) linked(t *testing.T) crm.Write {
	t.Helper()
	w := crm.Write{Call: s.call(), Owner: s.owner()}
	if objects := s.adapter.Traits().Objects; len(objects) > 0 {
		w.Record = &crm.Record{Object: objects[0], ID: s.crm.AddRecord(objects[0], w.Call.TransactionID, phone)}
	}
	return w
}

// kind asserts that err is a crm.Error of a kind.
func (s *setup) kind(t *testing.T, want crm.Kind, err error) {
	t.Helper()
	require.Error(t, err)
	e, ok := errors.AsType[*crm.Error](err)
	require.True(t, ok, "not classified: %v", err)
	require.Equal(t, want.String(), e.Kind.String(), "%v", err)
	require.NotEmpty(t, e.Op)
	s.clean(t, err)
}

// clean asserts that an error shows nothing that must not be seen.
func (s *setup) clean(t *testing.T, err error) {
	t.Helper()
	for ; err != nil; err = errors.Unwrap(err) {
		text := err.Error()
		address, parseErr := url.Parse(s.server.URL)
		require.NoError(t, parseErr)
		secrets := append([]string{address.Host, "://", "secret-recording", national[1:], phone}, s.Secrets...)
		for _, secret := range secrets {
			require.NotContains(t, text, secret)
		}
		require.Equal(t, strings.ToValidUTF8(text, ""), text)
		require.LessOrEqual(t, len([]rune(text)), 500)
	}
}
