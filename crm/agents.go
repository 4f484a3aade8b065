package crm

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/crmsyncd/crmsyncd/crm/call"
)

// Bounds of the memory of users. An agent whom the CRM does not know yet is asked for again soon: that is how an
// operator mends it.
const (
	unknownUserFor = time.Minute
	maxUsers       = 10_000
	maxNameBytes   = 256
)

// findOwners finds the CRM's users for the agents of the calls.
func (b *batch) findOwners(ctx context.Context) {
	open := b.open()
	for i, found := range b.agents.owners(ctx, b.options.Now(), calls(open)) {
		d := open[i]
		if found.Err != nil {
			b.fail(ctx, d, found.Err)
			continue
		}
		d.owner = found.UserID
		if d.owner == "" && len(agentNames(d.call)) > 0 {
			b.options.Observer.AgentUnmapped()
		}
	}
}

// agents knows which user of the CRM an agent is. Safe for concurrent use.
type agents struct {
	byName   map[string]string
	fallback string
	finder   UserFinder
	cacheFor time.Duration

	mu    sync.Mutex
	users map[string]user
}

// user is what the CRM answered for a name; an empty id: there is none.
type user struct {
	id    string
	until time.Time
}

// newAgents returns agents for the options; finder may be nil.
func newAgents(o AgentOptions, finder UserFinder) *agents {
	a := &agents{
		byName: make(map[string]string, len(o.Map)), fallback: o.Default, finder: finder, cacheFor: o.CacheFor,
		users: make(map[string]user),
	}
	for name, id := range o.Map {
		a.byName[folded(name)] = id
	}
	return a
}

// folded returns a name as it is compared.
func folded(name string) string { return strings.ToLower(strings.TrimSpace(name)) }

// agentNames returns the names by which a call tells its agent, the best first.
func agentNames(c call.Call) []string {
	var names []string
	for _, name := range []string{c.Agent, c.Extension} {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// owners returns the user for each call: by the map, else as the CRM says, else the default. It asks the CRM once at
// most, for all names that it does not remember.
func (a *agents) owners(ctx context.Context, now time.Time, calls []call.Call) []UserFound {
	var names []string
	if a.finder != nil {
		for _, c := range calls {
			if _, mapped := a.mapped(c); !mapped {
				names = append(names, agentNames(c)...)
			}
		}
	}
	known := a.find(ctx, now, names)
	owners := make([]UserFound, len(calls))
	for i, c := range calls {
		owners[i] = a.owner(c, known)
	}
	return owners
}

// owner decides on one call.
func (a *agents) owner(c call.Call, known map[string]UserFound) UserFound {
	if id, mapped := a.mapped(c); mapped {
		return UserFound{UserID: id}
	}
	for _, name := range agentNames(c) {
		if found := known[folded(name)]; found.Err != nil || found.UserID != "" {
			return found
		}
	}
	return UserFound{UserID: a.fallback}
}

// mapped returns the user that the configuration names for the agent of a call.
func (a *agents) mapped(c call.Call) (id string, mapped bool) {
	for _, name := range agentNames(c) {
		if id := a.byName[folded(name)]; id != "" {
			return id, true
		}
	}
	return "", false
}

// find returns what is known of the names, by folded name, and asks the CRM for the rest.
func (a *agents) find(ctx context.Context, now time.Time, names []string) map[string]UserFound {
	known := make(map[string]UserFound, len(names))
	var ask []string
	a.mu.Lock()
	for _, name := range names {
		if _, seen := known[folded(name)]; seen {
			continue
		}
		held, found := a.users[folded(name)]
		known[folded(name)] = UserFound{UserID: held.id}
		if !found || !now.Before(held.until) {
			ask = append(ask, name)
		}
	}
	a.mu.Unlock()
	if len(ask) == 0 {
		return known
	}
	results := a.finder.FindUsers(ctx, ask)
	miscount := countMismatch("find user", len(results), len(ask))
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, name := range ask {
		if miscount != nil {
			known[folded(name)] = UserFound{Err: miscount}
			continue
		}
		known[folded(name)] = results[i]
		if results[i].Err == nil {
			a.remember(folded(name), results[i].UserID, now)
		}
	}
	return known
}

// remember keeps an answer of the CRM. The caller holds the lock.
func (a *agents) remember(name, id string, now time.Time) {
	if len(name) > maxNameBytes {
		return
	}
	for known := range a.users {
		if len(a.users) < maxUsers {
			break
		}
		delete(a.users, known)
	}
	keep := a.cacheFor
	if id == "" {
		keep = min(keep, unknownUserFor)
	}
	a.users[name] = user{id: id, until: now.Add(keep)}
}
