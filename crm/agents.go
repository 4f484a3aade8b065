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
	asked map[string]*userQuestion
}

// user is what the CRM answered for a name; an empty id: there is none.
type user struct {
	id    string
	until time.Time
}

// userQuestion is a name that the CRM is being asked for. It is answered when done is closed.
type userQuestion struct {
	done  chan struct{}
	found UserFound
	// dropped: who asked went away without an answer.
	dropped bool
}

// newAgents returns agents for the options; finder may be nil.
func newAgents(o AgentOptions, finder UserFinder) *agents {
	a := &agents{
		byName: make(map[string]string, len(o.Map)), fallback: o.Default, finder: finder, cacheFor: o.CacheFor,
		users: make(map[string]user), asked: make(map[string]*userQuestion),
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

// owners returns the user for each call: by the map, else as the CRM says, else the default. It asks the CRM once, for
// all names that it does not remember; for those that another batch is asking for it waits instead.
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
	for len(names) > 0 {
		ask, others := a.claim(now, names, known)
		if len(ask) > 0 {
			a.ask(ctx, now, ask, known)
		}
		names = await(ctx, others, known)
	}
	return known
}

// claim fills in what is remembered and parts the other names into those to ask for, which are the caller's now, and
// those that are being asked for.
func (a *agents) claim(now time.Time, names []string, known map[string]UserFound,
) (ask []string, others map[string]*userQuestion) {
	others = make(map[string]*userQuestion)
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, name := range names {
		key := folded(name)
		if _, seen := known[key]; seen {
			continue
		}
		held, found := a.users[key]
		known[key] = UserFound{UserID: held.id}
		switch {
		case found && now.Before(held.until):
		case a.asked[key] != nil:
			others[name] = a.asked[key]
		default:
			a.asked[key] = &userQuestion{done: make(chan struct{})}
			ask = append(ask, name)
		}
	}
	return ask, others
}

// ask asks the CRM for claimed names and tells all who wait for them, also where the adapter panics.
func (a *agents) ask(ctx context.Context, now time.Time, names []string, known map[string]UserFound) {
	answered := false
	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		for _, name := range names {
			key := folded(name)
			q := a.asked[key]
			delete(a.asked, key)
			q.found, q.dropped = known[key], !answered || known[key].Err != nil && ctx.Err() != nil
			if q.found.Err == nil && answered {
				a.remember(key, q.found.UserID, now)
			}
			close(q.done)
		}
	}()
	results := a.finder.FindUsers(ctx, names)
	miscount := countMismatch("find user", len(results), len(names))
	for i, name := range names {
		if known[folded(name)] = (UserFound{Err: miscount}); miscount == nil {
			known[folded(name)] = results[i]
		}
	}
	answered = true
}

// await waits for what others ask for and returns the names that are still to be asked for.
func await(ctx context.Context, others map[string]*userQuestion, known map[string]UserFound) (again []string) {
	for name, q := range others {
		select {
		case <-q.done:
			if known[folded(name)] = q.found; q.dropped {
				delete(known, folded(name))
				again = append(again, name)
			}
		case <-ctx.Done():
			known[folded(name)] = UserFound{Err: &Error{Kind: KindTransient, Op: "find user", Err: context.Cause(ctx)}}
		}
	}
	return again
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
