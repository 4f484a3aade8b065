package api

import (
	"net/http"
	"net/url"

	"github.com/crmsyncd/crmsyncd/crm"
)

// Effect is what a request does to the CRM. It decides what a lost answer means.
type Effect uint8

// The effects. The zero one changes nothing.
const (
	// Reads changes nothing.
	Reads Effect = iota
	// Creates makes something, and makes a twin when it is repeated: an answer that got lost is crm.KindInDoubt.
	Creates
	// Changes is harmless to repeat: an upsert, an update, an association.
	Changes
)

// Request is one request to the CRM.
type Request struct {
	// Operation is the label in metrics, one of a closed list: find, find_log, find_user, create_contact, create_log,
	// update_log, upsert_log, associate, attach_recording, describe, setup, batch.
	Operation string
	// Title is what errors call it: "find contact by transaction id".
	Title string
	// Method is GET or POST and so on; empty: GET for Reads without a body, else POST. A request that Creates must not be
	// a GET: net/http repeats those by itself.
	Method string
	// Path is appended to the base URL as it is: already escaped, beginning with "/".
	Path string
	// Query is appended to Path; nil: none.
	Query url.Values
	// Header goes with this request, in place of the same header of the ClientConfig; nil: none.
	Header http.Header
	// Body is encoded as JSON, a url.Values as a form; a Raw is sent as it is. nil: no body.
	Body any
	// WithToken returns the body for an access token, in place of Body, where the token belongs into it (Bitrix24). No
	// header carries the token then.
	WithToken func(token string) any
	// Budget names the rate bucket that the request is taken from. One that is not configured is without bound.
	Budget string
	// Effect is what the request does.
	Effect Effect
	// Pretend is what a dry run takes for the JSON of the answer to a request that is not sent.
	Pretend any
	// Judge reads the answer in place of the client's Judge, for a request whose answers mean something of their own;
	// nil: that of the client.
	Judge func(a Answer) *crm.Error
}

// Answer is what the CRM answered.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	// Cut says that the body went beyond Connection.MaxResponse and only its beginning is there.
	Cut bool
}
