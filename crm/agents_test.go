package crm_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/outbox"
)

// by returns an entry of a call that an agent had.
func by(t *testing.T, id, agent, extension string) outbox.Entry {
	t.Helper()
	event := ended(id, "T1", phoneA)
	event.Agent, event.Extension = agent, extension
	return entry(t, event)
}

// newAgentBench returns a bench on which every call finds its record.
func newAgentBench(t *testing.T, agents crm.AgentOptions) *bench {
	t.Helper()
	return newBench(t, func(f *fakeCRM, o *crm.Options) {
		f.contact("1", "T1", phoneA)
		f.users = map[string]string{"admin1": "u1", "888": "u8"}
		o.Agents = agents
	})
}

func TestOwner(t *testing.T) {
	byName := map[string]string{" Admin2 ": "u2", "777": "u7", "nobody": ""}
	for name, test := range map[string]struct {
		agent, extension, fallback string
		owner                      string
		unmapped                   int
		asked                      []string
	}{
		"by map":                          {agent: "admin2", owner: "u2"},
		"by map, case and space":          {agent: " ADMIN2", owner: "u2"},
		"by map, extension":               {agent: "admin1", extension: "777", owner: "u7"},
		"by map, name before extension":   {agent: "admin2", extension: "777", owner: "u2"},
		"by look-up":                      {agent: "admin1", owner: "u1", asked: []string{"admin1"}},
		"by look-up, extension":           {agent: "ghost", extension: "888", owner: "u8", asked: []string{"ghost", "888"}},
		"by look-up, name first":          {agent: "admin1", extension: "888", owner: "u1", asked: []string{"admin1", "888"}},
		"an empty user is no user":        {agent: "nobody", fallback: "u0", owner: "u0", asked: []string{"nobody"}},
		"default":                         {agent: "ghost", fallback: "u0", owner: "u0", asked: []string{"ghost"}},
		"unmapped":                        {agent: "ghost", unmapped: 1, asked: []string{"ghost"}},
		"no agent":                        {},
		"no agent, default":               {fallback: "u0", owner: "u0"},
		"blank agent, extension only":     {agent: "  ", extension: "888", owner: "u8", asked: []string{"888"}},
		"extension and name are the same": {agent: "888", extension: "888", owner: "u8", asked: []string{"888"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newAgentBench(t, crm.AgentOptions{Map: byName, Default: test.fallback})
			require.Equal(t, outbox.Done, b.one(t, by(t, "c1", test.agent, test.extension)).Kind)
			require.Equal(t, test.owner, b.crm.logs[0].owner)
			require.Equal(t, test.unmapped, b.observer.unmapped)
			if test.asked == nil {
				require.Empty(t, b.crm.userSearches)
				return
			}
			require.Equal(t, [][]string{test.asked}, b.crm.userSearches)
		})
	}
}

func TestOwnerOfACRMWithoutUsers(t *testing.T) {
	fake := newFakeCRM()
	fake.traits.Upsert = true
	fake.contact("1", "T1")
	event := ended("c1", "T1", phoneA)
	event.Agent = "admin1"
	s, err := crm.NewSyncer(crm.Options{
		Adapter: onlyAdapter{fake}, Region: "VN", Decode: func([]byte) (call.Event, error) { return event, nil },
		Agents: crm.AgentOptions{Default: "u0"},
	})
	require.NoError(t, err)
	require.Equal(t, outbox.Done, s.Deliver(t.Context(), []outbox.Entry{entry(t, event)}, nil).Outcomes[0].Kind)
	require.Equal(t, "u0", fake.logs[0].owner)
}

func TestUsersAreRemembered(t *testing.T) {
	b := newAgentBench(t, crm.AgentOptions{CacheFor: 10 * time.Minute})
	asked := func() int { return len(b.crm.userSearches) }
	b.deliver(t, by(t, "c1", "admin1", ""), by(t, "c2", "Admin1", ""), by(t, "c3", "ghost", ""))
	require.Equal(t, [][]string{{"admin1", "ghost"}}, b.crm.userSearches, "each name once")

	b.now = start.Add(59 * time.Second)
	b.deliver(t, by(t, "c4", "ADMIN1", ""), by(t, "c5", "ghost", ""))
	require.Equal(t, 1, asked())
	b.now = start.Add(time.Minute)
	b.crm.users["ghost"] = "u9"
	b.deliver(t, by(t, "c6", "admin1", ""), by(t, "c7", "ghost", ""))
	require.Equal(t, [][]string{{"ghost"}}, b.crm.userSearches[1:], "an unknown one is asked for again soon")
	require.Equal(t, "u9", b.crm.logs[len(b.crm.logs)-1].owner)

	b.now = start.Add(10 * time.Minute)
	b.crm.users["admin1"] = "u5"
	b.deliver(t, by(t, "c8", "admin1", ""))
	require.Equal(t, 3, asked())
	require.Equal(t, "u5", b.crm.logs[len(b.crm.logs)-1].owner)
}

func TestFailedUserLookUpIsNoAnswer(t *testing.T) {
	b := newAgentBench(t, crm.AgentOptions{Default: "u0"})
	b.crm.onFindUsers = func(agents []string) []crm.UserFound {
		founds := make([]crm.UserFound, len(agents))
		for i, name := range agents {
			founds[i].UserID = b.crm.users[name]
			if name == "ghost" {
				founds[i] = crm.UserFound{Err: crm.Errorf(crm.KindTransient, "find user", "HTTP 503")}
			}
		}
		return founds
	}
	report := b.deliver(t, by(t, "c1", "ghost", "888"), by(t, "c2", "admin1", "ghost"))
	require.Equal(t, outbox.Failed, report.Outcomes[0].Kind, "neither the default nor the extension stands in")
	require.Contains(t, report.Outcomes[0].Error, "HTTP 503")
	require.False(t, report.Outcomes[0].Untouched)
	require.Equal(t, outbox.Done, report.Outcomes[1].Kind, "its agent was found, the extension is of no matter")
	require.Len(t, b.crm.logs, 1)

	b.crm.onFindUsers = nil
	b.crm.users["ghost"] = "u9"
	require.Equal(t, outbox.Done, b.one(t, by(t, "c1", "ghost", "888")).Kind, "the failure is not remembered")
	require.Equal(t, "u9", b.crm.logs[1].owner)
}

func TestOwnersOfConcurrentBatches(t *testing.T) {
	b := newAgentBench(t, crm.AgentOptions{})
	var entries [8]outbox.Entry
	for i := range entries {
		entries[i] = by(t, fmt.Sprintf("c%d", i), fmt.Sprintf("agent%d", i%3), "888")
	}
	var outcomes [8]outbox.Outcome
	var wg sync.WaitGroup
	for i := range entries {
		wg.Go(func() {
			outcomes[i] = b.syncer.Deliver(t.Context(), entries[i:i+1], b.checkpoint).Outcomes[0]
		})
	}
	wg.Wait()
	for i, o := range outcomes {
		require.Equal(t, outbox.Done, o.Kind, "entry %d", i)
		require.Equal(t, "u8", b.crm.logs[i].owner)
	}
}
