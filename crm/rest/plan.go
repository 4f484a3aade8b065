package rest

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-playground/validator/v10"

	"github.com/crmsyncd/crmsyncd/configs/secret"
	"github.com/crmsyncd/crmsyncd/crm/api"
)

// plan is a compiled Config.
type plan struct {
	base    string
	region  string
	message *expression
	objects []object

	create, update, upsert, findLog *operation
	logID, logCallID                *expression
	findUser                        *operation
	userID, userName                *expression
	createContact                   *operation
	contactObject                   string
}

// object is a compiled Object.
type object struct {
	name                             string
	byTransaction, byPhone           *operation
	id, transactionID, phones, owner *expression
}

// compile checks and compiles the whole configuration. Its error joins a ConfigError for each mistake.
func compile(cfg Config, opts api.Options) (*plan, error) {
	c := &compiler{}
	c.simpleRules(cfg)
	zone := opts.Location
	if cfg.TimeZone != "" {
		var err error
		if zone, err = time.LoadLocation(cfg.TimeZone); err != nil {
			c.mistake("time_zone", cfg.TimeZone, "is no name of a time zone such as Asia/Ho_Chi_Minh")
		}
	}
	c.functions = functions(zone)
	c.address(cfg)
	c.auth(cfg.Auth)
	p := &plan{
		base:    strings.TrimRight(cfg.BaseURL, "/"),
		region:  strings.ToUpper(cmp.Or(cfg.PhoneRegion, opts.PhoneRegion)),
		message: c.expression("message", cfg.Message, answerEnv{}),
	}
	global := c.rules("answers", cfg.Answers)
	for i, o := range cfg.Objects {
		p.objects = append(p.objects, c.object("objects["+strconv.Itoa(i)+"]", o, cfg.Objects[:i], global))
	}
	c.calls(p, cfg.Calls, global)
	c.usersAndContacts(p, cfg, global)
	return p, errors.Join(c.mistakes...)
}

// simpleRules checks the rules in the tags of Config.
func (c *compiler) simpleRules(cfg Config) {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(func(f reflect.StructField) string { return f.Tag.Get("koanf") })
	v.RegisterCustomTypeFunc(func(f reflect.Value) any { return f.Interface().(secret.String).IsSet() }, secret.String{})
	broken, ok := errors.AsType[validator.ValidationErrors](v.Struct(cfg))
	if !ok {
		return
	}
	for _, e := range broken {
		path := strings.TrimPrefix(e.Namespace(), "Config.")
		value := fmt.Sprint(e.Value())
		if strings.HasSuffix(path, "_url") || e.Tag() == "required" {
			value = "" // an address may hold a password
		}
		c.mistake(path, value, "%s", tagProblem(e.Tag(), e.Param()))
	}
}

// tagProblem says in words which rule was broken.
func tagProblem(tag, param string) string {
	switch tag {
	case "required":
		return "is missing"
	case "http_url":
		return "must be an address such as https://crm.example.com/api/v1"
	case "oneof":
		return "must be one of " + strings.ReplaceAll(param, " ", ", ")
	case "gt":
		return "must be more than " + param
	case "gte":
		return "must be at least " + param
	case "lte":
		return "must be at most " + param
	default:
		return "must have " + tag + " " + param
	}
}

// address checks the base address and the headers that go with every request.
func (c *compiler) address(cfg Config) {
	if u, err := url.Parse(cfg.BaseURL); err == nil {
		if u.User != nil {
			c.mistake("base_url", "", "must not hold a user or password: they belong in auth")
		}
		if u.RawQuery != "" || u.Fragment != "" {
			c.mistake("base_url", "", "must not hold a query or fragment: a query belongs in that of the operations")
		}
	}
	for _, key := range slices.Sorted(maps.Keys(cfg.Headers)) {
		if !isHeaderName(key) || strings.ContainsAny(cfg.Headers[key], "\r\n\x00") {
			c.mistake("headers."+key, "", "is no header")
		}
	}
	if cfg.IdempotencyHeader != "" && !isHeaderName(cfg.IdempotencyHeader) {
		c.mistake("idempotency_header", cfg.IdempotencyHeader, "is no name of a header")
	}
}

// auth checks that what the type of authorization needs is there.
func (c *compiler) auth(a Auth) {
	need := func(key string, present bool) {
		if !present {
			c.mistake("auth."+key, "", "is missing: type %s needs it", a.Type)
		}
	}
	switch a.Type {
	case AuthBearer:
		need("token", a.Token.IsSet() || a.TokenFile != "")
	case AuthBasic:
		need("username", a.Username != "")
		need("password", a.Password.IsSet() || a.PasswordFile != "")
	case AuthHeader:
		need("header", isHeaderName(a.Header))
		need("value", a.Value.IsSet() || a.ValueFile != "")
	case AuthClientCredentials:
		need("token_url", a.TokenURL != "")
		need("client_id", a.ClientID != "")
		need("client_secret", a.ClientSecret.IsSet() || a.ClientSecretFile != "")
	}
}

// label matches what may stand in metrics and receipts as the name of an object.
var label = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,63}$`)

func (c *compiler) object(path string, o Object, before []Object, global []rule) object {
	switch {
	case o.Name != "" && !label.MatchString(o.Name):
		c.mistake(path+".name", o.Name, "must begin with a letter and hold only letters, digits, _, . and -")
	case slices.ContainsFunc(before, func(b Object) bool { return b.Name == o.Name }):
		c.mistake(path+".name", o.Name, "is there twice")
	}
	if o.FindByTransactionID == nil && o.FindByPhone == nil {
		c.mistake(path, "", "has neither find_by_transaction_id nor find_by_phone")
	}
	c.needed(path+".transaction_id", o.FindByTransactionID, o.TransactionID)
	c.needed(path+".phones", o.FindByPhone, o.Phones)
	finder := func(key string, op *Operation) *operation {
		return c.operation(place{path: path + "." + key, name: "find", title: "find " + o.Name, env: lookupEnv{}}, op, global)
	}
	return object{
		name:          o.Name,
		byTransaction: finder("find_by_transaction_id", o.FindByTransactionID),
		byPhone:       finder("find_by_phone", o.FindByPhone),
		id:            c.expression(path+".id", cmp.Or(o.ID, "item.id"), itemEnv{}),
		transactionID: c.expression(path+".transaction_id", o.TransactionID, itemEnv{}),
		phones:        c.expression(path+".phones", o.Phones, itemEnv{}),
		owner:         c.expression(path+".owner", o.Owner, itemEnv{}),
	}
}

// needed reports that a look-up lacks the expression by which its hits are checked.
func (c *compiler) needed(path string, find *Operation, expression string) {
	if find != nil && strings.TrimSpace(expression) == "" {
		c.mistake(path, "", "is missing: it says where a record has the value by which it was found, to check each one")
	}
}

func (c *compiler) calls(p *plan, calls Calls, global []rule) {
	switch {
	case calls.Create == nil && calls.Upsert == nil:
		c.mistake("calls.create", "", "is missing: without it or calls.upsert no call can be written")
	case calls.Create != nil && calls.Upsert != nil:
		c.mistake("calls.create", "", "stands beside calls.upsert: only one of them can make call logs")
	case calls.Create != nil && calls.Find == nil:
		c.mistake("calls.find", "", "is missing: a create whose answer got lost is looked up by it before it is repeated")
	}
	at := func(key, title string, effect api.Effect) place {
		name := strings.ReplaceAll(title, "call log", "log")
		return place{
			path: "calls." + key, name: strings.ReplaceAll(name, " ", "_"), title: title, effect: effect, env: writeEnv{},
			writes: true,
		}
	}
	p.create = c.operation(at("create", "create call log", api.Creates), calls.Create, global)
	p.update = c.operation(at("update", "update call log", api.Changes), calls.Update, global)
	if p.update != nil && p.update.body == nil && p.create != nil {
		// An update sends all that a create sends: what is not named is emptied by some CRMs.
		p.update.body, p.update.form = p.create.body, p.create.form
	}
	p.upsert = c.operation(at("upsert", "upsert call log", api.Changes), calls.Upsert, global)
	if calls.Upsert != nil && strings.TrimSpace(calls.Upsert.ID) == "" {
		c.mistake("calls.upsert.id", "", "is missing: say where the answer has the id, as in body.id")
	}
	find := place{path: "calls.find", name: "find_log", title: "find call log", env: callEnv{}}
	p.findLog = c.operation(find, calls.Find, global)
	c.needed("calls.call_id", calls.Find, calls.CallID)
	p.logID = c.expression("calls.id", cmp.Or(calls.ID, "item.id"), itemEnv{})
	p.logCallID = c.expression("calls.call_id", calls.CallID, itemEnv{})
}

func (c *compiler) usersAndContacts(p *plan, cfg Config, global []rule) {
	find := place{path: "users.find", name: "find_user", title: "find user", env: userEnv{}}
	p.findUser = c.operation(find, cfg.Users.Find, global)
	c.needed("users.name", cfg.Users.Find, cfg.Users.Name)
	p.userID = c.expression("users.id", cmp.Or(cfg.Users.ID, "item.id"), itemEnv{})
	p.userName = c.expression("users.name", cfg.Users.Name, itemEnv{})
	if cfg.Contacts.Create == nil {
		return
	}
	making := place{
		path: "contacts.create", name: "create_contact", title: "create contact", effect: api.Creates, env: callEnv{},
	}
	p.createContact = c.operation(making, cfg.Contacts.Create, global)
	p.contactObject = cfg.Contacts.Object
	if !slices.ContainsFunc(cfg.Objects, func(o Object) bool {
		return o.Name == cfg.Contacts.Object && o.FindByPhone != nil
	}) {
		c.mistake("contacts.object", cfg.Contacts.Object,
			"must be one of objects that has find_by_phone: a contact is looked up before it is created")
	}
}
