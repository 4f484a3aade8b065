package crm

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
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

// slowFinder answers when it is let go, and not at all for who goes away before.
type slowFinder struct {
	letGo chan struct{}
	asked atomic.Int64
}

func (s *slowFinder) FindUsers(ctx context.Context, agents []string) []UserFound {
	s.asked.Add(int64(len(agents)))
	founds := make([]UserFound, len(agents))
	for i, name := range agents {
		founds[i].UserID = "u-" + name
	}
	select {
	case <-s.letGo:
	case <-ctx.Done():
		for i := range founds {
			founds[i] = UserFound{Err: ctx.Err()}
		}
	}
	return founds
}

// TestBatchesShareALookUp: a name is asked for once, however many batches want it, and again if who asked goes away.
func TestBatchesShareALookUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		finder := &slowFinder{letGo: make(chan struct{})}
		a := newAgents(AgentOptions{CacheFor: time.Hour}, finder)
		leading, leave := context.WithCancel(t.Context())
		var workers sync.WaitGroup
		workers.Go(func() { require.Error(t, a.owners(leading, memoryStart, []call.Call{{Agent: "an"}})[0].Err) })
		synctest.Wait()
		for range 8 {
			workers.Go(func() {
				owner := a.owners(t.Context(), memoryStart, []call.Call{{Agent: "An"}})[0]
				require.NoError(t, owner.Err)
				require.Equal(t, "u-An", owner.UserID)
			})
		}
		impatient, stop := context.WithCancel(t.Context())
		workers.Go(func() {
			require.ErrorIs(t, a.owners(impatient, memoryStart, []call.Call{{Agent: "an"}})[0].Err, context.Canceled)
		})
		synctest.Wait()
		require.EqualValues(t, 1, finder.asked.Load())
		stop()
		synctest.Wait()
		leave()
		synctest.Wait()
		require.EqualValues(t, 2, finder.asked.Load(), "one of the others asks")
		close(finder.letGo)
		workers.Wait()
		require.EqualValues(t, 2, finder.asked.Load())
		require.Empty(t, a.asked)
	})
}

func TestEndlessNamesAreNotRemembered(t *testing.T) {
	a := newAgents(AgentOptions{CacheFor: time.Hour}, &knowing{})
	name := strings.Repeat("x", maxNameBytes+1)
	require.Equal(t, "u-"+name, a.owners(t.Context(), memoryStart, []call.Call{{Agent: name}})[0].UserID)
	require.Empty(t, a.users)
}
