package configs

import (
	"time"

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

// Default returns the configuration that the file and the environment are laid over. It is not valid by itself:
// receiver.authorization_keys, crm.type and what the adapter requires have no default.
func Default() Config {
	return Config{
		Receiver: Receiver{
			Listen: "127.0.0.1:8080", BodyLimit: 64 * KiB,
			ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
			MaxHeaderBytes: 16 * KiB, MaxConnections: 10_000, MaxInFlight: 4096,
		},
		Source: Source{TimeZone: "Asia/Ho_Chi_Minh", PhoneRegion: "VN"},
		Outbox: Outbox{
			Path: "data/outbox.db", Retention: 720 * time.Hour, Limit: 8 * GiB,
			QuarantineLimit: 64 * MiB, QuarantineCount: 10_000,
		},
		Delivery: Delivery{
			Workers: 8, Hold: 2 * time.Second, Write: WriteLive,
			EndWait: 6 * time.Hour, RecordingWait: 15 * time.Minute, Timeout: time.Minute, MaxStarts: 10,
			Retry:   Retry{Initial: time.Second, Max: 5 * time.Minute, GiveUpAfter: 72 * time.Hour, Jitter: 0.5},
			Breaker: Breaker{Failures: 5, Pause: 5 * time.Second, MaxPause: time.Minute},
		},
		Match:  Match{Wait: 15 * time.Minute, Phone: true, Unmatched: UnmatchedPark},
		Agents: Agents{Cache: 10 * time.Minute},
		CRM: CRM{
			Bitrix24: bitrix24.Default(), Dynamics: dynamics.Default(), Espocrm: espocrm.Default(), Getfly: getfly.Default(),
			Hubspot: hubspot.Default(), Odoo: odoo.Default(), Pipedrive: pipedrive.Default(), Rest: rest.Default(),
			Salesforce: salesforce.Default(), Suitecrm: suitecrm.Default(), Zoho: zoho.Default(),
		},
		Admin:           Admin{Listen: "127.0.0.1:9090"},
		Log:             Log{Level: "info", Format: "json"},
		ShutdownTimeout: 25 * time.Second,
	}
}
