package zoho_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/configs/secret"
	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/zoho"
	"github.com/crmsyncd/crmsyncd/crm/zoho/zohotest"
)

// wrong returns the findings that are not fine, as text.
func wrong(findings []crm.Finding) []string {
	var all []string
	for _, f := range findings {
		if f.Err != nil {
			all = append(all, f.Subject+": "+f.Err.Error())
		}
	}
	return all
}

func TestCheck(t *testing.T) {
	dead := func(cfg *zoho.Config) { cfg.RefreshToken = secret.New("1000.revoked") }
	for name, test := range map[string]struct {
		account zohotest.Options
		change  func(*zoho.Config)
		want    []string
	}{
		"fine": {},
		"bare": {account: zohotest.Options{Bare: true}, want: []string{
			"credentials and queries: find call log", "field Contacts.Transaction_ID: is missing: run crmsyncd setup crm",
			"field Leads.Transaction_ID: is missing", "field Calls.Alohub_Call_ID: is missing",
			"find in Contacts: ", "find in Leads: ",
		}},
		"no upsert": {account: zohotest.Options{NoUpsert: true}, want: []string{
			"upsert of calls: try an upsert of nothing: HTTP 400: INVALID_MODULE: the module name given seems to be " +
				"invalid (unauthorized); where Calls takes no upsert, set calls.upsert to false",
		}},
		"not unique": {account: zohotest.Options{NoUnique: true}, want: []string{
			"field Calls.Alohub_Call_ID: takes one value twice",
		}},
		"insert is enough": {account: zohotest.Options{NoUpsert: true, NoUnique: true}, change: inserting},
		"scopes": {account: zohotest.Options{NoScopes: []string{"/users", "/settings"}}, want: []string{
			"module Contacts: ", "module Leads: ", "module Calls: ", "find user by e-mail: ",
		}},
		"types": {
			change: func(cfg *zoho.Config) {
				cfg.Objects[0].Phones = []string{"Owner"}
				cfg.Calls.NoAnswer = "Không nghe máy"
				cfg.Text.Fields = map[string]string{"Nothing": "x"}
			},
			want: []string{
				"field Contacts.Owner: is of the type ownerlookup", "field Calls.Nothing: is missing or hidden",
				`field Calls.Call_Result: has no value "Không nghe máy"`,
			},
		},
		"refused": {change: dead, want: []string{
			"credentials and queries: ", "module Contacts: ", "module Leads: ", "module Calls: ", "find in Contacts: ",
			"find in Leads: ", "find user by e-mail: ", "upsert of calls: ", "format of Call_Duration: ",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, test.account, func(cfg *zoho.Config) {
				if test.change != nil {
					test.change(cfg)
				}
			})
			got := wrong(b.Check(t.Context()))
			require.Len(t, got, len(test.want), "%q", got)
			for i, want := range test.want {
				require.Contains(t, got[i], want)
			}
			require.Empty(t, b.account.Logs())
		})
	}
}

// TestCheckOfDurations: the calls that are there tell how Zoho reads durations.
func TestCheckOfDurations(t *testing.T) {
	last := func(b *bench) crm.Finding {
		findings := b.Check(t.Context())
		return findings[len(findings)-1]
	}
	b := newBench(t, zohotest.Options{})
	require.Contains(t, last(b).Detail, "no call is there to tell")
	require.NoError(t, b.write(t, many(1)[0]).Err)
	require.Equal(t, "mm:ss, as calls that are there show", last(b).Detail)

	b = newBench(t, zohotest.Options{HoursMinutes: true})
	require.NoError(t, b.write(t, many(1)[0]).Err)
	require.ErrorContains(t, last(b).Err, "calls that are there show hh:mm: set calls.duration to it")
}

func TestSetup(t *testing.T) {
	b := newBench(t, zohotest.Options{Bare: true})
	prepareAll(t, b)
	require.Empty(t, wrong(b.Check(t.Context())))
	require.NoError(t, b.Prepare(t.Context(), crm.Preparation{Name: "Calls.Alohub_Call_ID"}), "repeating is harmless")
	require.Error(t, b.Prepare(t.Context(), crm.Preparation{Name: "Calls.Nothing"}))

	b = newBench(t, zohotest.Options{Bare: true, NoUnique: true})
	err := b.Prepare(t.Context(), crm.Preparation{Name: "Calls.Alohub_Call_ID"})
	require.ErrorContains(t, err, "where Calls takes no unique field, set calls.upsert to false")

	b = newBench(t, zohotest.Options{NoUnique: true})
	plan, err := b.Plan(t.Context())
	require.NoError(t, err)
	require.Contains(t, plan[2].Manual, "Do not allow duplicate values")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = b.Plan(ctx)
	require.ErrorIs(t, err, context.Canceled)
}

// prepareAll makes everything that a plan lists.
func prepareAll(t *testing.T, b *bench) {
	t.Helper()
	plan, err := b.Plan(t.Context())
	require.NoError(t, err)
	var names []string
	for _, p := range plan {
		names = append(names, p.Name)
		require.False(t, p.Done)
		require.Empty(t, p.Manual)
		require.NoError(t, b.Prepare(t.Context(), p))
	}
	require.Equal(t, []string{"Contacts.Transaction_ID", "Leads.Transaction_ID", "Calls.Alohub_Call_ID"}, names)
	plan, err = b.Plan(t.Context())
	require.NoError(t, err)
	for _, p := range plan {
		require.True(t, p.Done, p.Name)
	}
}
