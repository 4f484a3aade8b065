package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/configs"
	"github.com/crmsyncd/crmsyncd/crm/sandbox"
	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/receiver/alohub/traffic"
)

// frugality is what an adapter may cost in requests for a call log.
type frugality struct {
	name string
	// backlog is the goal for calls that wait, live what a call costs of which each event is delivered by itself.
	backlog, live float64
	// leastBacklog and leastLive are the least that the API allows, with how that is reckoned.
	leastBacklog, leastLive string
}

// frugalities returns the goals. Each call has a customer of its own, was answered and recorded.
func frugalities() []frugality {
	return []frugality{
		{
			"hubspot", 0.05, 6,
			"0.03 = (1 search + 1 upsert + 1 association) / 100; 0.02 with creates, which are not harmless to repeat",
			"6 = search + upsert + association + 3 updates; 5 with creates",
		},
		{
			"salesforce", 0.05, 5, "0.01 = (1 query + 1 upsert) / 200", "5 = query + upsert + 3 updates",
		},
		{
			"bitrix24", 0.1, 3, "0.06 = (register + finish + attach + 1/50 list) / 50 commands",
			"3 = look-up + register with finish + attach, for it is written when it has ended",
		},
		{
			"espocrm", 1.1, 8, "1.01 = 1 create + 1 look-up / 100",
			"5 = look-up + create + 3 updates; 8 to spare what people wrote",
		},
		{
			"zoho", 0.05, 3, "0.03 = 1 query / 50 + 1 upsert / 100",
			"3 = query + upsert + update, for it is written when it has ended",
		},
		{
			"pipedrive", 3.1, 3, "2 = search + create; 3 to read what the record says that the search names",
			"2 = search + create; 3 to read the record, for it is written when it is complete",
		},
		{
			"dynamics", 0.05, 5, "0.02 = (1 query + 1 batch) / 100; a batch may hold 1,000, but must be done in two minutes",
			"5 = query + upsert + 3 updates",
		},
		{
			"odoo", 0.05, 7, "0.02 = (1 search + 1 load) / 100", "5 = search + load + 3 updates; 7 to spare what people wrote",
		},
		{
			"suitecrm", 2.1, 8, "2 = look-up + create, as the API has no batches",
			"5 = look-up + create + 3 updates; 8 to spare what people wrote",
		},
		{"getfly", 1, 1, "1, for Getfly finds the customer itself", "1, for it is sent when it is complete"},
		{"rest", 2.1, 5, "2 = look-up + create, as the sandbox has no batches", "5 = look-up + create + 3 updates"},
	}
}

// metered is a CRM that counts.
type metered struct {
	configuration func(folder string) []byte
	environ       []string
	requests      func() map[string]int
	logs          func() int
}

// meter returns the CRM of an adapter: the vendor's fake, or the sandbox for the adapter rest.
func meter(t *testing.T, name string, customers []traffic.Contact) metered {
	t.Helper()
	for _, v := range vendorCRMs() {
		if v.name == name {
			o := newOffice(t, v, nil, 0, customers)
			return metered{o.configuration, nil, o.crm.Requests, func() int { return len(o.byCall(t)) }}
		}
	}
	crm, url := crmServer(t, 1)
	for _, c := range customers {
		_, err := crm.AddContact(sandbox.Contact{Name: c.Name, Phone: c.Phone, TransactionID: c.TransactionID})
		require.NoError(t, err)
	}
	return metered{
		func(string) []byte { return configs.Demo() },
		[]string{"CRMSYNCD_CRM__BASE_URL=" + url + "/api/v1"},
		crm.Requests, func() int { return len(crm.Calls()) },
	}
}

// spent is what an adapter has cost.
type spent struct {
	backlog, live float64
	// together is how many calls were delivered together, found and written how many one request looks up and writes.
	together, found, written int
}

// spend measures an adapter: calls that wait, and after them some that are told event by event. Requests for tokens and
// users, which are few and the same for any number of calls, come before and are not counted.
func spend(t *testing.T, name string, calls, live int) spent {
	t.Helper()
	const seed = demoSeed + 1 // other people than the sandbox has
	customers := traffic.NewContacts(seed, demoAgents+calls+live)
	m := meter(t, name, customers)
	p := newPipeline(t, m.configuration, nil, m.environ...)
	deliver := func(prefix string, customers []traffic.Contact, n, sum int) (requests int) {
		before := total(m.requests())
		p.takeTogether(wholeCalls(prefix, customers, n)...)
		p.relay.Resume()
		require.Equal(t, int64(sum), p.drained(10 * time.Minute)[outbox.Delivered])
		require.Equal(t, sum, m.logs())
		return total(m.requests()) - before
	}
	p.start()
	deliver("first", customers, demoAgents, demoAgents) // from now on tokens and users are known
	p.relay.Pause()
	backlog := deliver("backlog", customers[demoAgents:], calls, demoAgents+calls)
	sum := demoAgents + calls
	before := total(m.requests())

	agent := traffic.NewAgents(demoSeed, demoAgents)[0].UserName
	for i := range live {
		for _, event := range conversation(fmt.Sprintf("live-%05d", i), customers[sum+i], agent) {
			settled := p.watch.total()
			p.take(event)
			require.Eventually(t, func() bool { return p.watch.total() > settled }, time.Minute, time.Millisecond)
		}
	}
	require.Equal(t, int64(sum+live), p.drained(time.Minute)[outbox.Delivered])
	require.Equal(t, sum+live, m.logs())
	traits := p.adapter.Traits()
	return spent{
		backlog: float64(backlog) / float64(calls), live: float64(total(m.requests())-before) / float64(live),
		together: p.batch, found: traits.FindBatch, written: traits.WriteBatch,
	}
}

// TestQuota counts the requests for a call log with every adapter. "make quota" does it for 10,000 calls and writes the
// table into README.md.
func TestQuota(t *testing.T) {
	calls := int(fromEnvironment(t, "QUOTA_CALLS", 400))
	var table strings.Builder
	fmt.Fprintf(&table, "Requests for one call log, counted by `make quota`: of %s answered and recorded calls that wait, "+
		"each of a customer of its own, and of\ncalls that are told live: their start, answer, end and recording are "+
		"delivered one after the other.\n\n", humanize.Comma(int64(calls)))
	table.WriteString("| CRM | looked up, written in a request | delivered together | waiting | least | live | least |\n")
	table.WriteString("|---|---|---|---|---|---|---|\n")
	for _, f := range frugalities() {
		t.Run(f.name, func(t *testing.T) {
			s := spend(t, f.name, calls, 20)
			t.Logf("%s: %.4f requests a call log that waits, %.2f a live one", f.name, s.backlog, s.live)
			fmt.Fprintf(&table, "| `%s` | %d, %d | %d | %.3f | %s | %.2f | %s |\n", f.name, s.found, s.written, s.together,
				s.backlog, f.leastBacklog, s.live, f.leastLive)
			require.LessOrEqual(t, s.backlog, f.backlog)
			require.LessOrEqual(t, s.live, f.live)
		})
	}
	if t.Failed() || os.Getenv("QUOTA_README") == "" {
		t.Log("\n" + table.String())
		return
	}
	writeSection(t, filepath.Join(root, "README.md"), "quota", table.String())
}

// writeSection replaces what stands between the markers of a section.
func writeSection(t *testing.T, path, name, text string) {
	t.Helper()
	page, err := os.ReadFile(path)
	require.NoError(t, err)
	begin, end := "<!-- "+name+": begin -->\n", "<!-- "+name+": end -->"
	before, rest, found := strings.Cut(string(page), begin)
	require.True(t, found, "%s has no %s", path, begin)
	_, after, found := strings.Cut(rest, end)
	require.True(t, found, "%s has no %s", path, end)
	require.NoError(t, os.WriteFile(path, []byte(before+begin+text+end+after), 0o644))
}
