package rest

import (
	"strconv"
	"time"

	"github.com/crmsyncd/crmsyncd/configs/secret"
	"github.com/crmsyncd/crmsyncd/crm/api"
)

// Config describes a REST CRM. Default has the values of what is not said. Texts may hold expressions as ${…}; keys
// documented as an expression are expressions without ${ }. The package comment explains both.
type Config struct {
	// BaseURL is the address that all paths are appended to, "https://crm.example.com/api/v1".
	BaseURL string `koanf:"base_url" validate:"required,http_url"`
	// Timeout bounds one request with its answer, default 10s; ConnectTimeout its connection and TLS handshake, default
	// 5s.
	Timeout        time.Duration `koanf:"timeout" validate:"gt=0"`
	ConnectTimeout time.Duration `koanf:"connect_timeout" validate:"gt=0"`
	// MaxResponse is how large an answer may be, default 1MiB. A larger one cannot be read.
	MaxResponse api.Size `koanf:"max_response" validate:"gt=0"`
	// PrivateAddresses allows base_url and token_url to resolve to addresses of your own network, default true: most CRMs
	// that are spoken to like this stand there.
	PrivateAddresses bool `koanf:"private_addresses"`
	// Concurrency is how many requests of one batch are under way at a time, default 4.
	Concurrency int `koanf:"concurrency" validate:"gte=1,lte=64"`
	// TimeZone is the zone of the function local, default that of the call centre.
	TimeZone string `koanf:"time_zone"`
	// PhoneRegion is the region (ISO 3166, "VN") in which the CRM's numbers without a country code are read, default that
	// of the call centre.
	PhoneRegion string `koanf:"phone_region" validate:"omitempty,len=2"`
	// Headers go with every request as they are. Secrets belong in Auth.
	Headers map[string]string `koanf:"headers"`
	Auth    Auth              `koanf:"auth"`
	// Rate bounds the requests of all workers together, default without bound.
	Rate api.Budget `koanf:"rate"`
	// IdempotencyHeader names a header that carries the same value in every create of the same call; empty: none.
	IdempotencyHeader string `koanf:"idempotency_header"`
	// PhoneForms are the spellings in which a number is looked up, one request each until one hits: e164
	// (+84912345678), national (0912345678), digits (84912345678), raw (as received). Default: all, in this order.
	PhoneForms []string `koanf:"phone_forms" validate:"dive,oneof=e164 national digits raw"`
	// Objects are the kinds of record that calls may belong to, in the order in which they are searched. Without any the
	// CRM has to match by itself.
	Objects []Object `koanf:"objects" validate:"dive"`
	// Answers are rules for all operations, tried after those of the operation and before the built-in ones.
	Answers []Answer `koanf:"answers" validate:"dive"`
	// Message is an expression over an answer: the CRM's own words for an error. Default: the usual keys of a JSON error.
	Message  string   `koanf:"message"`
	Calls    Calls    `koanf:"calls"`
	Users    Users    `koanf:"users"`
	Contacts Contacts `koanf:"contacts"`
}

// The types of Auth.
const (
	AuthNone              = "none"
	AuthBearer            = "bearer"
	AuthBasic             = "basic"
	AuthHeader            = "header"
	AuthClientCredentials = "oauth2_client_credentials" //nolint:gosec // the name of a grant, no credential
)

// Auth says how requests prove who they come from.
type Auth struct {
	// Type is none (default), bearer, basic, header or oauth2_client_credentials.
	Type string `koanf:"type" validate:"omitempty,oneof=none bearer basic header oauth2_client_credentials"`
	// Token is sent as "Authorization: Scheme Token" by bearer. Scheme is "Bearer" unless said otherwise, also for oauth2.
	Token     secret.String `koanf:"token"`
	TokenFile string        `koanf:"token_file"`
	Scheme    string        `koanf:"scheme"`
	// Username and Password are those of basic.
	Username     string        `koanf:"username"`
	Password     secret.String `koanf:"password"`
	PasswordFile string        `koanf:"password_file"`
	// Header and Value are sent as they are by header ("X-Api-Key").
	Header    string        `koanf:"header"`
	Value     secret.String `koanf:"value"`
	ValueFile string        `koanf:"value_file"`
	// TokenURL is where oauth2_client_credentials gets its tokens, with ClientID, ClientSecret, Scopes and TokenParams
	// (further form values, "audience").
	TokenURL         string            `koanf:"token_url" validate:"omitempty,http_url"`
	ClientID         string            `koanf:"client_id"`
	ClientSecret     secret.String     `koanf:"client_secret"`
	ClientSecretFile string            `koanf:"client_secret_file"`
	Scopes           []string          `koanf:"scopes"`
	TokenParams      map[string]string `koanf:"token_params"`
}

// Object is one kind of record. ID, TransactionID, Phones and Owner are expressions over a record found, item.
type Object struct {
	// Name is the kind ("lead"), unique.
	Name string `koanf:"name" validate:"required"`
	// FindByTransactionID and FindByPhone look records up; one of them is required.
	FindByTransactionID *Operation `koanf:"find_by_transaction_id"`
	FindByPhone         *Operation `koanf:"find_by_phone"`
	// ID is the record's id, default item.id.
	ID string `koanf:"id"`
	// TransactionID is what the record carries, one value or a list; required by FindByTransactionID.
	TransactionID string `koanf:"transaction_id"`
	// Phones are the record's numbers, one or a list; required by FindByPhone.
	Phones string `koanf:"phones"`
	// Owner is the id of the user who owns the record.
	Owner string `koanf:"owner"`
}

// Calls are the operations on call logs.
type Calls struct {
	// Create makes a call log; Update changes one, with the body of Create unless it has its own. Without Update a call
	// log is never changed.
	Create *Operation `koanf:"create"`
	Update *Operation `koanf:"update"`
	// Upsert creates or changes the call log of the same call id by itself, in place of Create.
	Upsert *Operation `koanf:"upsert"`
	// Find looks call logs up by their call id, before a create whose answer got lost is repeated. Required by Create.
	Find *Operation `koanf:"find"`
	// ID (default item.id) and CallID are expressions over a call log found, item. CallID is required by Find.
	ID     string `koanf:"id"`
	CallID string `koanf:"call_id"`
}

// Users are the operations on the CRM's users.
type Users struct {
	// Find looks the user of an agent up.
	Find *Operation `koanf:"find"`
	// ID (default item.id) and Name are expressions over a user found, item. Name is required by Find: a user whose Name
	// is not the agent's (upper and lower case are the same) is left out.
	ID   string `koanf:"id"`
	Name string `koanf:"name"`
}

// Contacts are the operations on records for unknown callers.
type Contacts struct {
	// Object is the kind of record that Create makes, one of Objects that has FindByPhone.
	Object string     `koanf:"object"`
	Create *Operation `koanf:"create"`
}

// Operation is one request and how its answer is read.
type Operation struct {
	// Method is GET for look-ups and POST for writes unless said otherwise.
	Method string `koanf:"method" validate:"omitempty,oneof=GET POST PUT PATCH"`
	// Path is a text; every expression in it becomes one escaped path segment or part of one.
	Path string `koanf:"path" validate:"required"`
	// Query has texts, or lists of them for a key that is repeated. Values are escaped.
	Query map[string]any `koanf:"query"`
	// Headers are texts.
	Headers map[string]string `koanf:"headers"`
	// Body is a tree whose leaves may be texts. A text that is one expression and nothing else keeps the type of its
	// value.
	Body any `koanf:"body"`
	// Encoding of the body is json (default) or form.
	Encoding string `koanf:"encoding" validate:"omitempty,oneof=json form"`
	// OmitEmpty leaves out the keys of Body and Query whose expression gives null or an empty text.
	OmitEmpty bool `koanf:"omit_empty"`
	// Records is an expression over the answer of a look-up: the list of what was found, or the one. Default: body.
	Records string `koanf:"records"`
	// Truncated is an expression over the answer of a look-up: are there more hits than were sent? Default: false.
	Truncated string `koanf:"truncated"`
	// ID is an expression over the answer of a create or upsert: the id of what was made. Required there.
	ID string `koanf:"id"`
	// Answers are rules for this operation, tried before all others.
	Answers []Answer `koanf:"answers" validate:"dive"`
	// ReadBack reads a call log after its write, for CRMs that drop values in silence; nil: not at all.
	ReadBack *ReadBack `koanf:"read_back"`
}

// ReadBack is a GET after a write, and what must hold of its answer.
type ReadBack struct {
	Path    string            `koanf:"path" validate:"required"`
	Query   map[string]any    `koanf:"query"`
	Headers map[string]string `koanf:"headers"`
	// Expect is an expression over the write (log_id is set) and the answer: has the CRM kept it?
	Expect string `koanf:"expect" validate:"required"`
}

// Answer is a rule: an answer for which When holds is taken for Then.
type Answer struct {
	// When is an expression over the answer. It does not hold where it cannot be evaluated, as for a body of another
	// shape.
	When string `koanf:"when" validate:"required"`
	// Then is success, not_found, gone, exists, throttled, quota, unauthorized, forbidden, invalid, transient or
	// in_doubt. not_found and gone are the same: nothing found for a look-up, the record is gone for a write.
	Then string `koanf:"then" validate:"required"`
	// ID is an expression over the answer, for exists: the id of the call log that is there.
	ID string `koanf:"id"`
	// Message is an expression over the answer: the CRM's own words.
	Message string `koanf:"message"`
	// RetryAfter is an expression over the answer: how many seconds to wait, or a text as in the header Retry-After.
	RetryAfter string `koanf:"retry_after"`
}

// Default returns the configuration that a CRM's own is laid over.
func Default() Config {
	return Config{
		Timeout: 10 * time.Second, ConnectTimeout: 5 * time.Second, MaxResponse: 1 << 20, Concurrency: 4,
		PrivateAddresses: true, PhoneForms: []string{"e164", "national", "digits", "raw"},
		Auth: Auth{Type: AuthNone},
	}
}

// ConfigError is one mistake in a Config.
type ConfigError struct {
	// Path is where it stands, seen from the adapter's section: "calls.create.body.data.caller[2]".
	Path string
	// Value is what stands there, empty when nothing does or it is a secret.
	Value string
	// Problem says what is wrong and what would be right.
	Problem string
}

// Error tells where, what and why.
func (e *ConfigError) Error() string {
	if e.Value == "" {
		return e.Path + ": " + e.Problem
	}
	return e.Path + ": " + e.Problem + ": " + quoted(e.Value)
}

// Validate returns every mistake as a ConfigError, joined by errors.Join. All expressions are compiled and checked.
func (c Config) Validate() error {
	_, err := compile(c, api.Options{}.Filled())
	return err
}

// connection returns what concerns the connections.
func (c Config) connection() api.Connection {
	return api.Connection{
		Timeout: c.Timeout, ConnectTimeout: c.ConnectTimeout, MaxResponse: c.MaxResponse,
		PrivateAddresses: c.PrivateAddresses,
	}
}

// quoted returns a value of the configuration as it stands in an error: on one line and not too long.
func quoted(s string) string {
	const maxQuoted = 120
	if runes := []rune(s); len(runes) > maxQuoted {
		s = string(runes[:maxQuoted]) + "…"
	}
	return strconv.Quote(s)
}
