package salesforce_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/configs/secret"
	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/crmtest"
	"github.com/crmsyncd/crmsyncd/crm/salesforce"
	"github.com/crmsyncd/crmsyncd/crm/salesforce/salesforcetest"
)

// wrong returns the findings with an error, as "subject: error".
func wrong(findings []crm.Finding) []string {
	var found []string
	for _, f := range findings {
		if f.Err != nil {
			found = append(found, f.Subject+": "+f.Err.Error())
		}
	}
	return found
}

func TestCheck(t *testing.T) {
	own := func(cfg *salesforce.Config) {
		cfg.Tasks.RecordingField, cfg.Tasks.StartField = salesforcetest.Recording, salesforcetest.CallStart
	}
	for name, test := range map[string]struct {
		options salesforcetest.Options
		change  func(*salesforce.Config)
		spoil   func(*salesforcetest.CRM)
		want    []string
	}{
		"fine":             {},
		"fine, own fields": {change: own},
		"fine, insert":     {options: salesforcetest.Options{NoExternalID: true}, change: inserting},
		"no external id": {
			options: salesforcetest.Options{NoExternalID: true},
			want:    []string{"field Task.Call_Id__c: is no external id: tick"},
		},
		"a new org": {options: salesforcetest.Options{Bare: true}, change: own, want: []string{
			"field Contact.Transaction_Id__c: is missing or hidden", "field Lead.Transaction_Id__c: is missing or hidden",
			"field Task.Call_Recording__c: is missing or hidden", "field Task.Call_Start__c: is missing or hidden",
			"field Task.Call_Id__c: is missing or hidden",
		}},
		"a hidden phone": {
			spoil: func(org *salesforcetest.CRM) { org.Hide("Lead", "MobilePhone") },
			want:  []string{"field Lead.MobilePhone: is missing or hidden from the integration user: give"},
		},
		"a renamed status": {
			spoil: func(org *salesforcetest.CRM) { org.Rename("Mở", "Completed") },
			want:  []string{`field Task.Status: has no active value "In Progress"`},
		},
		"an object that is not there": {
			change: func(cfg *salesforce.Config) {
				cfg.Objects = []salesforce.Object{{Name: "Deal__c", TransactionID: "T__c"}}
			},
			want: []string{"object Deal__c: describe Deal__c: HTTP 404"},
		},
		"a field that cannot be searched": {
			change: func(cfg *salesforce.Config) { cfg.Objects[0].TransactionID = "Description" },
			want:   []string{"field Contact.Description: cannot be searched"},
		},
		"a field that cannot be written": {
			change: func(cfg *salesforce.Config) { cfg.Tasks.RecordingField = "CreatedDate" },
			want:   []string{"field Task.CreatedDate: cannot be written"},
		},
		"a text of one's own": {
			change: func(cfg *salesforce.Config) { cfg.Text.Fields = map[string]string{"Queue__c": "{{.Hotline}}"} },
			want:   []string{"field Task.Queue__c: is missing or hidden"},
		},
		"an agent field that is not there": {
			change: func(cfg *salesforce.Config) { cfg.AgentField = "Extension" },
			want:   []string{"find user by Extension: find user: HTTP 400"},
		},
		"wrong credentials": {
			change: func(cfg *salesforce.Config) { cfg.ClientSecret = secret.New("wrong-secret") },
			want:   []string{"credentials: get token", "object Contact: ", "object Lead: ", "object Task: ", "find user by "},
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, test.options, func(cfg *salesforce.Config) {
				if test.change != nil {
					test.change(cfg)
				}
			})
			if test.spoil != nil {
				test.spoil(b.org)
			}
			findings := b.Check(t.Context())
			got := wrong(findings)
			require.Len(t, got, len(test.want), "%q", got)
			for i, want := range test.want {
				require.True(t, strings.HasPrefix(got[i], want), "%q is not %q", got[i], want)
			}
			require.Equal(t, "credentials", findings[0].Subject)
			require.Zero(t, b.org.Requests()["write"])
			require.Empty(t, b.org.Logs())
		})
	}
}

func TestCheckOfAnOrgThatIsNotThere(t *testing.T) {
	b := newBench(t, salesforcetest.Options{})
	b.server.Close()
	require.True(t, strings.HasPrefix(wrong(b.Check(t.Context()))[0], "credentials: "))
}

// TestSetUp makes an empty org fit for the daemon.
func TestSetUp(t *testing.T) {
	b := newBench(t, salesforcetest.Options{Bare: true}, func(cfg *salesforce.Config) {
		cfg.Tasks.RecordingField, cfg.Tasks.StartField = salesforcetest.Recording, salesforcetest.CallStart
		cfg.Objects = append(cfg.Objects, salesforce.Object{Name: "Opportunity", TransactionID: "Transaction_Id__c"})
	})
	plan, err := b.Plan(t.Context())
	require.NoError(t, err)
	var names []string
	for _, p := range plan {
		names = append(names, p.Name)
		require.False(t, p.Done)
		require.Empty(t, p.Manual)
		require.NoError(t, b.Prepare(t.Context(), p))
		require.NoError(t, b.Prepare(t.Context(), p), "repeating it is harmless")
	}
	require.Equal(t, []string{
		"Contact.Transaction_Id__c", "Lead.Transaction_Id__c", "Opportunity.Transaction_Id__c", "Activity.Call_Recording__c",
		"Activity.Call_Start__c", "Activity.Call_Id__c",
	}, names)

	plan, err = b.Plan(t.Context())
	require.NoError(t, err)
	for _, p := range plan {
		require.False(t, p.Done)
		require.Contains(t, p.Manual, "Read and Edit on "+p.Name)
	}
	b.org.Grant()
	plan, err = b.Plan(t.Context())
	require.NoError(t, err)
	for _, p := range plan {
		require.True(t, p.Done, p.Name)
	}
	require.Empty(t, wrong(b.Check(t.Context())))
	w := many(1)
	w[0].Call.RecordingURL = "https://media.example.com/a.mp3"
	require.NoError(t, b.Write(t.Context(), w)[0].Err)
	require.Equal(t, w[0].Call.Start, b.org.Logs()[0].Start)
}

func TestSetUpWhereActivitiesTakeNoExternalID(t *testing.T) {
	b := newBench(t, salesforcetest.Options{Bare: true, NoExternalID: true})
	err := b.Prepare(t.Context(), crm.Preparation{Name: "Activity.Call_Id__c"})
	require.ErrorContains(t, err, "set tasks.upsert to false")
	require.Equal(t, "invalid", kindOf(err))
	require.Error(t, b.Prepare(t.Context(), crm.Preparation{Name: "Contact.Secret__c"}))

	b = newBench(t, salesforcetest.Options{NoExternalID: true})
	plan, err := b.Plan(t.Context())
	require.NoError(t, err)
	require.Contains(t, plan[len(plan)-1].Manual, "External ID")

	b = newBench(t, salesforcetest.Options{NoExternalID: true}, inserting)
	plan, err = b.Plan(t.Context())
	require.NoError(t, err)
	require.Len(t, plan, 2, "CallObject comes with every org")
}

func TestPlanFails(t *testing.T) {
	b := newBench(t, salesforcetest.Options{Bare: true})
	b.server.Inject(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if strings.Contains(r.URL.Path, "/tooling/") {
			crmtest.Say(salesforcetest.Refusal(403, "INSUFFICIENT_ACCESS", "View Setup is required"))(w, r, next)
			return
		}
		next.ServeHTTP(w, r)
	})
	_, err := b.Plan(t.Context())
	require.ErrorContains(t, err, "View Setup is required")
	b.server.Close()
	_, err = b.Plan(t.Context())
	require.Equal(t, "transient", kindOf(err))
}

func TestDryRun(t *testing.T) {
	org := salesforcetest.New(salesforcetest.Options{})
	server := crmtest.NewServer(t, org)
	dry := &api.DryRun{}
	a, err := salesforce.New(configuration(server.URL), api.Options{DryRun: dry})
	require.NoError(t, err)
	t.Cleanup(a.Close)
	for _, w := range a.Write(t.Context(), many(3)) {
		require.NoError(t, w.Err)
		require.NotEmpty(t, w.LogID)
	}
	require.Empty(t, org.Logs())
	require.Len(t, dry.Requests(), 1)
}

func TestInstanceMoves(t *testing.T) {
	for instance, wants := range map[string]string{
		"https://evil.example.com": "no host of Salesforce", "https://salesforce.com.example.com": "no host of Salesforce",
		"http://acme.my.salesforce.com": "no host of Salesforce", "https://x@acme.my.salesforce.com": "no host of Salesforce",
		"https://acme.my.salesforce.com:8443": "no host of Salesforce", "https://evilsalesforce.com": "no host of Salesforce",
		"https://acme.my.salesforce.com/a?b": "no host of Salesforce", "not an address": "no host of Salesforce",
		"https://127.0.0.1": "no host of Salesforce",
	} {
		b := newBench(t, salesforcetest.Options{InstanceURL: instance})
		written := b.Write(t.Context(), many(1))[0]
		require.ErrorContains(t, written.Err, wants, instance)
		require.Equal(t, "unauthorized", kindOf(written.Err))
		require.NotContains(t, written.Err.Error(), "example.com")
	}
}
