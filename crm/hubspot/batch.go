package hubspot

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strconv"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
)

// complete is the status of a batch that is done, errors or not.
const complete = "COMPLETE"

// input is one object, or one link, of a batch.
type input struct {
	ID           string            `json:"id,omitempty"`
	IDProperty   string            `json:"idProperty,omitempty"`
	TraceID      string            `json:"objectWriteTraceId,omitempty"`
	Properties   map[string]string `json:"properties,omitempty"`
	Associations []association     `json:"associations,omitempty"`
	From         *reference        `json:"from,omitempty"`
	To           *reference        `json:"to,omitempty"`
	Types        []associationType `json:"types,omitempty"`
}

type association struct {
	To    reference         `json:"to"`
	Types []associationType `json:"types"`
}

type reference struct {
	ID string `json:"id"`
}

type associationType struct {
	Category string `json:"associationCategory"`
	ID       int    `json:"associationTypeId"`
}

// item is an input and what became of it. Answers may name it by any of names.
type item struct {
	input input
	names []string
	id    string
	err   error
	done  bool
}

// word is a text, or a number taken for one: ids in answers are either. Anything else is as good as empty.
type word string

// UnmarshalJSON reads a text or a number.
func (w *word) UnmarshalJSON(encoded []byte) error {
	var (
		read   string
		number json.Number
	)
	if json.Unmarshal(encoded, &read) != nil && json.Unmarshal(encoded, &number) == nil {
		read = number.String()
	}
	*w = word(read)
	return nil
}

// words is a list of texts; what is not one is as good as empty.
type words []word

// UnmarshalJSON reads a list.
func (w *words) UnmarshalJSON(encoded []byte) error {
	var list []word
	if json.Unmarshal(encoded, &list) == nil {
		*w = list
	}
	return nil
}

// outcome is the answer to a batch. Results come in any order.
type outcome struct {
	Status  string    `json:"status"`
	Results []result  `json:"results"`
	Errors  []failure `json:"errors,omitempty"`
}

// result is an input that was done. Links name the call as the one they come from.
type result struct {
	ID         word              `json:"id"`
	From       word              `json:"fromObjectId"`
	TraceID    word              `json:"objectWriteTraceId"`
	Properties map[string]string `json:"properties"`
}

// batch sends items, as many at once as HubSpot takes, and notes what became of each. Bad items that fail a request as
// a whole are looked for until they stand alone.
func (a *Adapter) batch(ctx context.Context, r api.Request, items []*item) {
	r.Budget = budgetOther
	chunks := api.Chunks(items, maxBatch, 0, nil)
	errs := api.Each(len(chunks), a.cfg.Concurrency, func(i int) error {
		var last error
		for j, err := range api.Split(chunks[i], func(part []*item) error { return a.exchange(ctx, r, part) }) {
			if err != nil {
				chunks[i][j].err, last = err, err
			}
		}
		return last
	})
	for i, err := range errs {
		for _, it := range chunks[i] {
			if it.err == nil && !it.done {
				it.err = err // The chunk was not begun.
			}
		}
	}
}

// exchange sends one request. Its error is that of the request; errors of items are noted in them.
func (a *Adapter) exchange(ctx context.Context, r api.Request, part []*item) error {
	inputs := make([]input, len(part))
	pretended := outcome{Status: complete}
	for i, it := range part {
		inputs[i] = it.input
		trace := strconv.Itoa(i)
		if it.input.From == nil {
			inputs[i].TraceID = trace
		}
		pretended.Results = append(pretended.Results, result{ID: word(cmp.Or(it.id, "dry-run-"+trace)), TraceID: word(trace)})
	}
	r.Body, r.Pretend = map[string]any{"inputs": inputs}, pretended
	var got outcome
	if err := a.client.JSON(ctx, r, &got); err != nil {
		if e := crm.Classify(err); e.Kind == crm.KindGone && len(part) > 1 {
			e.Kind = crm.KindInvalid // One of them is gone: which one is found out as for any bad input.
		}
		return err
	}
	for _, res := range got.Results {
		if it := find(part, res.TraceID, res.From, word(res.Properties[a.cfg.CallID]), res.ID); it != nil {
			it.id = cmp.Or(it.id, string(res.ID))
			it.done = it.id != ""
		}
	}
	var loose []error
	for _, f := range got.Errors {
		names := slices.Concat(f.Context.From, f.Context.IDs, f.Context.ID, words{f.ID})
		trace := append(f.Context.TraceID, "")[0]
		if it := find(part, trace, names...); it != nil {
			it.err, it.done = f.of(r, a.client.Mask), true
		} else {
			loose = append(loose, f.of(r, a.client.Mask))
		}
	}
	a.settle(ctx, r, part, got, loose)
	return nil
}

// settle decides on the items that an answer does not name. Those of which one must be the refused one get its error;
// several are sent again in halves, for they were all refused; of the rest nobody knows.
func (a *Adapter) settle(ctx context.Context, r api.Request, part []*item, got outcome, loose []error) {
	open := slices.DeleteFunc(slices.Clone(part), func(it *item) bool { return it.done })
	if len(open) == 1 && len(loose) == 1 {
		open[0].err = loose[0]
		return
	}
	if len(open) > 1 && len(loose) == len(open) {
		for _, half := range [][]*item{open[:len(open)/2], open[len(open)/2:]} {
			err := a.exchange(ctx, r, half)
			for _, it := range half {
				it.err = cmp.Or(it.err, err)
			}
		}
		return
	}
	kind := crm.KindTransient
	if r.Effect == api.Creates {
		kind = crm.KindInDoubt
	}
	for _, it := range open {
		// An update or a link needs no word of its own when all went well.
		if it.done = it.id != "" && len(got.Errors) == 0 && got.Status == complete; !it.done {
			it.err = crm.Errorf(kind, r.Title, "the answer does not say what became of this one")
		}
	}
}

// find returns the item that an answer names: by the trace id, which is its place in the request, else by another name.
func find(part []*item, trace word, names ...word) *item {
	if trace != "" {
		if i, err := strconv.Atoi(string(trace)); err == nil && i >= 0 && i < len(part) {
			return part[i]
		}
		return nil
	}
	for _, name := range names {
		i := slices.IndexFunc(part, func(it *item) bool { return name != "" && slices.Contains(it.names, string(name)) })
		if i >= 0 {
			return part[i]
		}
	}
	return nil
}
