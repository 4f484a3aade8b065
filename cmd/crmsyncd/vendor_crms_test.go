package main

import (
	"net/http"
	"time"

	"github.com/crmsyncd/crmsyncd/crm/crmtest"
	"github.com/crmsyncd/crmsyncd/crm/dynamics/dynamicstest"
	"github.com/crmsyncd/crmsyncd/crm/getfly/getflytest"
	"github.com/crmsyncd/crmsyncd/crm/odoo/odootest"
	"github.com/crmsyncd/crmsyncd/crm/pipedrive/pipedrivetest"
	"github.com/crmsyncd/crmsyncd/crm/suitecrm/suitecrmtest"
	"github.com/crmsyncd/crmsyncd/crm/zoho/zohotest"
	"github.com/crmsyncd/crmsyncd/outbox"
)

// zohoCRM names no time in most of its refusals: those have rests that the adapter chose.
func zohoCRM() vendorCRM {
	spent := zohotest.Refusal(http.StatusTooManyRequests, "TOO_MANY_REQUESTS", "too many requests", nil)
	spent.Header.Set("X-API-CREDITS-REMAINING", "0")
	return vendorCRM{
		name: "zoho", title: "Zoho CRM", object: "Contacts",
		fake: func(now func() time.Time, lag time.Duration) crmtest.Vendor {
			return zohotest.New(zohotest.Options{Now: now, SearchLag: lag})
		},
		lines: `{type: zoho, accounts_url: "$URL", base_url: "$URL", client_id: ` + zohotest.ClientID + `,
  client_secret: ` + zohotest.ClientSecret + `, refresh_token: ` + zohotest.RefreshToken + `, agent_domain: ` + domain + `}`,
		rests: []restOrder{
			{"a time in the body", zohotest.Throttled(time.Second), time.Second, outbox.PauseThrottle},
			{
				"no time", zohotest.Refusal(http.StatusTooManyRequests, "TOO_MANY_REQUESTS", "too many requests", nil),
				10 * time.Second, outbox.PauseThrottle,
			},
			{"credits", spent, 5 * time.Minute, outbox.PauseQuota},
		},
	}
}

func pipedriveCRM() vendorCRM {
	return vendorCRM{
		name: "pipedrive", title: "Pipedrive", object: "person",
		fake: func(now func() time.Time, lag time.Duration) crmtest.Vendor {
			return pipedrivetest.New(pipedrivetest.Options{Now: now, SearchLag: lag})
		},
		lines: `{type: pipedrive, base_url: "$URL", token: "` + pipedrivetest.Token + `", email_domain: ` + domain + `,
  rate: {per_second: 0}, search_rate: {per_second: 0}}`,
		rests: []restOrder{
			{"burst", pipedrivetest.Throttled(2 * time.Second), 2 * time.Second, outbox.PauseThrottle},
			{"Cloudflare", pipedrivetest.Blocked(), 5 * time.Minute, outbox.PauseThrottle},
			{"day", pipedrivetest.Throttled(2 * time.Hour), 2 * time.Hour, outbox.PauseQuota},
		},
	}
}

func dynamicsCRM() vendorCRM {
	return vendorCRM{
		name: "dynamics", title: "Dynamics 365", object: "contact",
		fake: func(now func() time.Time, _ time.Duration) crmtest.Vendor { // queries read the database, which does not lag
			return dynamicstest.New(dynamicstest.Options{Now: now})
		},
		lines: `{type: dynamics, base_url: "$URL", token_url: "$URL/` + dynamicstest.Tenant + `/oauth2/v2.0/token",
  client_id: ` + dynamicstest.ClientID + `, client_secret: ` + dynamicstest.ClientSecret + `, agent_domain: ` + domain + `,
  phone_calls: {call_id_field: ` + dynamicstest.CallID + `, seconds_field: ` + dynamicstest.Seconds + `,
    recording_field: ` + dynamicstest.Recording + `}}`,
		rests: []restOrder{
			{"requests", dynamicstest.Throttled(time.Second), time.Second, outbox.PauseThrottle},
			{"five minutes", dynamicstest.Throttled(5 * time.Minute), 5 * time.Minute, outbox.PauseThrottle},
		},
	}
}

func odooCRM() vendorCRM {
	return vendorCRM{
		name: "odoo", title: "Odoo", object: "res.partner",
		fake: func(now func() time.Time, _ time.Duration) crmtest.Vendor { // searches read the database, which does not lag
			return odootest.New(odootest.Options{Now: now})
		},
		lines: `{type: odoo, base_url: "$URL", database: ` + odootest.Database + `, token: "` + odootest.APIKey + `"}`,
		rests: []restOrder{
			{"proxy", odootest.Throttled(time.Second), time.Second, outbox.PauseThrottle},
			{"no time", crmtest.Answer{Status: http.StatusTooManyRequests}, 10 * time.Second, outbox.PauseThrottle},
		},
	}
}

func suitecrmCRM() vendorCRM {
	return vendorCRM{
		name: "suitecrm", title: "SuiteCRM", object: "Contacts",
		fake: func(now func() time.Time, lag time.Duration) crmtest.Vendor {
			return suitecrmtest.New(suitecrmtest.Options{Now: now, SearchLag: lag})
		},
		lines: `{type: suitecrm, base_url: "$URL", client_id: ` + suitecrmtest.ClientID + `,
  client_secret: ` + suitecrmtest.ClientSecret + `, calls: {duration_seconds: duration_seconds_c}}`,
		rests: []restOrder{
			{"proxy", suitecrmtest.Throttled(time.Second), time.Second, outbox.PauseThrottle},
			maintenance(),
		},
	}
}

// getflyCRM finds the customers by their numbers itself, and knows its users by their extensions.
func getflyCRM() vendorCRM {
	return vendorCRM{
		name: "getfly", title: "Getfly", byID: true, byDefault: true,
		fake: func(func() time.Time, time.Duration) crmtest.Vendor { // nothing is read, so nothing can lag
			return getflytest.New(getflytest.Options{})
		},
		lines: `{type: getfly, base_url: "$URL", token: ` + getflytest.APIKey + `, secret: ` + getflytest.Secret + `,
  provider_code: ` + getflytest.ProviderCode + `, resend: true}`,
		rests: []restOrder{
			{"proxy", getflytest.Throttled(time.Second), time.Second, outbox.PauseThrottle},
			maintenance(),
		},
	}
}

// maintenance is what a server says that is being worked on.
func maintenance() restOrder {
	return restOrder{"maintenance", crmtest.Answer{
		Status: http.StatusServiceUnavailable, Header: http.Header{"Retry-After": {"600"}},
	}, 10 * time.Minute, outbox.PauseThrottle}
}
