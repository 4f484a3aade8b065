package rest_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/rest"
)

// mistakes returns the mistakes of a configuration as "path: problem".
func mistakes(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	require.True(t, ok)
	var all []string
	for _, e := range joined.Unwrap() {
		mistake, ok := errors.AsType[*rest.ConfigError](e)
		require.True(t, ok)
		all = append(all, mistake.Path+": "+mistake.Problem)
	}
	return all
}

func TestMistakes(t *testing.T) {
	for _, test := range []struct{ name, old, replacement, want string }{
		{
			"unknown name", `{id: "${call.id}"}`, `{data: {caller: [1, 2, "x ${call.foo}"]}}`,
			"calls.create.body.data.caller[2]: line 1, column 10: there is no foo",
		},
		{
			"name of another place", "${value}", "${call.id}",
			"objects[0].find_by_transaction_id.query.t: line 1, column 3: unknown name call",
		},
		{
			"second expression", "/calls/${log_id}", "/calls/${log_id}/${nobody}",
			"calls.update.path: line 1, column 20: unknown name nobody",
		},
		{
			"syntax", "${log_id}", "${log_id +}", "calls.update.path: line 1, column 17: unexpected token EOF",
		},
		{
			"not closed", "${log_id}", "ab${log_id",
			"calls.update.path: the expression that begins at column 10 has no closing }",
		},
		{
			"empty", "${log_id}", "${ }", "calls.update.path: the expression at column 8 is empty",
		},
		{
			"no truth value", "call_id: item.c", "call_id: item.c\nanswers: [{when: status + 1, then: invalid}]",
			"answers[0].when: expected bool, but got int",
		},
		{
			"unknown kind", "call_id: item.c", "call_id: item.c\nanswers: [{when: status == 1, then: sad}]",
			"answers[0].then: must be one of exists, forbidden, gone, in_doubt, invalid, not_found, quota, success, " +
				"throttled, transient, unauthorized",
		},
		{
			"no rule", "call_id: item.c", "call_id: item.c\nanswers: [{then: invalid}]", "answers[0].when: is missing",
		},
		{
			"no base", "http://crm.example.com", "ftp://crm",
			"base_url: must be an address such as https://crm.example.com/api/v1",
		},
		{
			"password in base", "http://crm", "http://canary:pass@crm",
			"base_url: must not hold a user or password: they belong in auth",
		},
		{
			"query in path", "/leads,", "/leads#1,",
			"objects[0].find_by_transaction_id.path: must be a path below base_url: the query belongs in query, blanks " +
				"and # are %20 and %23",
		},
		{
			"no check", "transaction_id: item.t", "owner: item.o", "objects[0].transaction_id: is missing: it says where a " +
				"record has the value by which it was found, to check each one",
		},
		{
			"no id", "id: body.id}", "omit_empty: true}",
			"calls.create.id: is missing: say where the answer has the id, as in body.id",
		},
		{
			"records of a write", "method: PUT", "method: PUT, records: body", "calls.update.records: has no meaning here",
		},
		{
			"no find", "  find: {path: /calls, query: {c: \"${call.id}\"}, records: body.list}\n", "",
			"calls.find: is missing: a create whose answer got lost is looked up by it before it is repeated",
		},
		{
			"method", "method: PUT", "method: DELETE", "calls.update.method: must be one of GET, POST, PUT, PATCH",
		},
		{
			"create by GET", `create: {path: /calls, body: {id: "${call.id}"}`, "create: {method: GET, path: /calls",
			"calls.create.method: must not make anything: a connection that breaks may repeat a GET by itself",
		},
		{
			"token", "token: canary-secret-value", "username: x", "auth.token: is missing: type bearer needs it",
		},
		{
			"zone", "call_id: item.c", "call_id: item.c\ntime_zone: Hanoi",
			"time_zone: is no name of a time zone such as Asia/Ho_Chi_Minh",
		},
		{
			"phone form", "call_id: item.c", "call_id: item.c\nphone_forms: [e164, local]",
			"phone_forms[1]: must be one of e164, national, digits, raw",
		},
		{
			"header", "method: PUT", `method: PUT, headers: {"a b": x}`, "calls.update.headers.a b: is no name of a header",
		},
		{
			"contact", "call_id: item.c", "call_id: item.c\ncontacts: {object: x, create: {path: /x, id: body.id}}",
			"contacts.object: must be one of objects that has find_by_phone: a contact is looked up before it is created",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.Contains(t, small, test.old)
			text := strings.Replace(small, test.old, test.replacement, 1)
			if top, found := strings.CutPrefix(test.replacement, test.old+"\n"); found {
				text = small + top // another key of the section, not one of calls
			}
			err := parseConfig(t, text).Validate()
			require.Equal(t, []string{test.want}, mistakes(t, err))
			require.NotContains(t, err.Error(), "canary")
			_, err = rest.New(parseConfig(t, text), api.Options{})
			require.ErrorContains(t, err, test.want[:strings.Index(test.want, ":")])
		})
	}
}

func TestAllMistakesAreTold(t *testing.T) {
	err := parseConfig(t, `
base_url: http://crm.example.com
concurrency: 100
objects:
  - {name: lead}
  - name: lead
    find_by_phone: {path: "/x/${valu}"}
    phones: item.
`).Validate()
	require.Equal(t, []string{
		"concurrency: must be at most 64",
		"objects[0]: has neither find_by_transaction_id nor find_by_phone",
		"objects[1].name: is there twice",
		"objects[1].find_by_phone.path: line 1, column 6: unknown name valu",
		"objects[1].phones: line 1, column 5: unexpected end of expression",
		"calls.create: is missing: without it or calls.upsert no call can be written",
	}, mistakes(t, err))
}

func TestDefaultNeedsNoMoreThanTheCRM(t *testing.T) {
	require.NoError(t, parseConfig(t, small).Validate())
	require.Equal(t, []string{
		"base_url: is missing", "calls.create: is missing: without it or calls.upsert no call can be written",
	}, mistakes(t, rest.Default().Validate()))
}

func TestTraits(t *testing.T) {
	traits := newAdapter(t, parseConfig(t, small)).Traits()
	require.Equal(t, []string{"lead"}, traits.Objects)
	require.False(t, traits.ByPhone || traits.Upsert || traits.Immutable || traits.MatchesItself)
	traits = newAdapter(t, parseConfig(t, `
base_url: http://crm.example.com
calls: {upsert: {path: /calls, id: body.id}}
`)).Traits()
	require.True(t, traits.Upsert && traits.MatchesItself)
	require.False(t, traits.Immutable)
}
