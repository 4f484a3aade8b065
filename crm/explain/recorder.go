package explain

import (
	"context"
	"time"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/call"
)

// assumedID is the id of the record and of the user that are assumed offline.
const assumedID = "1"

// recorder stands between a Syncer and an adapter and keeps what is asked and answered. The Syncer asks one thing after
// the other. It offers what an adapter may offer; that the adapter itself does is checked before.
type recorder struct {
	crm.Adapter

	offline bool
	found   []foundFor
	users   []userFor
	logs    []logFor
	written []writtenFor
	// method and outcome are what the Syncer decided on the record.
	method, outcome string
}

type (
	foundFor struct {
		lookup  crm.Lookup
		found   crm.Found
		assumed bool
		// made: it was not looked up, a record was made.
		made bool
	}
	userFor struct {
		agent   string
		found   crm.UserFound
		assumed bool
	}
	logFor struct {
		found   crm.LogFound
		assumed bool
	}
	writtenFor struct {
		write   crm.Write
		written crm.Written
	}
)

var (
	_ crm.LogFinder      = (*recorder)(nil)
	_ crm.UserFinder     = (*recorder)(nil)
	_ crm.ContactCreator = (*recorder)(nil)
	_ crm.Observer       = (*recorder)(nil)
)

// reset forgets what was kept.
func (r *recorder) reset() { *r = recorder{Adapter: r.Adapter, offline: r.offline} }

// Find asks the adapter; offline the first look-up finds one record.
func (r *recorder) Find(ctx context.Context, lookups []crm.Lookup) []crm.Found {
	var founds []crm.Found
	if !r.offline {
		founds = r.Adapter.Find(ctx, lookups)
	} else {
		for _, l := range lookups {
			founds = append(founds, crm.Found{Records: []crm.Record{{
				Object: l.Object, ID: assumedID, TransactionID: l.TransactionID,
			}}})
		}
	}
	for i, l := range lookups[:min(len(lookups), len(founds))] {
		r.found = append(r.found, foundFor{lookup: l, found: founds[i], assumed: r.offline})
	}
	return founds
}

// FindLogs asks the adapter; offline there are none.
func (r *recorder) FindLogs(ctx context.Context, calls []call.Call) []crm.LogFound {
	founds := make([]crm.LogFound, len(calls))
	if finder, finds := r.Adapter.(crm.LogFinder); finds && !r.offline {
		founds = finder.FindLogs(ctx, calls)
	}
	for _, found := range founds {
		r.logs = append(r.logs, logFor{found, r.offline})
	}
	return founds
}

// FindUsers asks the adapter; offline everybody is one user. An adapter that cannot look users up finds none.
func (r *recorder) FindUsers(ctx context.Context, agents []string) []crm.UserFound {
	finder, finds := r.Adapter.(crm.UserFinder)
	if !finds {
		return make([]crm.UserFound, len(agents))
	}
	var founds []crm.UserFound
	if !r.offline {
		founds = finder.FindUsers(ctx, agents)
	} else {
		for range agents {
			founds = append(founds, crm.UserFound{UserID: assumedID})
		}
	}
	for i, agent := range agents[:min(len(agents), len(founds))] {
		r.users = append(r.users, userFor{agent, founds[i], r.offline})
	}
	return founds
}

// CreateContacts lets the adapter record what it would send.
func (r *recorder) CreateContacts(ctx context.Context, calls []call.Call) []crm.Found {
	founds := r.Adapter.(crm.ContactCreator).CreateContacts(ctx, calls)
	for i, c := range calls[:min(len(calls), len(founds))] {
		r.found = append(r.found, foundFor{lookup: crm.Lookup{Phone: c.Customer}, found: founds[i], made: true})
	}
	return founds
}

// Write lets the adapter record what it would send.
func (r *recorder) Write(ctx context.Context, writes []crm.Write) []crm.Written {
	written := r.Adapter.Write(ctx, writes)
	for i, w := range writes[:min(len(writes), len(written))] {
		r.written = append(r.written, writtenFor{w, written[i]})
	}
	return written
}

// Matched is told what was decided on the record.
func (r *recorder) Matched(method, outcome string) { r.method, r.outcome = method, outcome }

// Synced is of no interest.
func (r *recorder) Synced(string, time.Duration) {}

// AgentUnmapped is of no interest: the write shows it.
func (r *recorder) AgentUnmapped() {}
