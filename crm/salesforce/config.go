package salesforce

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/crmsyncd/crmsyncd/configs/secret"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/text"
)

// Config describes an org. Default has the values of what is not said.
type Config struct {
	// MyDomain is the org's own login host, "acme.my.salesforce.com", or its first word "acme". Required.
	MyDomain string `koanf:"my_domain" validate:"required"`
	// ClientID and ClientSecret are the key and the secret of a connected app (or external client app) that has the
	// client credentials flow enabled. Required.
	ClientID         string        `koanf:"client_id" validate:"required"`
	ClientSecret     secret.String `koanf:"client_secret"`
	ClientSecretFile string        `koanf:"client_secret_file"`
	// APIVersion of the REST API, default 62.0, at least 46.0.
	APIVersion string `koanf:"api_version"`
	// TimeZone is the zone in which the date of a Task is told and times are written into texts, default that of the
	// call centre.
	TimeZone string `koanf:"time_zone"`
	// PhoneRegion is the region (ISO 3166, "VN") of numbers without country code, default that of the call centre.
	PhoneRegion string `koanf:"phone_region" validate:"omitempty,len=2"`
	// Objects are the kinds of record that calls may belong to, in the order in which they are searched. Default: Contact,
	// then Lead.
	Objects []Object `koanf:"objects" validate:"min=1,dive"`
	// Tasks says what is written of a call.
	Tasks Tasks `koanf:"tasks"`
	// AgentField is the field of User that holds the name or extension of an agent, default Username. AgentDomain is
	// appended to names without an @ ("acme.com": an.nguyen becomes an.nguyen@acme.com); empty: nothing is.
	AgentField  string `koanf:"agent_field"`
	AgentDomain string `koanf:"agent_domain"`
	// NewContact is what is created for an unknown caller, if the daemon is told to create.
	NewContact NewContact `koanf:"new_contact"`
	// Concurrency is how many requests of one batch are under way at a time, default 4.
	Concurrency int `koanf:"concurrency" validate:"gte=1,lte=20"`
	// QuerySize bounds the values in the URI of a query, in bytes as they are escaped, default 8000. Salesforce takes
	// 16,384 bytes for the URI together with the headers, of which an access token may be a few thousand.
	QuerySize  int            `koanf:"query_size" validate:"gte=500,lte=12000"`
	Connection api.Connection `koanf:"connection"`
	Text       text.Config    `koanf:"text"`
}

// Object is one kind of record.
type Object struct {
	// Name is its API name ("Contact"). Calls are linked to a Contact or Lead as WhoId, to all others as WhatId.
	Name string `koanf:"name" validate:"required"`
	// TransactionID is the field that carries the transaction id. Empty: not looked up by it.
	TransactionID string `koanf:"transaction_id"`
	// Phones are the fields that carry phone numbers. Empty: not looked up by them.
	Phones []string `koanf:"phones"`
}

// Tasks says what is written of a call.
type Tasks struct {
	// CallIDField is the field of Activity that holds the call id, default Call_Id__c. Upsert (default true) needs it to
	// be an external id; without Upsert it may be CallObject, which every org has.
	CallIDField string `koanf:"call_id_field"`
	Upsert      bool   `koanf:"upsert"`
	// RecordingField is a field of Activity (URL or text, 255 characters) for the address of the recording. Empty
	// (default), and for longer addresses: it stands in Description.
	RecordingField string `koanf:"recording_field"`
	// StartField is a Date/Time field of Activity for the start of the call. Empty (default): none.
	StartField string `koanf:"start_field"`
	// Running and Ended are values of the picklist Status, default "In Progress" and "Completed". Priority is one of the
	// picklist Priority, default Normal.
	Running  string `koanf:"running"`
	Ended    string `koanf:"ended"`
	Priority string `koanf:"priority"`
	// Answered and Missed are the texts of CallDisposition, default "Answered" and "Missed".
	Answered string `koanf:"answered"`
	Missed   string `koanf:"missed"`
	// KeepDescription: Description and Subject are written once and then left to the salespeople, default false. What
	// comes later (duration, recording) is then in the fields only.
	KeepDescription bool `koanf:"keep_description"`
}

// NewContact is a record for an unknown caller.
type NewContact struct {
	// Object is Lead (default) or Contact. LastName, before the number, is what the record is called, default "Caller".
	// Company is required by a Lead, default "Unknown".
	Object   string `koanf:"object" validate:"oneof=Lead Contact"`
	LastName string `koanf:"last_name"`
	Company  string `koanf:"company"`
}

// Default returns the configuration of a standard org after "crmsyncd setup crm".
func Default() Config {
	phones := []string{"Phone", "MobilePhone"}
	return Config{
		APIVersion: "62.0", AgentField: "Username", Concurrency: 4, QuerySize: 8000,
		Objects: []Object{{"Contact", "Transaction_Id__c", phones}, {"Lead", "Transaction_Id__c", phones}},
		Tasks: Tasks{
			CallIDField: "Call_Id__c", Upsert: true, Running: "In Progress", Ended: "Completed", Priority: "Normal",
			Answered: "Answered", Missed: "Missed",
		},
		NewContact: NewContact{Object: "Lead", LastName: "Caller", Company: "Unknown"},
		Connection: api.DefaultConnection(), Text: text.Default(),
	}
}

var (
	apiName    = regexp.MustCompile(`^[A-Za-z]\w{0,79}$`)
	apiVersion = regexp.MustCompile(`^(4[6-9]|[5-9]\d|\d{3})\.0$`)
	recordID   = regexp.MustCompile(`^[0-9A-Za-z]{15}([0-9A-Za-z]{3})?$`)
)

// Validate returns every mistake, joined by errors.Join, each with the key that it stands at.
func (c Config) Validate() error {
	var errs []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	if _, err := c.address(); err != nil {
		errs = append(errs, fmt.Errorf("my_domain: %w", err))
	}
	wrong(c.ClientID == "", "client_id: is missing, it is the consumer key of the connected app")
	wrong(!c.ClientSecret.IsSet(), "client_secret: is missing, give it or client_secret_file")
	wrong(!apiVersion.MatchString(c.APIVersion), "api_version: is %q, it must be 46.0 or later", c.APIVersion)
	wrong(len(c.Objects) == 0, "objects: are missing, without any no call finds its record")
	for i, o := range c.Objects {
		for _, name := range append([]string{o.Name, cmp.Or(o.TransactionID, "none")}, o.Phones...) {
			wrong(!apiName.MatchString(name), "objects[%d]: %q is no API name", i, name)
		}
		wrong(o.TransactionID == "" && len(o.Phones) == 0, "objects[%d]: needs transaction_id or phones", i)
	}
	t := c.Tasks
	for key, name := range map[string]string{
		"tasks.call_id_field": t.CallIDField, "tasks.recording_field": cmp.Or(t.RecordingField, "none"),
		"tasks.start_field": cmp.Or(t.StartField, "none"), "agent_field": c.AgentField,
	} {
		wrong(!apiName.MatchString(name), "%s: %q is no API name", key, name)
	}
	wrong(t.Upsert && !strings.HasSuffix(t.CallIDField, "__c"),
		"tasks.call_id_field: only a field of your own can be an external id: name one or set tasks.upsert to false")
	wrong(t.Running == "" || t.Ended == "" || t.Priority == "", "tasks: running, ended and priority must not be empty")
	location, err := time.LoadLocation(c.TimeZone)
	wrong(err != nil, "time_zone: %q is not known, write one such as Asia/Ho_Chi_Minh", c.TimeZone)
	if _, err := text.New(c.Text, location); err != nil {
		errs = append(errs, fmt.Errorf("text: %w", err))
	}
	return errors.Join(errs...)
}

// address returns where the org is before a token says otherwise. Without TLS only this machine is reached, or an
// address without a name: the secret would be seen by everybody on the way.
func (c Config) address() (string, error) {
	host := strings.TrimSuffix(c.MyDomain, "/")
	if !strings.ContainsAny(host, ".:") && host != "" {
		host += ".my.salesforce.com"
	}
	if !strings.Contains(host, "://") {
		host = "https://" + host
	}
	u, err := url.Parse(host)
	switch {
	case c.MyDomain == "":
		return "", errors.New("is missing, it is the host of the org: acme.my.salesforce.com")
	case err != nil || u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "":
		return "", errors.New("is no host: write it without path, acme.my.salesforce.com")
	case u.Scheme != "https" && (u.Scheme != "http" || net.ParseIP(u.Hostname()) == nil && u.Hostname() != "localhost"):
		return "", errors.New("must be reached by https")
	}
	return u.Scheme + "://" + u.Host, nil
}
