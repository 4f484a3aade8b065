package zoho

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/call"
)

const (
	// pageSize is how many rows a query returns for one credit, and how many users a page has.
	pageSize = 200
	// maxUserPages bounds the search for users.
	maxUserPages = 50
)

// plainValue is what is harmless in a query beyond doubt.
var plainValue = regexp.MustCompile(`^[\pL\pN _.@:+-]*$`)

// weight makes a value that is not plain fill a query of its own: should Zoho refuse it, only its own call is refused.
func (a *Adapter) weight(value string) int {
	if plainValue.MatchString(value) {
		return 1
	}
	return a.cfg.QueryValues
}

// Find looks records up, as many values in one query as COQL takes.
func (a *Adapter) Find(ctx context.Context, lookups []crm.Lookup) []crm.Found {
	return a.records.Find(ctx, lookups)
}

func (a *Adapter) byTransactionID(ctx context.Context, module string, ids []string) ([]crm.Record, bool, error) {
	o := a.object(module)
	if o.TransactionID == "" {
		return nil, false, nil
	}
	return a.find(ctx, o, "transaction id", in(o.TransactionID, ids))
}

func (a *Adapter) byPhone(ctx context.Context, module string, spellings []string) ([]crm.Record, bool, error) {
	o := a.object(module)
	if len(o.Phones) == 0 {
		return nil, false, nil
	}
	condition := in(o.Phones[0], spellings)
	for _, field := range o.Phones[1:] { // COQL takes two conditions at a time, in brackets
		condition = "(" + condition + " or " + in(field, spellings) + ")"
	}
	return a.find(ctx, o, "phone", condition)
}

// find returns the records of a module that meet a condition, each with the values of the fields that are looked up.
func (a *Adapter) find(ctx context.Context, o Object, by, condition string) ([]crm.Record, bool, error) {
	fields := append([]string{"Owner"}, o.Phones...)
	if o.TransactionID != "" {
		fields = append(fields, o.TransactionID)
	}
	r := api.Request{Operation: "find", Title: "find in " + o.Name + " by " + by}
	rows, truncated, err := a.query(ctx, r, fields, o.Name, condition)
	var records []crm.Record
	for _, found := range rows {
		record := crm.Record{
			Object: o.Name, ID: found.text("id"), Owner: found.owner(), TransactionID: found.text(o.TransactionID),
		}
		for _, field := range o.Phones {
			if number := found.text(field); number != "" {
				record.Phones = append(record.Phones, number)
			}
		}
		records = append(records, record)
	}
	return records, truncated, err
}

// row is a row of a query's result.
type row map[string]json.RawMessage

// text returns a value as text, empty for null and for what is no text.
func (r row) text(field string) string {
	var text string
	_ = json.Unmarshal(r[field], &text)
	return text
}

func (r row) owner() string {
	var owner struct {
		ID string `json:"id"`
	}
	_ = json.Unmarshal(r["Owner"], &owner)
	return owner.ID
}

// query sends COQL and returns the first rows, the oldest first. Rows without a proper id are left out; truncated:
// there are more.
func (a *Adapter) query(
	ctx context.Context, r api.Request, fields []string, module, condition string,
) (rows []row, truncated bool, err error) {
	r.Method, r.Path = http.MethodPost, "/coql"
	r.Body = map[string]string{"select_query": fmt.Sprintf("select id, %s from %s where %s order by id asc limit 0, %d",
		strings.Join(fields, ", "), module, condition, pageSize)}
	var answer struct {
		Data []row `json:"data"`
		Info *struct {
			More bool `json:"more_records"`
		} `json:"info"`
	}
	found, err := a.do(ctx, r, &answer)
	if err == nil && found && (answer.Data == nil || answer.Info == nil) {
		err = crm.Errorf(crm.KindTransient, r.Title, "the answer has no list of what was found")
	}
	if err != nil || !found {
		return nil, false, err
	}
	for _, r := range answer.Data {
		if recordID.MatchString(r.text("id")) {
			rows = append(rows, r)
		}
	}
	return rows, answer.Info.More, nil
}

// in is the condition that a field has one of some values.
func in(field string, values []string) string {
	quoted := make([]string, len(values))
	for i, value := range values {
		quoted[i] = "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "'"
	}
	return field + " in (" + strings.Join(quoted, ", ") + ")"
}

// FindLogs looks calls up by their call id. Of several the oldest is taken.
func (a *Adapter) FindLogs(ctx context.Context, calls []call.Call) []crm.LogFound {
	lookups := make([]crm.Lookup, len(calls))
	for i, c := range calls {
		lookups[i] = crm.Lookup{Object: "Calls", TransactionID: c.ID}
	}
	logs := make([]crm.LogFound, len(calls))
	for i, found := range a.logs.Find(ctx, lookups) {
		if logs[i].Err = found.Err; len(found.Records) > 0 {
			logs[i].LogID = found.Records[0].ID
		}
		if len(found.Records) > 1 {
			a.logger.WarnContext(ctx, "Zoho has several records of one call", "call_id", calls[i].ID)
		}
	}
	return logs
}

func (a *Adapter) logsByCallID(ctx context.Context, _ string, ids []string) ([]crm.Record, bool, error) {
	field := a.cfg.Calls.CallID
	r := api.Request{Operation: "find_log", Title: "find call log"}
	rows, truncated, err := a.query(ctx, r, []string{field}, "Calls", in(field, ids))
	var records []crm.Record
	for _, found := range rows {
		records = append(records, crm.Record{ID: found.text("id"), TransactionID: found.text(field)})
	}
	return records, truncated, err
}

// FindUsers reads the active users, for Zoho finds none by e-mail, and compares addresses without case.
func (a *Adapter) FindUsers(ctx context.Context, agents []string) []crm.UserFound {
	found := make([]crm.UserFound, len(agents))
	if len(agents) == 0 {
		return found
	}
	users, err := a.users(ctx)
	for i, name := range agents {
		if a.cfg.AgentDomain != "" && !strings.Contains(name, "@") {
			name += "@" + a.cfg.AgentDomain
		}
		found[i] = crm.UserFound{UserID: users[strings.ToLower(strings.TrimSpace(name))], Err: err}
	}
	return found
}

// users returns the ids of the active users by e-mail in lower case.
func (a *Adapter) users(ctx context.Context) (map[string]string, error) {
	const title = "find user"
	ids := make(map[string]string)
	for page := 1; page <= maxUserPages; page++ {
		var answer struct {
			Users []struct {
				ID    string `json:"id"`
				Email string `json:"email"`
			} `json:"users"`
			Info struct {
				More bool `json:"more_records"`
			} `json:"info"`
		}
		found, err := a.do(ctx, api.Request{
			Operation: "find_user", Title: title, Path: "/users", Query: url.Values{
				"type": {"ActiveUsers"}, "page": {strconv.Itoa(page)}, "per_page": {strconv.Itoa(pageSize)},
			},
		}, &answer)
		if err == nil && found && answer.Users == nil {
			err = crm.Errorf(crm.KindTransient, title, "the answer has no list of users")
		}
		if err != nil {
			return nil, err
		}
		for _, user := range answer.Users {
			if email := strings.ToLower(user.Email); recordID.MatchString(user.ID) {
				ids[email] = cmp.Or(ids[email], user.ID)
			}
		}
		if !answer.Info.More {
			break
		}
	}
	delete(ids, "")
	return ids, nil
}
