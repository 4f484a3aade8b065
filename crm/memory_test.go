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

// What a Syncer remembers between deliveries is bounded; how, only the inside shows.

var memoryStart = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

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

func TestMemoryOfCreatedRecordsIsBounded(t *testing.T) {
	c := newContacts()
	create := func(number string, now time.Time) {
		known, busy := c.claim(number, now)
		require.Nil(t, known)
		require.False(t, busy)
		c.settle(number, &Record{Object: "contact", ID: number}, now)
	}
	for i := range maxContacts {
		at := memoryStart
		if i%2 == 0 {
			at = at.Add(time.Minute)
		}
		create(fmt.Sprint(i), at)
	}
	now := memoryStart.Add(createdFor)
	create("new", now)
	require.Len(t, c.created, maxContacts/2+1, "what has expired goes first")
	known, _ := c.claim("0", now)
	require.Equal(t, "0", known.ID)

	for i := range maxContacts + 10 {
		create(fmt.Sprint("more", i), now)
	}
	require.Len(t, c.created, maxContacts, "then anything")
}

func TestRecordsBeingCreatedAreNotForgotten(t *testing.T) {
	c := newContacts()
	for i := range maxContacts + 10 {
		c.claim(fmt.Sprint(i), memoryStart)
	}
	for i := range maxContacts + 10 {
		_, busy := c.claim(fmt.Sprint(i), memoryStart)
		require.True(t, busy)
	}
}

func TestFailedCreationIsNotRemembered(t *testing.T) {
	c := newContacts()
	c.claim("1", memoryStart)
	c.settle("1", nil, memoryStart)
	known, busy := c.claim("1", memoryStart)
	require.Nil(t, known)
	require.False(t, busy)
}

func TestRecordThatIsGoneIsForgotten(t *testing.T) {
	c := newContacts()
	for _, number := range []string{"1", "2"} {
		c.claim(number, memoryStart)
		c.settle(number, &Record{Object: "contact", ID: "id" + number}, memoryStart)
	}
	c.forget(Record{Object: "contact", ID: "id1"})
	known, busy := c.claim("1", memoryStart)
	require.Nil(t, known)
	require.False(t, busy)
	known, _ = c.claim("2", memoryStart)
	require.Equal(t, "id2", known.ID)
}
