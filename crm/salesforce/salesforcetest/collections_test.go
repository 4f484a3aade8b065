package salesforcetest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm/salesforce/salesforcetest"
)

func TestCollections(t *testing.T) {
	c := newClient(t, salesforcetest.Options{})
	contact, lead := c.org.AddRecord("Contact", "", ""), c.org.AddRecord("Lead", "", "")
	status, codes, body := c.save(http.MethodPatch, "/Task/Call_Id__c",
		task(map[string]any{"Call_Id__c": "1", "TaskSubtype": "Call", "WhoId": contact}),
		task(map[string]any{"Call_Id__c": "2", "CallType": "Sideways"}),
		task(map[string]any{"Call_Id__c": "3", "Subject": strings.Repeat("x", 256)}),
		task(map[string]any{"Call_Id__c": "4", "WhoId": lead, "WhatId": c.org.Add("Account", nil)}),
		task(map[string]any{"Call_Id__c": "5", "WhoId": c.org.Add("Account", nil)}),
		task(map[string]any{"Call_Id__c": "6", "CallDurationInSeconds": -1}),
		task(map[string]any{"Call_Id__c": "7"}), task(map[string]any{"Call_Id__c": "7"}), task(nil),
	)
	require.Equal(t, http.StatusOK, status, body)
	require.Equal(t, []string{
		"", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "STRING_TOO_LONG", "FIELD_INTEGRITY_EXCEPTION",
		"FIELD_INTEGRITY_EXCEPTION", "NUMBER_OUTSIDE_VALID_RANGE", "DUPLICATE_VALUE", "DUPLICATE_VALUE", "MISSING_ARGUMENT",
	}, codes)
	require.Contains(t, body, `"created":true`)
	again := task(map[string]any{"Call_Id__c": "1", "TaskSubtype": "Call"})
	_, codes, _ = c.save(http.MethodPatch, "/Task/Call_Id__c", again)
	require.Equal(t, []string{"INVALID_FIELD_FOR_INSERT_UPDATE"}, codes)
	_, _, body = c.save(http.MethodPatch, "/Task/Call_Id__c", task(map[string]any{"Call_Id__c": "1", "Subject": "s"}))
	require.JSONEq(t, `[{"id":"`+c.org.Tasks()[0]+`","success":true,"errors":[],"created":false}]`, body)
	_, codes, _ = c.save(http.MethodPost, "", task(map[string]any{"Call_Id__c": "1"}))
	require.Equal(t, []string{"DUPLICATE_VALUE"}, codes)
	nameless := map[string]any{"attributes": map[string]any{"type": "Lead"}, "LastName": "x"}
	_, codes, _ = c.save(http.MethodPost, "", nameless)
	require.Equal(t, []string{"REQUIRED_FIELD_MISSING"}, codes)
}

func TestUpdates(t *testing.T) {
	c := newClient(t, salesforcetest.Options{})
	c.save(http.MethodPost, "", task(map[string]any{"CallObject": "1"}), task(map[string]any{"CallObject": "2"}))
	first, second := c.org.Tasks()[0], c.org.Tasks()[1]
	c.org.Delete(second)
	status, codes, _ := c.save(http.MethodPatch, "",
		task(map[string]any{"id": first, "Subject": "new", "Priority": nil}), task(map[string]any{"id": first[:15]}),
		task(map[string]any{"id": second}), task(map[string]any{"id": "00T5g00000ZZZZZEAV"}),
		task(map[string]any{"id": "1"}), task(nil),
	)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, []string{
		"", "", "ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY", "MALFORMED_ID", "MISSING_ARGUMENT",
	}, codes)
	require.Equal(t, "new", c.org.Value(first, "Subject"))
	require.Equal(t, "1", c.org.Logs()[0].CallID)
}

func TestRequestsThatAreRefused(t *testing.T) {
	c := newClient(t, salesforcetest.Options{NoExternalID: true})
	var tooMany []map[string]any
	for range 201 {
		tooMany = append(tooMany, task(nil))
	}
	for name, test := range map[string]struct {
		method, path string
		records      []map[string]any
		code         string
	}{
		"too many":      {http.MethodPost, "", tooMany, "EXCEEDED_ID_LIMIT"},
		"unknown field": {http.MethodPost, "", []map[string]any{task(map[string]any{"X__c": 1})}, "INVALID_FIELD"},
		"text for date": {
			http.MethodPost, "", []map[string]any{task(map[string]any{"ActivityDate": "1/3"})}, "JSON_PARSER_ERROR",
		},
		"text for int": {
			http.MethodPost, "", []map[string]any{task(map[string]any{"CallDurationInSeconds": "9"})}, "JSON_PARSER_ERROR",
		},
		"number for text": {http.MethodPost, "", []map[string]any{task(map[string]any{"Subject": 1})}, "JSON_PARSER_ERROR"},
		"no type":         {http.MethodPost, "", []map[string]any{{"Subject": "x"}}, "INVALID_INPUT"},
		"unknown type": {
			http.MethodPost, "", []map[string]any{{"attributes": map[string]any{"type": "X"}}}, "INVALID_TYPE",
		},
		"id in insert":    {http.MethodPost, "", []map[string]any{task(map[string]any{"Id": "1"})}, "INVALID_INPUT"},
		"no external id":  {http.MethodPatch, "/Task/Call_Id__c", []map[string]any{task(nil)}, "NOT_FOUND"},
		"no such field":   {http.MethodPatch, "/Task/X__c", []map[string]any{task(nil)}, "NOT_FOUND"},
		"no such object":  {http.MethodPatch, "/X/X__c", []map[string]any{task(nil)}, "NOT_FOUND"},
		"no such path":    {http.MethodPut, "", nil, "NOT_FOUND"},
		"nothing is JSON": {http.MethodPost, "/x", nil, "NOT_FOUND"},
	} {
		t.Run(name, func(t *testing.T) {
			status, codes, body := c.save(test.method, test.path, test.records...)
			require.GreaterOrEqual(t, status, 400)
			require.Equal(t, []string{test.code}, codes, body)
		})
	}
	require.Empty(t, c.org.Tasks())
}
