package sandbox

import (
	"encoding/json"
	"time"
)

// Contact is a customer.
type Contact struct {
	// ID is given by the server, "ct_000001".
	ID   string `json:"id"`
	Name string `json:"name"`
	// Phone is kept as written and compared in its national form.
	Phone string `json:"phone"`
	// TransactionID correlates calls with the contact. Several contacts may carry the same one.
	TransactionID string `json:"transaction_id"`
	// Owner is the id of a user. It is not checked.
	Owner string `json:"owner"`
	// Custom holds the fields that the sandbox has no name for: strings, numbers (json.Number) and booleans.
	Custom map[string]any `json:"custom,omitempty"`
	// CreatedAt and UpdatedAt are set by the server, in UTC.
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// User is an agent or a salesperson.
type User struct {
	// ID is given by the server, "us_000001".
	ID        string `json:"id"`
	Name      string `json:"name"`
	Extension string `json:"extension"`
	Email     string `json:"email"`
	// Custom, CreatedAt and UpdatedAt are as in Contact.
	Custom    map[string]any `json:"custom,omitempty"`
	CreatedAt time.Time      `json:"created_at"`
	UpdatedAt time.Time      `json:"updated_at"`
}

// Call is a call log. In JSON an absent contact_id is null; absent times and seconds are left out.
type Call struct {
	// ID is given by the server, "cl_000001".
	ID string `json:"id"`
	// CallID is the call centre's id of the call: required, unique, and not to be changed.
	CallID string `json:"call_id"`
	// ContactID is the contact that the call belongs to, empty when it belongs to none.
	ContactID     string `json:"contact_id"`
	TransactionID string `json:"transaction_id,omitempty"`
	// Direction is inbound, outbound, or empty when nobody knows.
	Direction string `json:"direction"`
	// Status and Result are words of the writer's choice. The pages read Result first, then Status.
	Status string `json:"status"`
	Result string `json:"result"`
	Agent  string `json:"agent"`
	// Owner is the id of a user. It is not checked.
	Owner string `json:"owner"`
	// Phone is the customer's number as written.
	Phone string `json:"phone,omitempty"`
	// StartedAt, AnsweredAt and EndedAt are in UTC, zero when absent.
	StartedAt  time.Time `json:"started_at,omitzero"`
	AnsweredAt time.Time `json:"answered_at,omitzero"`
	EndedAt    time.Time `json:"ended_at,omitzero"`
	// TotalSeconds is the whole call with ringing, nil when absent.
	TotalSeconds *int64 `json:"total_seconds,omitempty"`
	TalkSeconds  *int64 `json:"talk_seconds,omitempty"`
	HoldSeconds  *int64 `json:"hold_seconds,omitempty"`
	Hotline      string `json:"hotline"`
	Extension    string `json:"extension"`
	HangupBy     string `json:"hangup_by"`
	// RecordingURL is kept as written; the pages offer it only when it is an http or https address.
	RecordingURL string `json:"recording_url"`
	Title        string `json:"title"`
	Note         string `json:"note"`
	// Custom, CreatedAt and UpdatedAt are as in Contact.
	Custom    map[string]any `json:"custom,omitempty"`
	CreatedAt time.Time      `json:"created_at"`
	UpdatedAt time.Time      `json:"updated_at"`
	// Revision counts the states of the log: 1 when created, one more for each change.
	Revision int `json:"revision"`
}

// MarshalJSON writes the call log with a null contact_id when it belongs to nobody.
func (c Call) MarshalJSON() ([]byte, error) {
	type plain Call
	with := struct {
		plain
		ContactID *string `json:"contact_id"`
	}{plain: plain(c)}
	if c.ContactID != "" {
		with.ContactID = &c.ContactID
	}
	return json.Marshal(with)
}

// Revision is one step in the history of a call log.
type Revision struct {
	// Number is the Call.Revision that the step led to.
	Number int       `json:"revision"`
	At     time.Time `json:"at"`
	// Fields are the names of the fields that changed, sorted; custom fields as "custom.name".
	Fields []string `json:"fields"`
	// Changes holds the values before and after for each of Fields, nil where there was none.
	Changes map[string]Change `json:"changes"`
}

// Change is what one field was and became.
type Change struct {
	From any `json:"from"`
	To   any `json:"to"`
}
