package odoo

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
)

// firstJSON2 is the version in which /json/2 came (page "External JSON-2 API").
const firstJSON2 = 19

const (
	versionPath = "/web/version"
	rpcPath     = "/jsonrpc"
)

// fieldsLife is how long the fields of a model are remembered: what an administrator adds counts without a restart.
const fieldsLife = 10 * time.Minute

// server calls methods of models in the way that the version of the server takes. It is safe for concurrent use.
type server struct {
	cfg    Config
	client *api.Client
	now    func() time.Time
	// opening is held by the one that finds out how to speak to the server.
	opening chan struct{}

	mu      sync.Mutex
	session *session
	models  map[string]model
}

// session is how to speak to the server: by JSON-2 or, with the id of the user, by JSON-RPC.
type session struct {
	json2 bool
	uid   int64
}

// model is what a model was seen to have.
type model struct {
	fields map[string]field
	until  time.Time
}

// field is what fields_get says of one.
type field struct {
	Type      string `json:"type"`
	Relation  string `json:"relation"`
	Selection []any  `json:"selection"`
}

// invocation is a call of a method of a model. Arguments go by name.
type invocation struct {
	operation, title string
	model, method    string
	arguments        map[string]any
	effect           api.Effect
	pretend          any
}

// call calls a method and decodes its result into what into points at.
//
// The context goes with every call: without tz, load would take times for those of the user's zone; lang makes errors
// English, for some are told apart by their words; with tracking_disable, nobody gets a mail for every call that is
// assigned to them.
func (s *server) call(ctx context.Context, i invocation, into any) error {
	session, err := s.open(ctx)
	if err != nil {
		return err
	}
	i.arguments["context"] = map[string]any{"tz": "UTC", "lang": "en_US", "tracking_disable": true}
	if session.json2 {
		header := http.Header{"Authorization": {"bearer " + s.cfg.Token.Reveal()}}
		if s.cfg.Database != "" {
			header.Set("X-Odoo-Database", s.cfg.Database)
		}
		err = s.client.JSON(ctx, api.Request{
			Operation: i.operation, Title: i.title, Method: http.MethodPost, Path: "/json/2/" + i.model + "/" + i.method,
			Header: header, Body: i.arguments, Effect: i.effect, Pretend: i.pretend,
		}, into)
	} else {
		positional := []any{}
		if list, there := i.arguments["vals_list"]; there { // JSON-RPC takes it by position only
			positional = append(positional, list)
			delete(i.arguments, "vals_list")
		}
		err = s.rpc(ctx, api.Request{Operation: i.operation, Title: i.title, Effect: i.effect, Pretend: i.pretend}, into,
			"object", "execute_kw", s.cfg.Database, session.uid, s.cfg.Token.Reveal(), i.model, i.method, positional,
			i.arguments)
	}
	if is(err, crm.KindUnauthorized) {
		s.forget() // the server may have become another one: a newer version, a restored database
	}
	return err
}

// rpc sends a request in the form of JSON-RPC and decodes its result.
func (s *server) rpc(ctx context.Context, r api.Request, into any, service, method string, arguments ...any) error {
	r.Method, r.Path = http.MethodPost, rpcPath
	r.Body = map[string]any{"jsonrpc": "2.0", "method": "call", "id": 1, "params": map[string]any{
		"service": service, "method": method, "args": arguments,
	}}
	r.Pretend = map[string]any{"result": r.Pretend}
	answer := struct {
		Result any `json:"result"`
	}{into}
	return s.client.JSON(ctx, r, &answer)
}

// open finds out once how to speak to the server.
func (s *server) open(ctx context.Context) (session, error) {
	select {
	case s.opening <- struct{}{}:
		defer func() { <-s.opening }()
	case <-ctx.Done():
		return session{}, &crm.Error{Kind: crm.KindTransient, Op: "reach Odoo", Err: ctx.Err()}
	}
	s.mu.Lock()
	known := s.session
	s.mu.Unlock()
	if known != nil {
		return *known, nil
	}
	opened := session{json2: s.cfg.API == "json2"}
	var err error
	if s.cfg.API == "auto" {
		opened.json2, err = s.speaksJSON2(ctx)
	}
	if err == nil && !opened.json2 {
		opened.uid, err = s.authenticate(ctx)
	}
	if err != nil {
		return session{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.session = &opened
	return opened, nil
}

// forget lets the next call find out again how to speak to the server and which fields there are.
func (s *server) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.session, s.models = nil, map[string]model{}
}

// speaksJSON2 asks for the version. Servers before 19 do not know the path, and answer with all kinds of pages.
func (s *server) speaksJSON2(ctx context.Context) (bool, error) {
	r := api.Request{Operation: "describe", Title: "ask for the version", Method: http.MethodGet, Path: versionPath}
	r.Judge = func(a api.Answer) *crm.Error {
		if a.Status < 500 && a.Status != http.StatusTooManyRequests {
			return nil
		}
		return judge(r, a)
	}
	answer, err := s.client.Do(ctx, r)
	if err != nil {
		return false, err
	}
	var told struct {
		Version string `json:"version"`
	}
	if json.Unmarshal(answer.Body, &told) != nil {
		return false, nil
	}
	major, _, _ := strings.Cut(strings.TrimPrefix(told.Version, "saas~"), ".")
	number, err := strconv.Atoi(major)
	return err == nil && number >= firstJSON2, nil
}

// authenticate returns the id of the API key's user.
func (s *server) authenticate(ctx context.Context) (int64, error) {
	const title = "log in"
	if s.cfg.Login == "" {
		return 0, crm.Errorf(crm.KindUnauthorized, title,
			"the server is older than Odoo 19 and takes the API key only with the name of its user: set login")
	}
	var uid any
	err := s.rpc(ctx, api.Request{Operation: "token", Title: title}, &uid,
		"common", "authenticate", s.cfg.Database, s.cfg.Login, s.cfg.Token.Reveal(), map[string]any{})
	if err != nil {
		return 0, err
	}
	id, isNumber := uid.(json.Number)
	number, err := strconv.ParseInt(id.String(), 10, 64)
	switch {
	case uid == false:
		return 0, crm.Errorf(crm.KindUnauthorized, title, "Odoo knows no such login and API key in this database: %s", newKey)
	case !isNumber || err != nil:
		return 0, crm.Errorf(crm.KindTransient, title, "the answer is no id of a user")
	}
	return number, nil
}

// row is a record as search_read shows it. An empty value is false, a many2one is a pair of id and name.
type row map[string]any

// text returns a value that is a text, empty otherwise.
func (r row) text(name string) string {
	s, _ := r[name].(string)
	return s
}

// id returns the id in a field: its own, or that of a many2one. Empty: none.
func (r row) id(name string) string {
	value := r[name]
	if pair, isPair := value.([]any); isPair && len(pair) > 0 {
		value = pair[0]
	}
	return idText(value)
}

func idText(value any) string {
	number, _ := value.(json.Number)
	if id, err := number.Int64(); err != nil || id <= 0 {
		return ""
	}
	return number.String()
}

// search returns the records of a model that meet a domain, limit at most; truncated: there may be more.
func (s *server) search(
	ctx context.Context, operation, title, name string, domain []any, fields ...string,
) (rows []row, truncated bool, err error) {
	err = s.call(ctx, invocation{
		operation: operation, title: title, model: name, method: "search_read",
		arguments: map[string]any{"domain": domain, "fields": fields, "limit": limit, "order": "id"},
	}, &rows)
	if err == nil && rows == nil {
		err = crm.Errorf(crm.KindTransient, title, "the answer has no list")
	}
	return rows, len(rows) >= limit, err
}

// fields returns the fields of a model that the user may see.
func (s *server) fields(ctx context.Context, name string) (map[string]field, error) {
	s.mu.Lock()
	known := s.models[name]
	s.mu.Unlock()
	if s.now().Before(known.until) {
		return known.fields, nil
	}
	var fields map[string]field
	err := s.call(ctx, invocation{
		operation: "describe", title: "read the fields of " + name, model: name, method: "fields_get",
		arguments: map[string]any{"attributes": []string{"type", "relation", "selection"}},
	}, &fields)
	if err == nil && len(fields) == 0 {
		err = crm.Errorf(crm.KindTransient, "read the fields of "+name, "the answer has none")
	}
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.models[name] = model{fields, s.now().Add(fieldsLife)}
	return fields, nil
}

// may tells whether the user may do an operation (read, write, create) with records of a model.
func (s *server) may(ctx context.Context, operation, name string) (allowed bool, err error) {
	session, err := s.open(ctx)
	if err != nil {
		return false, err
	}
	i := invocation{
		operation: "describe", title: "ask for the right to " + operation + " " + name, model: name, method: "has_access",
		arguments: map[string]any{"operation": operation},
	}
	if !session.json2 {
		i.method = "check_access_rights"
		i.arguments["raise_exception"] = false
	}
	err = s.call(ctx, i, &allowed)
	return allowed, err
}
