package main

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/crmsyncd/crmsyncd/crm/bitrix24/bitrix24test"
	"github.com/crmsyncd/crmsyncd/crm/crmtest"
	"github.com/crmsyncd/crmsyncd/crm/espocrm/espocrmtest"
	"github.com/crmsyncd/crmsyncd/crm/hubspot/hubspottest"
	"github.com/crmsyncd/crmsyncd/crm/salesforce/salesforcetest"
)

// vendor is a fake of a CRM behind a real socket, with one customer and one agent of the events in the tests.
type vendor struct {
	crmtest.Vendor

	server *httptest.Server
	// config is the configuration that a program needs to reach it.
	config   []byte
	recordID string

	mu   sync.Mutex
	seen []exchange
}

// exchange is a request that came.
type exchange struct{ method, uri, body string }

// What the tests' customer and agent are known by.
const (
	customerDeal   = "TRANSID_1111"
	customerNumber = "+84912345678"
	agentDomain    = "example.com"
	// tokenStore stands for a file in the configuration of a vendor.
	tokenStore = "$STORE"
)

// newVendor serves the fake of a CRM. Bare: it lacks the fields of our own.
func newVendor(name string, bare bool) *vendor {
	v := &vendor{}
	v.server = httptest.NewServer(v)
	section := map[string]string{"type": name}
	login, object := "agent@"+agentDomain, "contact"
	switch name {
	case "hubspot":
		v.Vendor = hubspottest.New(hubspottest.Options{Bare: bare})
		section["base_url"], section["token"], section["email_domain"] = v.server.URL, hubspottest.Token, agentDomain
	case "espocrm":
		v.Vendor = espocrmtest.New(espocrmtest.Options{Bare: bare})
		section["base_url"], section["token"] = v.server.URL, espocrmtest.APIKey
		login, object = "agent", "Contact"
	case "salesforce":
		v.Vendor = salesforcetest.New(salesforcetest.Options{Bare: bare})
		section["my_domain"], section["agent_domain"] = v.server.URL, agentDomain
		section["client_id"], section["client_secret"] = salesforcetest.ClientID, salesforcetest.ClientSecret
		object = "Contact"
	case "bitrix24":
		v.Vendor = bitrix24test.New(bitrix24test.Options{NoField: bare})
		section["webhook_url"] = v.server.URL + "/rest/" + bitrix24test.WebhookUser + "/" + bitrix24test.WebhookCode + "/"
		login = "888"
	case "bitrix24 application":
		v.Vendor = bitrix24test.New(bitrix24test.Options{NoField: bare})
		section["type"], section["portal"], section["token_url"] = "bitrix24", v.server.URL, v.server.URL+"/oauth/token/"
		section["client_id"], section["client_secret"] = bitrix24test.ClientID, bitrix24test.ClientSecret
		section["refresh_token"], section["token_store"] = bitrix24test.RefreshToken, tokenStore
		login = "888"
	}
	if !bare {
		v.recordID = v.AddRecord(object, customerDeal, customerNumber)
		v.AddUser(login)
	}
	config, err := json.Marshal(map[string]any{ // JSON is YAML
		"receiver": map[string]any{"authorization_keys": []string{demoKey}}, "crm": section,
	})
	if err != nil {
		panic(err)
	}
	v.config = config
	return v
}

// ServeHTTP notes a request and hands it on.
func (v *vendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	v.mu.Lock()
	v.seen = append(v.seen, exchange{r.Method, r.RequestURI, string(body)})
	v.mu.Unlock()
	v.Vendor.ServeHTTP(w, r)
}

// exchanges returns the requests that came so far.
func (v *vendor) exchanges() []exchange {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.seen)
}

// changes returns how many requests came, by operation, that are for anything else than reading.
func (v *vendor) changes() map[string]int {
	reading := []string{"find", "find_log", "find_user", "describe", "read", "read_log", "token"}
	changes := v.Requests()
	maps.DeleteFunc(changes, func(operation string, _ int) bool { return slices.Contains(reading, operation) })
	return changes
}

// vendorKey is where a script keeps its vendors.
type vendorKey struct{}

// scriptVendor is "vendor NAME [bare]": it serves the fake of a CRM and makes its configuration that of the program.
func scriptVendor(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 1 || len(args) == 2 && args[1] == "bare", "vendor NAME [bare]")
	v := newVendor(args[0], len(args) == 2)
	ts.Defer(v.server.Close)
	ts.Check(os.WriteFile(ts.MkAbs("crm.yaml"), v.config, 0o600))
	ts.Setenv("CRMSYNCD_CONFIG", "crm.yaml")
	ts.Setenv("VENDOR", v.server.URL)
	ts.Setenv("RECORD", v.recordID)
	vendors, _ := ts.Value(vendorKey{}).(*[]*vendor)
	*vendors = append(*vendors, v)
}

// scriptUnchanged is "[!] unchanged": no request to the last vendor was for anything else than reading, and some came.
func scriptUnchanged(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, false, len(args) == 0, "[!] unchanged")
	vendors, _ := ts.Value(vendorKey{}).(*[]*vendor)
	last := (*vendors)[len(*vendors)-1]
	if changes := last.changes(); (len(changes) > 0) != neg {
		ts.Fatalf("requests that change the CRM: %v", changes)
	}
	if len(last.exchanges()) == 0 {
		ts.Fatalf("the CRM was not asked at all")
	}
}

// scriptUnasked is "unasked": the last vendor got no request at all.
func scriptUnasked(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 0, "unasked")
	vendors, _ := ts.Value(vendorKey{}).(*[]*vendor)
	if seen := (*vendors)[len(*vendors)-1].exchanges(); len(seen) > 0 {
		ts.Fatalf("the CRM was asked: %v", seen)
	}
}
