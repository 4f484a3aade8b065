package api

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/call"
)

// Search answers look-ups with few requests: those of one object and kind are asked together, each value once, as many
// as fit. What comes back is given to each look-up that it really carries the value of; whatever else a CRM returns is
// dropped. An answer that was cut off is asked for again in halves, and only a single value with more hits than fit is
// Truncated.
type Search struct {
	// MaxValues is how many values one request asks for, MaxSize how large they are together as Size says; 0: no bound.
	// Size nil: bytes.
	MaxValues, MaxSize int
	Size               func(value string) int
	// Concurrency is how many requests are under way at a time, at least 1.
	Concurrency int
	// Region is the one in which numbers without country code are read to compare them (ISO 3166).
	Region string
	// ByTransactionID and ByPhone ask for the records of an object that carry any of the values; each record says which
	// (TransactionID, Phones). nil: the CRM cannot, such look-ups find nothing.
	ByTransactionID, ByPhone Ask
	// Spellings are the forms in which a number is asked for. nil: E.164, national, digits and as received.
	Spellings func(call.Number) []string
	// Fold: upper and lower case of transaction ids are the same to the CRM.
	Fold bool
}

// Ask is one request for the records of an object. truncated: there are more hits than were returned.
type Ask = func(ctx context.Context, object string, values []string) (records []crm.Record, truncated bool, err error)

// group are the look-ups that are asked together: of one object and one kind.
type group struct {
	object  string
	byPhone bool
	ask     Ask
	// lookups are the places of the look-ups, values what is asked for, each once.
	lookups []int
	values  []string
}

// part is one request for some values of a group, and those that follow when its answer is cut off, with what came of
// them. The maps are by Search.key of a value.
type part struct {
	*group
	values    []string
	records   []crm.Record
	truncated map[string]bool
	failed    map[string]error
}

// Find returns one result for each look-up, in order. Where no answer is cut off it takes as few requests as the bounds
// allow.
func (s Search) Find(ctx context.Context, lookups []crm.Lookup) []crm.Found {
	groups := s.groups(lookups)
	var parts []*part
	for _, g := range groups {
		for _, values := range Chunks(g.values, s.MaxValues, s.MaxSize, s.size) {
			parts = append(parts, &part{group: g, values: values, truncated: map[string]bool{}, failed: map[string]error{}})
		}
	}
	errs := Each(len(parts), s.Concurrency, func(i int) error { return s.reap(ctx, parts[i], parts[i].values) })
	for i, p := range parts {
		if len(p.failed) == 0 && errs[i] != nil { // it was not begun
			s.fail(p, p.values, errs[i])
		}
	}
	found := make([]crm.Found, len(lookups))
	for _, g := range groups {
		s.deal(g, parts, lookups, found)
	}
	return found
}

// groups sorts the look-ups into groups, in order. Those for nothing, or for what the CRM cannot, are in none.
func (s Search) groups(lookups []crm.Lookup) []*group {
	type kind struct {
		object  string
		byPhone bool
	}
	var groups []*group
	known := map[kind]*group{}
	seen := map[kind]map[string]bool{}
	for i, l := range lookups {
		k := kind{l.Object, strings.TrimSpace(l.TransactionID) == ""}
		ask := s.ByTransactionID
		if k.byPhone {
			ask = s.ByPhone
		}
		values := s.asked(l)
		if ask == nil || len(values) == 0 {
			continue
		}
		g := known[k]
		if g == nil {
			g = &group{object: k.object, byPhone: k.byPhone, ask: ask}
			groups, known[k], seen[k] = append(groups, g), g, map[string]bool{}
		}
		g.lookups = append(g.lookups, i)
		for _, value := range values {
			if key := s.key(g, value); !seen[k][key] {
				seen[k][key] = true
				g.values = append(g.values, value)
			}
		}
	}
	return groups
}

// asked returns the values that a look-up is asked by.
func (s Search) asked(l crm.Lookup) []string {
	if id := strings.TrimSpace(l.TransactionID); id != "" {
		return []string{id}
	}
	if s.Spellings != nil {
		return s.Spellings(l.Phone)
	}
	return l.Phone.Spellings()
}

// key returns what is the same for values that are the same to the CRM.
func (s Search) key(g *group, value string) string {
	if s.Fold && !g.byPhone {
		return strings.ToLower(value)
	}
	return value
}

func (s Search) size(value string) int {
	if s.Size == nil {
		return len(value)
	}
	return s.Size(value)
}

// reap asks for values and gathers the records, in halves where the answer was cut off.
func (s Search) reap(ctx context.Context, p *part, values []string) error {
	records, truncated, err := p.ask(ctx, p.object, values)
	switch {
	case err != nil:
		s.fail(p, values, err)
		return err
	case truncated && len(values) > 1:
		first, rest := values[:len(values)/2], values[len(values)/2:]
		if err = s.reap(ctx, p, first); stops(err) {
			s.fail(p, rest, err)
			return err
		}
		return errors.Join(err, s.reap(ctx, p, rest))
	default:
		p.records = append(p.records, records...)
		p.truncated[s.key(p.group, values[0])] = truncated
		return nil
	}
}

func (s Search) fail(p *part, values []string, err error) {
	for _, value := range values {
		p.failed[s.key(p.group, value)] = err
	}
}

// candidate is a record that was found for some look-up of a group.
type candidate struct {
	crm.Record
	numbers []call.Number
}

// deal gives each look-up of a group what it asked for.
func (s Search) deal(g *group, parts []*part, lookups []crm.Lookup, found []crm.Found) {
	var candidates []candidate
	truncated, failed := map[string]bool{}, map[string]error{}
	seen := map[string]bool{}
	for _, p := range parts {
		if p.group != g {
			continue
		}
		maps.Copy(truncated, p.truncated)
		maps.Copy(failed, p.failed)
		for _, r := range p.records {
			if r.ID == "" || seen[r.ID] {
				continue
			}
			seen[r.ID] = true
			candidates = append(candidates, s.candidate(g, r))
		}
	}
	for _, i := range g.lookups {
		for _, value := range s.asked(lookups[i]) {
			key := s.key(g, value)
			found[i].Truncated = found[i].Truncated || truncated[key]
			if err := failed[key]; err != nil && found[i].Err == nil {
				found[i].Err = err
			}
		}
		if found[i].Err != nil {
			found[i].Truncated = false
			continue
		}
		for _, c := range candidates {
			if s.carries(c, lookups[i]) {
				found[i].Records = append(found[i].Records, c.Record)
			}
		}
	}
}

func (s Search) candidate(g *group, r crm.Record) candidate {
	r.Object = g.object
	c := candidate{Record: r}
	if g.byPhone {
		for _, raw := range r.Phones {
			c.numbers = append(c.numbers, call.ParseNumber(raw, s.Region))
		}
	}
	return c
}

// carries reports whether a record has the value of a look-up.
func (s Search) carries(c candidate, l crm.Lookup) bool {
	id, own := strings.TrimSpace(l.TransactionID), strings.TrimSpace(c.TransactionID)
	switch {
	case id == "":
		return slices.ContainsFunc(c.numbers, l.Phone.Same)
	case s.Fold:
		return strings.EqualFold(id, own)
	default:
		return id == own
	}
}
