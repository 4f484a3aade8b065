package configs

import (
	"time"

	"github.com/crmsyncd/crmsyncd/configs/secret"
	"github.com/crmsyncd/crmsyncd/crm/bitrix24"
	"github.com/crmsyncd/crmsyncd/crm/dynamics"
	"github.com/crmsyncd/crmsyncd/crm/espocrm"
	"github.com/crmsyncd/crmsyncd/crm/getfly"
	"github.com/crmsyncd/crmsyncd/crm/hubspot"
	"github.com/crmsyncd/crmsyncd/crm/odoo"
	"github.com/crmsyncd/crmsyncd/crm/pipedrive"
	"github.com/crmsyncd/crmsyncd/crm/rest"
	"github.com/crmsyncd/crmsyncd/crm/salesforce"
	"github.com/crmsyncd/crmsyncd/crm/suitecrm"
	"github.com/crmsyncd/crmsyncd/crm/zoho"
)

// Config is the whole configuration. The comment of each field tells what it means, its unit, what 0 means and its
// default. A Config that Load returned is valid. Nobody changes it, so it is safe for concurrent use.
type Config struct {
	Receiver Receiver `koanf:"receiver"`
	Source   Source   `koanf:"source"`
	Outbox   Outbox   `koanf:"outbox"`
	Delivery Delivery `koanf:"delivery"`
	Match    Match    `koanf:"match"`
	Agents   Agents   `koanf:"agents"`
	CRM      CRM      `koanf:"crm"`
	Admin    Admin    `koanf:"admin"`
	Log      Log      `koanf:"log"`

	// How long an orderly stop may take. What is still in flight then is postponed to the next start. Default: 25s.
	ShutdownTimeout time.Duration `koanf:"shutdown_timeout" validate:"gt=0"`
}

// Receiver is the public listener that takes webhooks in.
type Receiver struct {
	// Address and port of the public listener. Default: 127.0.0.1:8080.
	Listen string `koanf:"listen" validate:"listen"`
	// Keys of which the call centre sends one in the header Authorization; 1 to 8, at least 16 characters each.
	// Several allow a change without a gap. Required.
	AuthorizationKeys []secret.String `koanf:"authorization_keys" validate:"min=1,max=8,dive,secret"`
	// How large the body of a webhook may be, 1KiB to 1MiB. Default: 64KiB.
	BodyLimit Bytes `koanf:"body_limit" validate:"gte=1024,lte=1048576"`
	// How long a client may take to send a request. Default: 10s.
	ReadTimeout time.Duration `koanf:"read_timeout" validate:"gt=0"`
	// How long a request may take until its answer is sent. Default: 10s.
	WriteTimeout time.Duration `koanf:"write_timeout" validate:"gt=0"`
	// How long a connection is kept open without a request. Default: 2m.
	IdleTimeout time.Duration `koanf:"idle_timeout" validate:"gt=0"`
	// How large the headers of a request may be, 4KiB to 1MiB. Default: 16KiB.
	MaxHeaderBytes Bytes `koanf:"max_header_bytes" validate:"gte=4096,lte=1048576"`
	// How many connections are open at a time; more wait to be accepted. 0: no limit. Either way 64 less than the process
	// may have open files (ulimit -n, LimitNOFILE= of systemd) is the most. Default: 10000.
	MaxConnections int `koanf:"max_connections" validate:"gte=0"`
	// How many webhooks wait for the disk at a time; more are answered with 503. Default: 4096.
	MaxInFlight int `koanf:"max_in_flight" validate:"gte=1"`
}

// Source says how to read what the call centre sends.
type Source struct {
	// Time zone (IANA) of times without one. Default: Asia/Ho_Chi_Minh.
	TimeZone string `koanf:"time_zone" validate:"time_zone"`
	// Region (ISO 3166) of phone numbers without a country code. Default: VN.
	PhoneRegion string `koanf:"phone_region" validate:"phone_region"`
	// Base URL put before the name of a recording that comes without one. Empty: such a name stays as it is. Default:
	// empty.
	RecordingBase string `koanf:"recording_base" validate:"omitempty,base_url"`
}

// Outbox is the durable store between the receiver and the CRM.
type Outbox struct {
	// File of the outbox. Its directory must allow new files. Default: data/outbox.db.
	Path string `koanf:"path" validate:"required"`
	// How long delivered calls are kept. A repeat that comes later counts as new. Default: 720h.
	Retention time.Duration `koanf:"retention" validate:"gt=0"`
	// How many bytes may be in use before webhooks are answered with 503, at least 64MiB. Default: 8GiB.
	Limit Bytes `koanf:"limit" validate:"gte=67108864"`
	// How many bytes of refused bodies are kept; the oldest give way. At least 1MiB. Default: 64MiB.
	QuarantineLimit Bytes `koanf:"quarantine_limit" validate:"gte=1048576"`
	// How many refused bodies are kept; the oldest give way. Default: 10000.
	QuarantineCount int `koanf:"quarantine_count" validate:"gte=1"`
}

// What makes a call worth writing, the values of Delivery.Write.
const (
	WriteLive     = "live"
	WriteEnded    = "ended"
	WriteComplete = "complete"
)

// Delivery says how calls are brought from the outbox to the CRM.
type Delivery struct {
	// How many batches are delivered at a time, 1 to 256. Default: 8.
	Workers int `koanf:"workers" validate:"gte=1,lte=256"`
	// How many calls are delivered together, up to 1000. 0: as many as the CRM takes in one request. Default: 0.
	Batch int `koanf:"batch" validate:"gte=0,lte=1000"`
	// How long the first event of a call waits for the next ones, so that they become one write. 0: not at all.
	// Default: 2s.
	Hold time.Duration `koanf:"hold" validate:"gte=0"`
	// When a call is written: live (at once, then updated), ended (when it has ended) or complete (when its recording
	// is there as well). Default: live.
	Write string `koanf:"write" validate:"oneof=live ended complete"`
	// How long ended and complete wait for the end of a call before it is written as it is. Default: 6h.
	EndWait time.Duration `koanf:"end_wait" validate:"gt=0"`
	// How long complete waits for the recording after the end. 0: not at all. Default: 15m.
	RecordingWait time.Duration `koanf:"recording_wait" validate:"gte=0"`
	// How long one delivery of a batch may take. Default: 1m.
	Timeout time.Duration `koanf:"timeout" validate:"gt=0"`
	// How many deliveries of a call may break off with the process before it is parked. Default: 10.
	MaxStarts int     `koanf:"max_starts" validate:"gte=1"`
	Retry     Retry   `koanf:"retry"`
	Breaker   Breaker `koanf:"breaker"`
}

// Retry says when a failed delivery is tried again.
type Retry struct {
	// Wait after the first failure; it grows with each further one. Default: 1s.
	Initial time.Duration `koanf:"initial" validate:"gt=0"`
	// Longest wait between two attempts. Default: 5m.
	Max time.Duration `koanf:"max" validate:"gt=0"`
	// Age at which a call that keeps failing is parked for an operator. Default: 72h.
	GiveUpAfter time.Duration `koanf:"give_up_after" validate:"gt=0"`
	// Share by which a wait is made longer or shorter at random, 0 to 1. 0: not at all. Default: 0.5.
	Jitter float64 `koanf:"jitter" validate:"gte=0,lte=1"`
}

// Breaker says when the CRM is left in peace.
type Breaker struct {
	// Failures in a row after which all deliveries rest. Default: 5.
	Failures int `koanf:"failures" validate:"gte=1"`
	// First rest; it grows while the CRM keeps failing. Default: 5s.
	Pause time.Duration `koanf:"pause" validate:"gt=0"`
	// Longest rest. Default: 1m.
	MaxPause time.Duration `koanf:"max_pause" validate:"gt=0"`
}

// What to do with a call that no record matches, the values of Match.Unmatched.
const (
	UnmatchedPark     = "park"
	UnmatchedCreate   = "create"
	UnmatchedUnlinked = "unlinked"
)

// Match says how the record is found that a call belongs to.
type Match struct {
	// How long a record is looked for before the call counts as unmatched. 0: it is looked for once. Default: 15m.
	Wait time.Duration `koanf:"wait" validate:"gte=0"`
	// Whether records are also looked for by phone number, after the transaction id. Default: true.
	Phone bool `koanf:"phone"`
	// What becomes of an unmatched call: park (an operator decides), create (a new contact) or unlinked (written
	// without a record). Default: park.
	Unmatched string `koanf:"unmatched" validate:"oneof=park create unlinked"`
}

// Agents says which user of the CRM an agent of the call centre is.
type Agents struct {
	// Users of the CRM by the agent's user name or extension. Others are looked up, where the CRM can. Default: empty.
	Map map[string]string `koanf:"map" validate:"dive,keys,required,endkeys,required"`
	// User of the CRM for agents who are neither mapped nor found. Empty: the CRM decides. Default: empty.
	Default string `koanf:"default"`
	// How long a user that was looked up is remembered. 0: not at all. Default: 10m.
	Cache time.Duration `koanf:"cache" validate:"gte=0"`
}

// CRM is the section of the CRM: Type names the adapter, and of the fields after it only the adapter's own is filled.
type CRM struct {
	// Adapter of the CRM. The other keys of this section are the adapter's. Required.
	Type string `koanf:"type" validate:"crm_type"`

	Bitrix24   bitrix24.Config   `koanf:"-" validate:"-"`
	Dynamics   dynamics.Config   `koanf:"-" validate:"-"`
	Espocrm    espocrm.Config    `koanf:"-" validate:"-"`
	Getfly     getfly.Config     `koanf:"-" validate:"-"`
	Hubspot    hubspot.Config    `koanf:"-" validate:"-"`
	Odoo       odoo.Config       `koanf:"-" validate:"-"`
	Pipedrive  pipedrive.Config  `koanf:"-" validate:"-"`
	Rest       rest.Config       `koanf:"-" validate:"-"`
	Salesforce salesforce.Config `koanf:"-" validate:"-"`
	Suitecrm   suitecrm.Config   `koanf:"-" validate:"-"`
	Zoho       zoho.Config       `koanf:"-" validate:"-"`
}

// Admin is the listener for operators: metrics, health, API and console.
type Admin struct {
	// Address and port of the operators' listener. Default: 127.0.0.1:9090.
	Listen string `koanf:"listen" validate:"listen"`
	// Token that operators must send, at least 16 characters. Required unless the listener is on loopback. Default:
	// empty.
	Token secret.String `koanf:"token" validate:"omitempty,secret"`
}

// Log says how the daemon writes its log to the standard error.
type Log struct {
	// Least level that is written: debug, info, warn or error. Default: info.
	Level string `koanf:"level" validate:"oneof=debug info warn error"`
	// Form of a line: json or text. Default: json.
	Format string `koanf:"format" validate:"oneof=json text"`
}
