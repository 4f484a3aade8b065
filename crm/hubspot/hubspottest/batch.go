package hubspottest

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
)

// maxBatch is how many inputs a batch of objects has at most.
const maxBatch = 100

// input is one object of a batch.
type input struct {
	ID           string            `json:"id"`
	IDProperty   string            `json:"idProperty"`
	TraceID      string            `json:"objectWriteTraceId"`
	Properties   map[string]string `json:"properties"`
	Associations []association     `json:"associations"`
}

// association is what a new object is linked to.
type association struct {
	To    reference         `json:"to"`
	Types []associationType `json:"types"`
}

// reference names an object.
type reference struct {
	ID string `json:"id"`
}

// associationType says what kind of link it is.
type associationType struct {
	Category string `json:"associationCategory"`
	TypeID   int    `json:"associationTypeId"`
}

// batch is a request in work: what was done and what was not.
type batch struct {
	crm     *CRM
	t       objectType
	inputs  []input
	results []result
	errors  []failure
	// do are the writes of the good inputs. They are done once it is clear that the batch does not fail as a whole.
	do []func() result
}

// begin reads a batch, and answers one that is not as documented.
func (c *CRM) begin(w http.ResponseWriter, r *http.Request) (*batch, bool) {
	t, known := typeOf(r.PathValue("type"))
	if !known {
		invalid(w, "Unable to infer object type from: %s", r.PathValue("type"))
		return nil, false
	}
	var body struct {
		Inputs []input `json:"inputs"`
	}
	if _, ok := read(w, r, &body); !ok {
		return nil, false
	}
	switch {
	case len(body.Inputs) == 0:
		invalid(w, "Some required fields were not set: [inputs]")
		return nil, false
	case len(body.Inputs) > maxBatch:
		invalid(w, "The maximum number of inputs supported in a batch request is %d", maxBatch)
		return nil, false
	}
	return &batch{crm: c, t: t, inputs: body.Inputs}, true
}

// fail notes an error of an input.
func (b *batch) fail(in input, category, message string, context map[string][]string) {
	if context == nil {
		context = map[string][]string{}
	}
	if in.TraceID != "" {
		context["objectWriteTraceId"] = []string{in.TraceID}
	}
	b.errors = append(b.errors, failure{Status: "error", Category: category, Message: message, Context: context})
}

// check notes what is wrong with the values of an input, and tells whether it is fine.
func (b *batch) check(in input, values map[string]string, self *object) bool {
	if words := b.crm.words(b.t, values, self); words != "" {
		b.fail(in, categoryInvalid, words, nil)
		return false
	}
	if faults := b.crm.faults(b.t.name, values, self); len(faults) > 0 {
		list, _ := json.Marshal(faults) //nolint:errchkjson // texts alone, which cannot fail
		b.fail(in, categoryInvalid, "Property values were not valid: "+string(list), nil)
		return false
	}
	if self == nil && b.t.name == calls && values["hs_timestamp"] == "" {
		b.fail(in, categoryInvalid, "Error creating CALL. Some required properties were not set.",
			map[string][]string{"properties": {"hs_timestamp"}})
		return false
	}
	return true
}

// words returns the words with which the call log of a call is refused.
func (c *CRM) words(t objectType, values map[string]string, self *object) string {
	if t.name != calls {
		return ""
	}
	if words := c.refused[values[CallID]]; words != "" {
		return words
	}
	if self != nil {
		return c.refused[self.values()[CallID]]
	}
	return ""
}

// write notes that an object is to be made, or changed where self is not nil.
func (b *batch) write(in input, values map[string]string, self *object, told *bool) {
	b.do = append(b.do, func() result {
		o := self
		if o == nil {
			o = b.crm.create(b.t.name, values)
		} else {
			b.crm.change(b.t.name, o, values)
		}
		for _, a := range in.Associations {
			b.crm.link(o.id, b.t.name, a)
		}
		var names []string
		for name := range values {
			names = append(names, name)
		}
		shown := o.show(o.values(), names)
		shown.New, shown.TraceID = told, in.TraceID
		return shown
	})
}

// answer does what is good and sends the results: all, some (207) or, where the inputs cannot be told apart, none.
func (b *batch) answer(w http.ResponseWriter, r *http.Request, success int, severable bool) {
	if len(b.errors) > 0 && (b.crm.options.AllOrNothing || !severable && !b.traced()) {
		refuse(w, http.StatusBadRequest, b.errors[0].Category, b.errors[0].Message)
		return
	}
	began := stamp(b.crm.options.Now())
	b.results = []result{}
	for _, do := range b.do {
		b.results = append(b.results, do())
	}
	// The order of results is not that of the inputs.
	slices.Reverse(b.results)
	body := map[string]any{"status": "COMPLETE", "results": b.results, "startedAt": began, "completedAt": began}
	if len(b.errors) > 0 {
		success, body["numErrors"], body["errors"] = http.StatusMultiStatus, len(b.errors), b.errors
	}
	if r.Context().Err() == nil {
		reply(w, success, body)
	}
}

// traced tells whether every input carries a trace id of its own.
func (b *batch) traced() bool {
	seen := map[string]bool{"": true}
	for _, in := range b.inputs {
		if seen[in.TraceID] {
			return false
		}
		seen[in.TraceID] = true
	}
	return true
}

func (c *CRM) batchCreate(w http.ResponseWriter, r *http.Request) {
	b, ok := c.begin(w, r)
	if !ok {
		return
	}
	for _, in := range b.inputs {
		if in.ID != "" || in.IDProperty != "" {
			invalid(w, "Invalid input JSON: Unrecognized field \"id\"")
			return
		}
		bad := slices.IndexFunc(in.Associations, func(a association) bool { return c.unlinkable(b.t, a) != "" })
		switch {
		case bad >= 0:
			b.fail(in, "OBJECT_NOT_FOUND", c.unlinkable(b.t, in.Associations[bad]), nil)
		case b.check(in, in.Properties, nil):
			b.write(in, in.Properties, nil, nil)
		}
	}
	b.answer(w, r, http.StatusCreated, false)
}

func (c *CRM) batchUpdate(w http.ResponseWriter, r *http.Request) {
	b, ok := c.begin(w, r)
	if !ok {
		return
	}
	for _, in := range b.inputs {
		self := c.find(b.t.name, in.ID)
		switch {
		case len(in.Associations) > 0:
			invalid(w, "Invalid input JSON: Unrecognized field \"associations\"")
			return
		case self == nil:
			b.fail(in, "OBJECT_NOT_FOUND", "Could not get some "+b.t.name+" objects, they may be deleted or not exist.",
				map[string][]string{"ids": {in.ID}})
		case b.check(in, in.Properties, self):
			b.write(in, in.Properties, self, nil)
		}
	}
	b.answer(w, r, http.StatusOK, true)
}

func (c *CRM) batchUpsert(w http.ResponseWriter, r *http.Request) {
	b, ok := c.begin(w, r)
	if !ok {
		return
	}
	named := map[string]bool{}
	for _, in := range b.inputs {
		key, known := c.property(b.t.name, in.IDProperty)
		switch {
		case len(in.Associations) > 0:
			invalid(w, "Invalid input JSON: Unrecognized field \"associations\"")
			return
		case !known || !key.Unique:
			invalid(w, "Unable to perform update/upsert by non-unique %s property %s", b.t.id, in.IDProperty)
			return
		case in.ID == "" || named[in.ID]:
			invalid(w, "Duplicate or empty IDs found in batch input: [%s]", in.ID)
			return
		}
		named[in.ID] = true
		self := c.holding(b.t.name, in.IDProperty, in.ID)
		values := map[string]string{in.IDProperty: in.ID}
		maps.Copy(values, in.Properties)
		if b.check(in, values, self) {
			made := self == nil
			b.write(in, values, self, &made)
		}
	}
	b.answer(w, r, http.StatusOK, false)
}
