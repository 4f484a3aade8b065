package crm

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/crmsyncd/crmsyncd/crm/call"
)

// Policy says what becomes of a call for which no record was found within MatchOptions.Wait.
type Policy string

// The policies.
const (
	// PolicyPark sets the call aside for an operator, with the reason "unmatched".
	PolicyPark Policy = "park"
	// PolicyCreate creates a record for the caller. A caller without a number is parked all the same.
	PolicyCreate Policy = "create"
	// PolicyUnlinked writes the call log without a record.
	PolicyUnlinked Policy = "unlinked"
)

// WriteWhen says how far a call must have got before it is written.
type WriteWhen string

// The times to write.
const (
	// WriteLive writes a call as soon as it is heard of and updates it from then on.
	WriteLive WriteWhen = "live"
	// WriteEnded waits for the end of the call.
	WriteEnded WriteWhen = "ended"
	// WriteComplete waits for the end and, when the call was answered, for its recording.
	WriteComplete WriteWhen = "complete"
)

// writeTimes lists the times to write, the earliest first.
var writeTimes = []WriteWhen{WriteLive, WriteEnded, WriteComplete}

// latest returns the later of two times to write; an empty one is the earliest.
func latest(a, b WriteWhen) WriteWhen {
	return writeTimes[max(slices.Index(writeTimes, a), slices.Index(writeTimes, b), 0)]
}

// writeWhen returns the earliest time at which the CRM can take a call.
func (t Traits) writeWhen() WriteWhen {
	if t.Immutable {
		return WriteComplete
	}
	return latest(t.WriteWhen, WriteLive)
}

// Options are what a Syncer is made from.
type Options struct {
	// Adapter speaks to the CRM. Required. Without Traits.Upsert it must be a LogFinder as well, or exactly one log per
	// call could not be kept.
	Adapter Adapter
	// Decode reads the body of a message. Required. The text of its errors is shown to operators: no numbers in it.
	Decode func(body []byte) (call.Event, error)
	// Region is the one in which numbers without a country code are read (ISO 3166, "VN"). Required.
	Region string
	Match  MatchOptions
	Agents AgentOptions
	Memory MemoryOptions
	// Write is when a call is written; empty: WriteLive. Where the CRM cannot take a call that early (Traits.WriteWhen,
	// Traits.Immutable) it is written when it can.
	Write WriteWhen
	// EndWait bounds how long a call waits for its end, counted from its oldest message that is not delivered yet; then
	// what is known is written. 0: it does not wait.
	EndWait time.Duration
	// RecordingWait bounds how long a call waits for its recording, counted from the arrival of its end. 0: it does not
	// wait.
	RecordingWait time.Duration
	// Now is the clock. nil: time.Now.
	Now func() time.Time
	// Logger gets one line per call at level debug. nil: nothing is logged.
	Logger *slog.Logger
	// Observer is told what happened. nil: nobody is.
	Observer Observer
}

// MatchOptions say how the record of a call is found.
type MatchOptions struct {
	// Wait is how long a call for which nothing is found is looked up again before Unmatched applies: a record may be
	// created minutes after the call, and indexes lag. 0: no wait.
	Wait time.Duration
	// Phone allows matching by phone number alone, where the CRM can look numbers up.
	Phone bool
	// Unmatched is the policy for calls without a record; empty: PolicyPark.
	Unmatched Policy
}

// AgentOptions say how the CRM's user for an agent is found.
type AgentOptions struct {
	// Map names the CRM's user id for an agent's account name or extension. Case and surrounding space do not matter.
	Map map[string]string
	// Default is the user id for calls whose agent nobody knows; empty: the CRM's own default.
	Default string
	// CacheFor is how long a user that the CRM was asked for is remembered, an unknown one for a minute at most. 0: not
	// at all.
	CacheFor time.Duration
}

// MemoryOptions bound what a Syncer remembers of the CRM. The memory saves requests and bridges what lags; without it,
// after a start, calls are only slower.
type MemoryOptions struct {
	// Records is how long a record that was found is taken for the same transactionID and customer, or the same number,
	// without asking again. One that the CRM says is gone is forgotten at once. 0: two minutes.
	Records time.Duration
	// Misses is how long a look-up that found nothing is not repeated for calls that would wait for their record anyway;
	// shorter than the shortest such wait, five seconds. 0: two seconds.
	Misses time.Duration
	// Written is how long a call log or record that this process made is known although neither the outbox nor the CRM's
	// search may show it: longer than search indexes lag and than a failed settle is tried again. 0: an hour.
	Written time.Duration
	// Entries is how many calls, look-ups and made records are remembered, each; those not used for longest give way.
	// 0: 20,000.
	Entries int
}

// The defaults of MemoryOptions.
const (
	defaultRecords = 2 * time.Minute
	defaultMisses  = 2 * time.Second
	defaultWritten = time.Hour
	defaultEntries = 20_000
)

// Observer is told what a Syncer did. Its methods are called from several goroutines and must not block.
type Observer interface {
	// Matched: a call's record was decided on. The method is transaction_id, phone, receipt (decided earlier), created
	// or none; the outcome one, many (nothing was chosen) or none. A call that waits for its record is not decided.
	Matched(method, outcome string)
	// Synced: a call became visible in the CRM (kind first_visible) or ended with its recording there or without an
	// answer (kind complete). Each is told once per call. sinceEvent runs from the arrival of the first message of the
	// call or, for complete, of the last one.
	Synced(kind string, sinceEvent time.Duration)
	// AgentUnmapped: a call that names an agent was written without an owner.
	AgentUnmapped()
}

// silent is the Observer of those who gave none.
type silent struct{}

func (silent) Matched(string, string)       {}
func (silent) Synced(string, time.Duration) {}
func (silent) AgentUnmapped()               {}

// withDefaults returns the options with all that may be left out filled in.
func (o Options) withDefaults() Options {
	o.Match.Unmatched = cmp.Or(o.Match.Unmatched, PolicyPark)
	o.Write = cmp.Or(o.Write, WriteLive)
	o.Memory.Records = cmp.Or(o.Memory.Records, defaultRecords)
	o.Memory.Misses = cmp.Or(o.Memory.Misses, defaultMisses)
	o.Memory.Written = cmp.Or(o.Memory.Written, defaultWritten)
	o.Memory.Entries = cmp.Or(o.Memory.Entries, defaultEntries)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Observer == nil {
		o.Observer = silent{}
	}
	return o
}

// validate returns all that is wrong with the options, nil when they are fine.
func (o Options) validate() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if o.Decode == nil {
		wrong("decoder is missing")
	}
	if o.Region == "" {
		wrong("region of phone numbers is missing")
	}
	if policies := []Policy{PolicyPark, PolicyCreate, PolicyUnlinked}; !slices.Contains(policies, o.Match.Unmatched) {
		wrong("policy for unmatched calls is %q, it must be one of %q", o.Match.Unmatched, policies)
	}
	if !slices.Contains(writeTimes, o.Write) {
		wrong("time to write is %q, it must be one of %q", o.Write, writeTimes)
	}
	if shortest := min(o.Match.Wait, o.EndWait, o.RecordingWait, o.Agents.CacheFor, o.Memory.Records, o.Memory.Misses,
		o.Memory.Written); shortest < 0 {
		wrong("a time to wait or to remember is negative: %s", shortest)
	}
	if o.Memory.Misses >= shortestLook {
		wrong("look-ups that found nothing are remembered for %s, it must be less than %s", o.Memory.Misses, shortestLook)
	}
	if o.Memory.Entries < 0 {
		wrong("number of entries to remember is negative: %d", o.Memory.Entries)
	}
	if o.Adapter == nil {
		return errors.Join(append(errs, errors.New("adapter is missing"))...)
	}
	return errors.Join(append(errs, o.validateAdapter()...)...)
}

// validateAdapter returns what the adapter lacks for the options.
func (o Options) validateAdapter() []error {
	var errs []error
	traits := o.Adapter.Traits()
	if len(traits.Objects) == 0 && !traits.MatchesItself {
		errs = append(errs, fmt.Errorf("%s names no objects to search", traits.Name))
	}
	if _, finds := o.Adapter.(LogFinder); !finds && !traits.Upsert {
		errs = append(errs, fmt.Errorf("%s neither has an upsert key nor finds call logs: no promise of one log per call",
			traits.Name))
	}
	if traits.WriteWhen != "" && !slices.Contains(writeTimes, traits.WriteWhen) {
		errs = append(errs, fmt.Errorf("%s says that a call can be written at %q, it must be one of %q", traits.Name,
			traits.WriteWhen, writeTimes))
	}
	if o.Match.Unmatched != PolicyCreate || traits.MatchesItself {
		return errs
	}
	if _, creates := o.Adapter.(ContactCreator); !creates {
		errs = append(errs, fmt.Errorf("%s cannot create a record for an unmatched call, choose another policy",
			traits.Name))
	}
	if !o.Match.Phone || !traits.ByPhone {
		errs = append(errs, errors.New("creating records for unmatched calls needs matching by phone, or every call of "+
			"a caller would create another one"))
	}
	return errs
}
