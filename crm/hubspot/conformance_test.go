package hubspot_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/crmsyncd/crmsyncd/configs/secret"
	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/crmtest"
	"github.com/crmsyncd/crmsyncd/crm/hubspot"
	"github.com/crmsyncd/crmsyncd/crm/hubspot/hubspottest"
)

// TestConformance runs the suite of all adapters in each way in which HubSpot can be used.
func TestConformance(t *testing.T) {
	for name, test := range map[string]struct {
		options hubspottest.Options
		change  func(*hubspot.Config)
	}{
		"upsert": {change: func(*hubspot.Config) {}},
		"create": {hubspottest.Options{NoUniqueCalls: true}, func(c *hubspot.Config) { c.UniqueProperty = false }},
		"OAuth, dated paths, deals": {hubspottest.Options{AllOrNothing: true}, func(c *hubspot.Config) {
			c.Version, c.Objects = "2026-03", []hubspot.Object{{Name: "deal"}, {Name: "lead"}}
			c.Token = secret.String{}
			c.OAuth = hubspot.OAuth{
				ClientID: hubspottest.ClientID, ClientSecret: secret.New(hubspottest.ClientSecret),
				RefreshToken: secret.New(hubspottest.RefreshToken),
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			crmtest.Run(t, crmtest.Harness{
				New: func(t *testing.T, baseURL string) crm.Adapter {
					t.Helper()
					cfg := config(baseURL)
					test.change(&cfg)
					return newAdapter(t, cfg, api.Options{})
				},
				CRM:      func(*testing.T) crmtest.CRM { return hubspottest.New(test.options) },
				Secrets:  []string{hubspottest.Token, hubspottest.ClientSecret, hubspottest.RefreshToken, "access-"},
				Exempt:   func(r *http.Request) bool { return r.URL.Path == "/oauth/v1/token" },
				Refusals: refusals(),
			})
		})
	}
}

// refusals are HubSpot's forms of errors.
func refusals() []crmtest.Refusal {
	says := func(name string, step crmtest.Step, status int, kind crm.Kind, body string) crmtest.Refusal {
		return crmtest.Refusal{Name: name, Step: step, Kind: kind, Answer: crmtest.Answer{Status: status, Body: body}}
	}
	all := []crmtest.Refusal{
		says("bad value", crmtest.Create, 400, crm.KindInvalid, `{"status":"error","message":"Property values were not valid:
			[{\"isValid\":false,\"message\":\"+84912345678 was not a valid long.\",\"error\":\"INVALID_LONG\",
			\"name\":\"hs_call_duration\"}]","correlationId":"1","category":"VALIDATION_ERROR"}`),
		says("bad value in an update", crmtest.Update, 400, crm.KindInvalid,
			`{"status":"error","message":"Property values were not valid","category":"VALIDATION_ERROR"}`),
		says("bad value alone", crmtest.Create, 207, crm.KindInvalid, `{"status":"COMPLETE","results":[],"numErrors":1,
			"errors":[{"status":"error","category":"VALIDATION_ERROR","message":"0912345678 was not a valid long",
			"context":{"objectWriteTraceId":["0"]}}]}`),
		says("bad value, not said whose", crmtest.Create, 207, crm.KindInvalid, `{"status":"COMPLETE","results":[],
			"numErrors":1,"errors":[{"status":"error","category":"VALIDATION_ERROR","message":"bad"}]}`),
		says("unknown property", crmtest.Create, 400, crm.KindUnauthorized, `{"status":"error","message":
			"Property values were not valid: [{\"error\":\"PROPERTY_DOESNT_EXIST\"}]","category":"VALIDATION_ERROR"}`),
		says("key that is not unique", crmtest.Create, 400, crm.KindUnauthorized, `{"status":"error",
			"message":"Unable to perform update/upsert by non-unique 0-48 property","category":"VALIDATION_ERROR"}`),
		says("scopes", crmtest.Create, 403, crm.KindUnauthorized, `{"status":"error","message":
			"This app hasn't been granted all required scopes to make this call.","category":"MISSING_SCOPES"}`),
		says("forbidden", crmtest.Create, 403, crm.KindForbidden, `{"status":"error","message":"no","category":"BANNED"}`),
		says("token", crmtest.Find, 401, crm.KindUnauthorized, `{"status":"error","message":
			"Authentication credentials not found.","category":"INVALID_AUTHENTICATION"}`),
		says("old token", crmtest.Create, 401, crm.KindUnauthorized, `{"status":"error","message":
			"The OAuth token used to make this call expired","category":"EXPIRED_AUTHENTICATION"}`),
		says("bad filter", crmtest.Find, 400, crm.KindForbidden,
			`{"status":"error","message":"There was a problem with the request.","category":"VALIDATION_ERROR"}`),
		says("locked", crmtest.Update, 423, crm.KindTransient, `{"status":"error","message":"locked"}`),
		says("somebody else's change", crmtest.Update, 409, crm.KindTransient, `{"status":"error","category":"CONFLICT"}`),
		says("timeout in front", crmtest.Find, 524, crm.KindTransient, `<html>A timeout occurred</html>`),
		says("gone in an update", crmtest.Update, 207, crm.KindGone, `{"status":"COMPLETE","results":[],"numErrors":1,
			"errors":[{"status":"error","category":"OBJECT_NOT_FOUND","message":"gone","context":{"ids":["12345"]}}]}`),
		says("no results", crmtest.Find, 200, crm.KindTransient, `{"total":0}`),
		says("a fault of its own for one", crmtest.Update, 207, crm.KindTransient, `{"status":"COMPLETE","results":[],
			"errors":[{"status":"error","category":"INTERNAL_ERROR","message":"internal error"}]}`),
	}
	for name, wait := range map[string]time.Duration{
		"SECONDLY": time.Second, "TEN_SECONDLY_ROLLING": 10 * time.Second, "DAILY": time.Hour,
	} {
		kind := crm.KindThrottled
		if name == "DAILY" {
			kind = crm.KindQuota
		}
		for _, step := range []crmtest.Step{crmtest.Find, crmtest.Create, crmtest.Update} {
			all = append(all, crmtest.Refusal{
				Name: name + " " + string(step), Step: step, Answer: hubspottest.Throttled(wait), Kind: kind, RetryAfter: wait,
			})
		}
	}
	return append(all, crmtest.Refusal{
		Name: "migration", Step: crmtest.Create, Kind: crm.KindThrottled, RetryAfter: 600 * time.Second,
		Answer: crmtest.Answer{Status: 477, Header: http.Header{"Retry-After": {"600"}}, Body: `{"status":"error"}`},
	})
}
