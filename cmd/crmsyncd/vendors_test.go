package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm/bitrix24/bitrix24test"
	"github.com/crmsyncd/crmsyncd/crm/crmtest"
	"github.com/crmsyncd/crmsyncd/crm/espocrm/espocrmtest"
	"github.com/crmsyncd/crmsyncd/crm/hubspot/hubspottest"
	"github.com/crmsyncd/crmsyncd/crm/salesforce/salesforcetest"
	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/receiver/alohub/traffic"
)

// vendorCRM is a CRM that has an adapter of its own, as tests of the whole daemon see it.
type vendorCRM struct {
	name, title string
	// fake returns one that holds nothing and of which the search does not show for a time what was written.
	fake func(now func() time.Time, lag time.Duration) crmtest.Vendor
	// object is the kind of the customers' records.
	object string
	// lines are the section crm of its configuration: $URL is its address, $STORE a file, $USER the user who gets the
	// calls of which the agent is not known. No rate is bounded, or the tests would take as long as the work does.
	lines string
	// byID: agents cannot be looked up by their account names, so agents.map names them. byDefault: calls of which the
	// agent is not known need the user of agents.default.
	byID, byDefault bool
	// rests are its answers to who asks too much; the first is that of an ordinary throttling.
	rests []restOrder
}

// restOrder is an answer that orders a rest.
type restOrder struct {
	name   string
	answer crmtest.Answer
	// named is for how long, said by the CRM or fixed by its documentation; reason is how the relay calls it.
	named  time.Duration
	reason string
}

// domain makes e-mail addresses of account names, by which most of the CRMs know their users.
const domain = "example.com"

// vendorCRMs returns all of them.
func vendorCRMs() []vendorCRM {
	return []vendorCRM{
		{
			name: "hubspot", title: "HubSpot", object: "contact",
			fake: func(now func() time.Time, lag time.Duration) crmtest.Vendor {
				return hubspottest.New(hubspottest.Options{Now: now, SearchLag: lag})
			},
			lines: `{type: hubspot, base_url: "$URL", token: ` + hubspottest.Token + `, email_domain: ` + domain + `,
  search_lag: 3s, rate: {per_second: 0}, search_rate: {per_second: 0}}`,
			rests: []restOrder{
				{"second", hubspottest.Throttled(time.Second), time.Second, outbox.PauseThrottle},
				{"ten seconds", hubspottest.Throttled(10 * time.Second), 10 * time.Second, outbox.PauseThrottle},
				{"day", hubspottest.Throttled(24 * time.Hour), time.Hour, outbox.PauseQuota},
			},
		},
		{
			name: "salesforce", title: "Salesforce", object: "Contact",
			fake: func(now func() time.Time, lag time.Duration) crmtest.Vendor {
				return salesforcetest.New(salesforcetest.Options{Now: now, SearchLag: lag})
			},
			lines: `{type: salesforce, my_domain: "$URL", client_id: ` + salesforcetest.ClientID + `,
  client_secret: ` + salesforcetest.ClientSecret + `, agent_domain: ` + domain + `,
  tasks: {recording_field: ` + salesforcetest.Recording + `, start_field: ` + salesforcetest.CallStart + `}}`,
			rests: []restOrder{
				{"long requests", salesforcetest.Throttled(time.Second), time.Second, outbox.PauseThrottle},
				{
					"daily pool", salesforcetest.Refusal(http.StatusForbidden, "REQUEST_LIMIT_EXCEEDED",
						"TotalRequests Limit exceeded."), 15 * time.Minute, outbox.PauseQuota,
				},
			},
		},
		{
			name: "bitrix24", title: "Bitrix24", object: "contact", byID: true,
			fake: func(now func() time.Time, lag time.Duration) crmtest.Vendor {
				return bitrix24test.New(bitrix24test.Options{Now: now, SearchLag: lag})
			},
			lines: `{type: bitrix24, portal: "$URL", token_url: "${URL}/oauth/token/", client_id: ` + bitrix24test.ClientID + `,
  client_secret: ` + bitrix24test.ClientSecret + `, refresh_token: ` + bitrix24test.RefreshToken + `,
  token_store: "$STORE", default_user: "$USER", rate: {per_second: 0}}`,
			rests: []restOrder{
				{"intensity", bitrix24test.Throttled(0), 2 * time.Second, outbox.PauseThrottle},
				{
					"overload",
					bitrix24test.Says(http.StatusServiceUnavailable, "OVERLOAD_LIMIT", "REST API is blocked due to overload."),
					30 * time.Minute, outbox.PauseQuota,
				},
			},
		},
		{
			name: "espocrm", title: "EspoCRM", object: "Contact",
			fake: func(now func() time.Time, lag time.Duration) crmtest.Vendor {
				return espocrmtest.New(espocrmtest.Options{Now: now, SearchLag: lag})
			},
			lines: `{type: espocrm, base_url: "$URL", token: ` + espocrmtest.APIKey + `, default_user: "$USER"}`,
			rests: []restOrder{
				{"maintenance", espocrmtest.Throttled(time.Second), time.Second, outbox.PauseThrottle},
				{"proxy", crmtest.Answer{
					Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"600"}},
				}, 10 * time.Minute, outbox.PauseThrottle},
			},
		},
		zohoCRM(), pipedriveCRM(), dynamicsCRM(), odooCRM(), suitecrmCRM(), getflyCRM(),
	}
}

// office is a fake with the people in it whom a test's calls are about, and a server in front of it.
type office struct {
	vendorCRM

	crm    crmtest.Vendor
	server *crmtest.Server
	// agents are the ids of the users by the agents' account names, records those of the customers' records in the order
	// in which they were given.
	agents  map[string]string
	records []string
	// fallback is the id of the user for calls without an agent.
	fallback string
}

// newOffice opens a CRM that knew its customers and agents long before. now is its clock, nil: time.Now.
func newOffice(t *testing.T, v vendorCRM, now func() time.Time, lag time.Duration, customers []traffic.Contact,
) *office {
	t.Helper()
	if now == nil {
		now = time.Now
	}
	opened := false
	o := &office{vendorCRM: v, agents: map[string]string{}}
	o.crm = v.fake(func() time.Time {
		if !opened {
			return now().Add(-24 * time.Hour) // no search lags behind what is that old
		}
		return now()
	}, lag)
	for _, a := range traffic.NewAgents(demoSeed, demoAgents) {
		o.agents[a.UserName] = o.crm.AddUser(o.login(a.UserName))
	}
	for _, c := range customers {
		o.records = append(o.records, o.crm.AddRecord(v.object, c.TransactionID, c.Phone))
	}
	o.fallback = o.crm.AddUser(o.login("switchboard"))
	opened = true
	o.server = crmtest.NewServer(t, o.crm)
	return o
}

// login is the name by which the CRM knows an agent.
func (v vendorCRM) login(userName string) string {
	if slices.Contains([]string{"espocrm", "odoo", "suitecrm"}, v.name) {
		return userName
	}
	return userName + "@" + domain
}

// configuration returns the daemon's configuration for this CRM. Files of its own stand in a folder.
func (o *office) configuration(folder string) []byte {
	var mapped []string
	for name, id := range o.agents {
		if o.byID {
			mapped = append(mapped, fmt.Sprintf("%s: %q", name, id))
		}
	}
	byDefault := ""
	if o.byDefault {
		byDefault = o.fallback
	}
	section := os.Expand(o.lines, func(name string) string {
		return map[string]string{
			"URL": o.server.URL, "STORE": filepath.Join(folder, o.name+"-token.json"), "USER": o.fallback,
		}[name]
	})
	return fmt.Appendf(nil, `receiver: {authorization_keys: [%s]}
outbox: {path: %q}
match: {unmatched: unlinked}
agents: {map: {%s}, default: %q}
log: {format: text}
crm: %s
`, demoKey, filepath.Join(folder, "outbox.db"), strings.Join(mapped, ", "), byDefault, section)
}

// byCall returns the call logs by their call id and requires that no call has two.
func (o *office) byCall(t *testing.T) map[string]crmtest.Log {
	t.Helper()
	logs := map[string]crmtest.Log{}
	for _, log := range o.crm.Logs() {
		twin, is := logs[log.CallID]
		require.False(t, is, "%s has two logs of a call:\n%+v\n%+v", o.title, twin, log)
		logs[log.CallID] = log
	}
	return logs
}
