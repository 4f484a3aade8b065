package espocrm_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/configs/secret"
	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/api"
	"github.com/crmsyncd/crmsyncd/crm/crmtest"
	"github.com/crmsyncd/crmsyncd/crm/espocrm"
	"github.com/crmsyncd/crmsyncd/crm/espocrm/espocrmtest"
)

// bad returns the findings that are not fine, by subject.
func bad(findings []crm.Finding) map[string]string {
	problems := map[string]string{}
	for _, f := range findings {
		if f.Err != nil {
			problems[f.Subject] = f.Err.Error()
		}
	}
	return problems
}

func TestCheckOfAServerThatIsReady(t *testing.T) {
	b := newBench(t)
	findings := b.Check(t.Context())
	require.Empty(t, bad(findings))
	require.Greater(t, len(findings), 15)
	require.Zero(t, b.crm.Requests()["write"]+b.crm.Requests()["create_contact"])
}

func TestCheck(t *testing.T) {
	for name, test := range map[string]struct {
		fake    func(*espocrmtest.Options)
		adapter func(*espocrm.Config, *api.Options)
		then    func(*espocrmtest.CRM)
		bad     map[string]string
	}{
		"wrong key": {
			adapter: func(cfg *espocrm.Config, _ *api.Options) { cfg.Token = secret.New("another-key") },
			bad:     map[string]string{"credentials": "401"},
		},
		"no fields": {
			fake: func(o *espocrmtest.Options) { o.Bare = true },
			bad: map[string]string{
				"field Contact.cTransactionId": "type varchar named transactionId", "field Lead.cTransactionId": "Entity Manager > Lead",
				"field Call.cProviderCallId": "named providerCallId", "field Call.cRecordingUrl": "type url named recordingUrl",
				"find Contact by transaction id": "400", "find Lead by transaction id": "400", "find call log": "400",
			},
		},
		"fields that do not fit": {
			then: func(c *espocrmtest.CRM) {
				c.Define("Call", "cRecordingUrl", "varchar", 150)
				c.Define("Call", "cProviderCallId", "int", 0)
			},
			bad: map[string]string{
				"field Call.cRecordingUrl": "max length from 150 to 255", "field Call.cProviderCallId": "of type int",
			},
		},
		"a field of one's own": {
			adapter: func(cfg *espocrm.Config, _ *api.Options) {
				cfg.Text.Fields = map[string]string{"cHotline": "{{.Hotline}}"}
			},
			bad: map[string]string{"field Call.cHotline": "named hotline"},
		},
		"no rights": {
			fake: func(o *espocrmtest.Options) {
				o.AssignmentPermission = "no"
				o.Rights = map[string]map[string]string{
					"Call": {"create": "no", "edit": "own"}, "Contact": {"read": "own"}, "User": {"read": "no"},
				}
			},
			bad: map[string]string{
				"right to assign users": `"no"`, "right to create Call": `"no"`, "right to edit Call": `"own"`,
				"right to read Contact": `"own"`, "right to read User": `""`, "find user by agent": "403", "default_user": "403",
			},
		},
		"a default user who left": {
			then: func(c *espocrmtest.CRM) { c.Edit("User", fallbackID, map[string]any{"isActive": false}) },
			bad:  map[string]string{"default_user": "not active"},
		},
		"no such default user": {
			adapter: func(cfg *espocrm.Config, _ *api.Options) { cfg.DefaultUser = "u404" },
			bad:     map[string]string{"default_user": "404"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			fake := newCRM(func(o *espocrmtest.Options) {
				if test.fake != nil {
					test.fake(o)
				}
			})
			if test.then != nil {
				test.then(fake)
			}
			a := newAdapter(t, crmtest.NewServer(t, fake).URL, func(cfg *espocrm.Config, o *api.Options) {
				if test.adapter != nil {
					test.adapter(cfg, o)
				}
			})
			got := bad(a.Check(t.Context()))
			require.Len(t, got, len(test.bad), "%v", got)
			for subject, words := range test.bad {
				require.Contains(t, got[subject], words, subject)
			}
		})
	}
}

func TestCheckOfAnOldServer(t *testing.T) {
	b := newBench(t)
	b.server.Inject(oldMetadata)
	require.Empty(t, bad(b.Check(t.Context())), "the look-ups tell that the fields are there")
}

func TestPlan(t *testing.T) {
	fake := newCRM(func(o *espocrmtest.Options) { o.Bare = true })
	a := newAdapter(t, crmtest.NewServer(t, fake).URL)
	plan, err := a.Plan(t.Context())
	require.NoError(t, err)
	var manual []string
	for _, p := range plan {
		require.Equal(t, p.Done, p.Manual == "")
		if !p.Done {
			manual = append(manual, p.Name)
			kind(t, crm.KindInvalid, a.Prepare(t.Context(), p))
		}
	}
	require.ElementsMatch(t, strings.Fields(
		"Contact.cTransactionId Lead.cTransactionId Call.cProviderCallId Call.cRecordingUrl"), manual)
}

func TestPlanNeedsTheCRM(t *testing.T) {
	b := newBench(t)
	b.server.Inject(crmtest.Drop())
	_, err := b.Plan(t.Context())
	kind(t, crm.KindTransient, err)
}
