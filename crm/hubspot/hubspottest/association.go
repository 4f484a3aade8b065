package hubspottest

import (
	"net/http"
	"slices"
	"strconv"
)

// maxAssociations is how many inputs a batch of associations has at most.
const maxAssociations = 2000

// link is an association of a call with a record.
type link struct{ call, toType, to string }

// unlinkable returns why an object of a type cannot be linked, empty when it can.
func (c *CRM) unlinkable(from objectType, a association) string {
	if from.name != calls || len(a.Types) != 1 || a.Types[0].Category != "HUBSPOT_DEFINED" {
		return "invalid association type"
	}
	for _, t := range types() {
		switch {
		case t.fromCall == 0 || t.fromCall != a.Types[0].TypeID:
		case c.find(t.name, a.To.ID) == nil:
			return "No " + t.singular + " with ID " + a.To.ID + " exists"
		default:
			return ""
		}
	}
	return "association type id " + strconv.Itoa(a.Types[0].TypeID) + " does not fit"
}

// link links a call to a record. A link that is there already stays the only one of its kind.
func (c *CRM) link(id, _ string, a association) {
	for _, t := range types() {
		made := link{call: id, toType: t.name, to: a.To.ID}
		if t.fromCall == a.Types[0].TypeID && !slices.Contains(c.links, made) {
			c.links = append(c.links, made)
		}
	}
}

func (c *CRM) associate(w http.ResponseWriter, r *http.Request) {
	from, _ := typeOf(r.PathValue("from"))
	to, known := typeOf(r.PathValue("to"))
	var body struct {
		Inputs []struct {
			From  reference         `json:"from"`
			To    reference         `json:"to"`
			Types []associationType `json:"types"`
		} `json:"inputs"`
	}
	if _, ok := read(w, r, &body); !ok {
		return
	}
	if !known || from.name != calls || len(body.Inputs) == 0 || len(body.Inputs) > maxAssociations {
		invalid(w, "Invalid association request")
		return
	}
	results, failures := []map[string]any{}, []failure{}
	for _, in := range body.Inputs {
		a := association{To: in.To, Types: in.Types}
		problem := c.unlinkable(from, a)
		if c.find(calls, in.From.ID) == nil {
			problem = "No call with ID " + in.From.ID + " exists"
		}
		if problem == "" && in.Types[0].TypeID != to.fromCall {
			problem = "association type id does not fit " + to.name
		}
		if problem != "" {
			failures = append(failures, failure{
				Status: "error", Category: "OBJECT_NOT_FOUND", Message: problem,
				Context: map[string][]string{"fromObjectId": {in.From.ID}, "toObjectId": {in.To.ID}},
			})
			continue
		}
		c.link(in.From.ID, calls, a)
		// Older answers carry the ids as numbers, newer ones as texts.
		number, _ := strconv.ParseInt(in.From.ID, 10, 64)
		results = append(results, map[string]any{
			"fromObjectTypeId": from.id, "fromObjectId": number, "toObjectTypeId": to.id, "toObjectId": in.To.ID,
			"labels": []string{},
		})
	}
	answer, status := map[string]any{"status": "COMPLETE", "results": results}, http.StatusCreated
	if len(failures) > 0 {
		answer["numErrors"], answer["errors"], status = len(failures), failures, http.StatusMultiStatus
	}
	reply(w, status, answer)
}

func (c *CRM) dissociate(w http.ResponseWriter, r *http.Request) {
	to, known := typeOf(r.PathValue("to"))
	var body struct {
		Inputs []struct {
			From reference   `json:"from"`
			To   []reference `json:"to"`
		} `json:"inputs"`
	}
	if _, ok := read(w, r, &body); !ok {
		return
	}
	if !known || len(body.Inputs) == 0 {
		invalid(w, "Invalid association request")
		return
	}
	for _, in := range body.Inputs {
		for _, record := range in.To {
			c.links = slices.DeleteFunc(c.links, func(l link) bool {
				return l == link{call: in.From.ID, toType: to.name, to: record.ID}
			})
		}
	}
	w.WriteHeader(http.StatusNoContent)
}
