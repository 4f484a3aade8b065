package crm

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm/call"
)

// What is remembered of agents is bounded; how, only the inside shows.

// knowing is a UserFinder that knows everybody and counts whom it was asked for.
type knowing struct{ asked int }

func (k *knowing) FindUsers(_ context.Context, agents []string) []UserFound {
	k.asked += len(agents)
	founds := make([]UserFound, len(agents))
	for i, name := range agents {
		founds[i].UserID = "u-" + name
	}
	return founds
}

func TestMemoryOfUsersIsBounded(t *testing.T) {
	finder := &knowing{}
	a := newAgents(AgentOptions{CacheFor: time.Hour}, finder)
	calls := make([]call.Call, maxUsers+50)
	for i := range calls {
		calls[i].Agent = fmt.Sprintf("agent%d", i)
	}
	for range 2 {
		for i, owner := range a.owners(t.Context(), memoryStart, calls) {
			require.Equal(t, "u-"+calls[i].Agent, owner.UserID)
		}
		require.Len(t, a.users, maxUsers)
	}
	require.Equal(t, len(calls)+50, finder.asked, "only those that gave way are asked for again")
}

func TestEndlessNamesAreNotRemembered(t *testing.T) {
	a := newAgents(AgentOptions{CacheFor: time.Hour}, &knowing{})
	name := strings.Repeat("x", maxNameBytes+1)
	require.Equal(t, "u-"+name, a.owners(t.Context(), memoryStart, []call.Call{{Agent: name}})[0].UserID)
	require.Empty(t, a.users)
}
