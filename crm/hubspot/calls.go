package hubspot

import (
	"cmp"
	"context"
	"hash/crc32"
	"maps"
	"net/url"
	"strconv"
	"strings"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
)

// The bounds of what is written: inputs of a batch, and characters of a title and a body.
const (
	maxBatch = 100
	maxTitle = 255
	maxBody  = 65_000
)

// linked is the key of Progress that holds the record a call is associated with. The others are names of properties,
// which have no such sign in them, each with the checksum of the value last sent.
const linked = "@record"

// writing is a call log on its way.
type writing struct {
	crm.Write
	*item

	properties map[string]string
	progress   api.Progress
}

// Write updates the calls of which the id is known, upserts or creates the others, and associates each with its record.
func (a *Adapter) Write(ctx context.Context, writes []crm.Write) []crm.Written {
	ws := make([]*writing, len(writes))
	var updates, creates []*item
	for i, w := range writes {
		ws[i] = a.prepare(w)
		switch {
		case w.LogID == "":
			creates = append(creates, ws[i].item)
		case len(ws[i].properties) > 0:
			updates = append(updates, ws[i].item)
		}
	}
	a.batch(ctx, a.calls("update"), updates)
	verb := "create"
	if a.cfg.UniqueProperty {
		verb = "upsert"
	}
	a.batch(ctx, a.calls(verb), creates)
	for _, w := range ws {
		w.note(a.cfg.UniqueProperty)
	}
	for _, o := range a.objects {
		a.associate(ctx, o, ws)
	}
	written := make([]crm.Written, len(ws))
	for i, w := range ws {
		written[i] = crm.Written{LogID: w.id, Progress: w.progress.Bytes(), Err: w.err}
	}
	return written
}

// calls returns the request of a batch of calls. Only one that creates must not be repeated.
func (a *Adapter) calls(verb string) api.Request {
	effect := api.Changes
	if verb == "create" {
		effect = api.Creates
	}
	return api.Request{
		Operation: verb + "_log", Title: verb + " call log", Effect: effect,
		Path: a.path("objects", "/calls/batch/"+verb),
	}
}

// prepare makes the input of a write: of an update only what differs from what was last sent.
func (a *Adapter) prepare(w crm.Write) *writing {
	p := &writing{Write: w, progress: api.ReadProgress(w.Progress), properties: a.properties(w.Call, w.Owner)}
	maps.DeleteFunc(p.properties, func(name, value string) bool {
		sent, known := p.progress[name]
		return value == "" && !known || w.LogID != "" && sent == checksum(value)
	})
	in := input{ID: w.LogID, Properties: maps.Clone(p.properties)}
	if w.LogID == "" {
		in.Properties[a.cfg.CallID] = w.Call.ID
	}
	switch {
	case w.LogID != "":
	case a.cfg.UniqueProperty:
		in.ID, in.IDProperty = w.Call.ID, a.cfg.CallID
	case w.Record != nil:
		if o, err := a.object(w.Record.Object); err == nil {
			in.Associations = []association{{To: reference{w.Record.ID}, Types: o.link()}}
		}
	}
	p.item = &item{input: in, id: w.LogID, names: []string{w.LogID, w.Call.ID}}
	return p
}

// note keeps what was sent, once it arrived.
func (w *writing) note(unique bool) {
	if w.err != nil || w.id == "" {
		return
	}
	for name, value := range w.properties {
		w.progress[name] = checksum(value)
	}
	if w.LogID == "" && !unique {
		w.progress[linked] = w.target()
	}
}

// target names the record that the call belongs to, empty for an unlinked one.
func (w *writing) target() string {
	if w.Record == nil {
		return ""
	}
	return w.Record.Object + "/" + w.Record.ID
}

// associate links the calls that belong to records of an object and are not linked yet. A call that was linked to
// another record before loses that link first: it must not stand with two customers.
func (a *Adapter) associate(ctx context.Context, o Object, ws []*writing) {
	var links []*item
	var of []*writing
	for _, w := range ws {
		if w.err != nil || w.id == "" || w.progress[linked] == w.target() {
			continue
		}
		if former, found := strings.CutPrefix(w.progress[linked], o.Name+"/"); found {
			if w.err = a.dissociate(ctx, o, w.id, former); w.err != nil {
				continue
			}
			delete(w.progress, linked)
		}
		if w.Record != nil && w.Record.Object == o.Name {
			links = append(links, &item{id: w.id, names: []string{w.id}, input: input{
				From: &reference{w.id}, To: &reference{w.Record.ID}, Types: o.link(),
			}})
			of = append(of, w)
		}
	}
	a.batch(ctx, api.Request{
		Operation: "associate", Title: "link call log to " + o.Name, Effect: api.Changes,
		Path: a.path("associations", "/calls/"+o.Type+"/batch/create"),
	}, links)
	for i, w := range of {
		if w.err = links[i].err; w.err == nil {
			w.progress[linked] = w.target()
		}
	}
}

// dissociate takes the link of a call to a record away. A record that is gone took its links along.
func (a *Adapter) dissociate(ctx context.Context, o Object, call, record string) error {
	err := a.client.JSON(ctx, api.Request{
		Operation: "associate", Title: "unlink call log from " + o.Name, Effect: api.Changes, Budget: budgetOther,
		Path: a.path("associations", "/calls/"+o.Type+"/batch/archive"),
		Body: map[string]any{"inputs": []any{map[string]any{"from": reference{call}, "to": []reference{{record}}}}},
	}, nil)
	if kind := crm.Classify(err).Kind; err != nil && (kind == crm.KindGone || kind == crm.KindInvalid) {
		return nil
	}
	return err
}

// link returns the type of association from a call to an object.
func (o Object) link() []associationType {
	return []associationType{{Category: "HUBSPOT_DEFINED", ID: o.Association}}
}

// checksum tells whether a value differs from another, in eight characters.
func checksum(value string) string {
	return strconv.FormatUint(uint64(crc32.ChecksumIEEE([]byte(value))), 16)
}

// properties returns what HubSpot keeps of a call, empty values included. A recording that HubSpot does not take as
// one, for it wants https, stands in the body.
func (a *Adapter) properties(c call.Call, owner string) map[string]string {
	p := a.text.Fields(c)
	p["hs_timestamp"] = strconv.FormatInt(cmp.Or(c.Began(), a.now()).UnixMilli(), 10)
	p["hs_call_direction"] = strings.ToUpper(string(c.Direction))
	p["hs_call_status"], p["hs_call_disposition"] = a.outcome(c)
	p["hs_call_duration"] = ""
	if talked := c.Talked(); talked.Known {
		p["hs_call_duration"] = strconv.FormatInt(talked.Duration().Milliseconds(), 10)
	}
	ours, customer := cmp.Or(c.Hotline, c.Extension), c.Customer.String()
	p["hs_call_from_number"], p["hs_call_to_number"] = customer, ours
	if c.Direction == call.Outbound {
		p["hs_call_from_number"], p["hs_call_to_number"] = ours, customer
	}
	p["hubspot_owner_id"], p["hs_call_recording_url"] = owner, ""
	if u, err := url.Parse(c.RecordingURL); err == nil && u.Scheme == "https" && u.Host != "" {
		p["hs_call_recording_url"], c.RecordingURL = c.RecordingURL, ""
	}
	p["hs_call_title"] = a.text.Title(c, maxTitle)
	if p["hs_call_body"] = a.text.HTML(c, maxBody); a.cfg.PlainBody {
		p["hs_call_body"] = a.text.Body(c, maxBody)
	}
	return p
}

// outcome returns the status and the outcome of a call.
func (a *Adapter) outcome(c call.Call) (status, disposition string) {
	switch {
	case c.Result == call.ResultMissed:
		return "NO_ANSWER", a.cfg.Dispositions.Missed
	case c.State == call.Ended:
		return "COMPLETED", a.cfg.Dispositions.Answered
	case c.State == call.Answered:
		return "IN_PROGRESS", ""
	default:
		return "RINGING", ""
	}
}

// CreateContacts creates a record of Config.Create for each call. It does not carry the transaction id: that may be one
// of a whole campaign, and the next customer of the campaign would be taken for this one. HubSpot does not deduplicate: a
// repeat makes a twin.
func (a *Adapter) CreateContacts(ctx context.Context, calls []call.Call) []crm.Found {
	founds := make([]crm.Found, len(calls))
	o, err := a.object(cmp.Or(a.cfg.Create, "contact"))
	if err == nil && len(o.Phones) == 0 {
		err = crm.Errorf(crm.KindInvalid, "create "+o.Name, "create: the object has no phones")
	}
	items := make([]*item, len(calls))
	for i, c := range calls {
		founds[i].Err = err
		number := c.Customer.String()
		properties := map[string]string{o.NameProperty: number}
		if len(o.Phones) > 0 {
			properties[o.Phones[0]] = number
		}
		maps.DeleteFunc(properties, func(name, value string) bool { return name == "" || value == "" })
		items[i] = &item{input: input{Properties: properties}}
	}
	if err != nil {
		return founds
	}
	a.batch(ctx, api.Request{
		Operation: "create_contact", Title: "create " + o.Name, Effect: api.Creates,
		Path: a.path("objects", "/"+o.Type+"/batch/create"),
	}, items)
	for i, c := range calls {
		if founds[i].Err = items[i].err; founds[i].Err == nil {
			founds[i].Records = []crm.Record{{Object: o.Name, ID: items[i].id, Phones: []string{c.Customer.String()}}}
		}
	}
	return founds
}
