package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/crmsyncd/crmsyncd/receiver/alohub/traffic"
)

// scrape is what /metrics says: the value of every series of ours, without the prefix.
type scrape map[string]float64

func (p *process) scrape() scrape {
	p.t.Helper()
	status, body := p.get("/metrics")
	require.Equal(p.t, http.StatusOK, status)
	values := scrape{}
	for line := range strings.Lines(string(body)) {
		name, found := strings.CutPrefix(strings.TrimSpace(line), "crmsyncd_")
		if !found {
			continue
		}
		end := strings.LastIndexByte(name, ' ')
		value, err := strconv.ParseFloat(name[end+1:], 64)
		require.NoError(p.t, err, line)
		values[name[:end]] = value
	}
	return values
}

// sum adds up all series of a metric that have all these labels, each written as name="value".
func (s scrape) sum(metric string, labels ...string) float64 {
	sum := 0.0
	for name, value := range s {
		family, set, _ := strings.Cut(name, "{")
		if family == metric && !slices.ContainsFunc(labels, func(l string) bool { return !strings.Contains(set, l) }) {
			sum += value
		}
	}
	return sum
}

// names returns the series, sorted.
func (s scrape) names() []string { return slices.Sorted(maps.Keys(s)) }

// eventBody is an event of a call with a customer of the sandbox.
func eventBody(t *testing.T, callID string, customer traffic.Contact, changes map[string]any) []byte {
	t.Helper()
	event := map[string]any{
		"call_id": callID, "call_status": "started", "direction": "inbound", "caller_number": customer.Phone,
		"destination_number": "888", "starttime": "2024-01-13 15:00:30", "answertime": "", "endtime": "", "hangup_by": "",
		"hotline": "", "total_duration": "", "holding_duration": "", "recording_url": "", "objectId": 1,
		"transactionID": customer.TransactionID, "userName": "", "eventType": "call",
	}
	maps.Copy(event, changes)
	body, err := json.Marshal(event)
	require.NoError(t, err)
	return body
}

// answeredCall is what the event at the end of a call says that was answered.
var answeredCall = map[string]any{
	"call_status": "answered", "answertime": "2024-01-13 15:00:35", "endtime": "2024-01-13 15:05:30",
	"total_duration": "300", "hangup_by": "customer",
}

// command asks the operators' listener to do something.
func (p *process) command(path string) {
	p.t.Helper()
	req, err := http.NewRequest(http.MethodPost, "http://"+p.private+path, nil)
	require.NoError(p.t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(p.t, err)
	require.NoError(p.t, resp.Body.Close())
	require.Equal(p.t, http.StatusOK, resp.StatusCode, path)
}

// TestScrapeAddsUp sends traffic of every kind through the daemon and holds the figures that it shows against what was
// sent, against each other and against the CRM.
func TestScrapeAddsUp(t *testing.T) {
	crmSide, url := crmServer(t, 1)
	p := newProcess(t, url, "CRMSYNCD_MATCH__WAIT=0s", "CRMSYNCD_DELIVERY__HOLD=0s")
	p.start()
	atStart := p.scrape()
	people := traffic.NewContacts(demoSeed, demoContacts)

	answers := map[string]int{}
	post := func(body []byte) {
		status, answer := p.post(body)
		require.Equal(t, http.StatusOK, status, answer)
		var taken struct {
			Status string `json:"status"`
		}
		require.NoError(t, json.Unmarshal([]byte(answer), &taken))
		answers[taken.Status]++
	}
	const known, byNumber, strangers = 6, 3, 4
	calls := 0
	for i := range known + byNumber + strangers {
		customer := people[i]
		switch {
		case i >= known+byNumber:
			customer = traffic.Contact{Phone: fmt.Sprintf("09876543%02d", i), TransactionID: "nobody's"}
		case i >= known:
			customer.TransactionID = ""
		}
		body := eventBody(t, fmt.Sprintf("call-%d", i), customer, nil)
		post(body)
		post(body)
		calls++
	}
	p.drained(time.Minute)
	for i := range known {
		post(eventBody(t, fmt.Sprintf("call-%d", i), people[i], answeredCall))
	}
	states := p.drained(time.Minute)
	want := map[string]int{"pending": 0, "in_flight": 0, "delivered": known + byNumber, "parked": strangers}
	require.Equal(t, want, states)
	refused := map[string]int{}
	for _, r := range refusals {
		r.send(t, p.public).requireRefusal(t, r.status, r.code)
		refused[fmt.Sprintf("code=%q", strconv.Itoa(r.status))]++
	}
	p.command("/api/v1/calls/call-12/discard")
	p.eventually(time.Minute, "what was settled is counted as well", func() bool {
		return p.scrape().sum("settled_total") >= known+byNumber+known+strangers
	})

	s := p.scrape()
	require.Equal(t, atStart.names(), s.names(), "all series are there from the start")
	require.InDelta(t, answers["accepted"], s.sum("webhook_requests_total", `result="stored"`), 0)
	require.InDelta(t, answers["duplicate"], s.sum("webhook_requests_total", `result="duplicate"`), 0)
	require.InDelta(t, answers["accepted"]+answers["duplicate"], s.sum("webhook_requests_total", `code="200"`), 0)
	for code, n := range refused {
		require.InDelta(t, n, s.sum("webhook_requests_total", code), 0, code)
	}
	require.InDelta(t, len(refusals)+answers["accepted"]+answers["duplicate"], s.sum("webhook_requests_total"), 0)
	require.InDelta(t, s.sum("webhook_requests_total"), s["webhook_ack_duration_seconds_count"], 0)
	require.InDelta(t, answers["accepted"], s.sum("events_total"), 0)
	require.InDelta(t, answers["accepted"], s["outbox_appended_total"], 0)
	require.InDelta(t, answers["duplicate"], s["outbox_duplicates_total"], 0)

	require.InDelta(t, calls, s["outbox_entries_total"], 0)
	gone := s["outbox_discarded_total"] + s["outbox_purged_total"] + s["outbox_set_aside_total"]
	require.InDelta(t, calls, s.sum("outbox_items")+gone, 0)
	require.InDelta(t, 1, s["outbox_discarded_total"], 0)
	require.InDelta(t, known+byNumber, s[`outbox_items{state="delivered"}`], 0)
	require.InDelta(t, strangers-1, s[`outbox_items{state="parked"}`], 0)
	require.InDelta(t, strangers-1, s[`dead_letters{reason="unmatched"}`], 0)
	require.InDelta(t, strangers-1, s.sum("dead_letters"), 0)
	require.InDelta(t, strangers, s.sum("dead_letters_total"), 0)
	require.InDelta(t, strangers, s[`settled_total{outcome="refused"}`], 0)
	require.InDelta(t, known+byNumber+known, s[`settled_total{outcome="done"}`], 0)
	require.InDelta(t, s.sum("settled_total"), s.sum("outbox_settle_delay_seconds_count"), 0)
	require.InDelta(t, s.sum("settled_total"), s["delivery_entries_sum"], 0)

	stats := crmSide.Stats()
	require.InDelta(t, total(crmSide.Requests()), s.sum("crm_requests_total"), 0, "%v", stats.Requests)
	require.InDelta(t, s.sum("crm_requests_total"), s.sum("crm_request_duration_seconds_count"), 0)
	require.GreaterOrEqual(t, s.sum("crm_requests_total", `operation="find"`, `code_class="2xx"`), float64(calls))
	require.InDelta(t, known+byNumber, s.sum("crm_requests_total", `operation="create_log"`), 0)
	require.InDelta(t, known, s.sum("crm_requests_total", `operation="update_log"`), 0)
	require.InDelta(t, known, s[`match_total{method="transaction_id",outcome="one"}`], 0)
	require.InDelta(t, byNumber, s[`match_total{method="phone",outcome="one"}`], 0)
	require.InDelta(t, strangers, s[`match_total{method="none",outcome="none"}`], 0)
	require.InDelta(t, known, s[`match_total{method="receipt",outcome="one"}`], 0)
	require.InDelta(t, known+byNumber, s[`crm_delivery_latency_seconds_count{kind="first_visible"}`], 0)
	require.InDelta(t, len(p.quarantine()), s["quarantine_items"], 0)
	for name, value := range s {
		if !strings.Contains(name, "_bucket{") && strings.Contains(name, `="other"`) {
			require.Zero(t, value, "%s: a value fell out of its closed set", name)
		}
	}
	require.Equal(t, exitFine, p.stop())
}

// TestScrapeIsCleanUnderPromlint holds the names, types and help texts of the real daemon.
func TestScrapeIsCleanUnderPromlint(t *testing.T) {
	_, url := crmServer(t, 1)
	p := newProcess(t, url)
	p.start()
	_, body := p.get("/metrics")
	problems, err := promlint.New(bytes.NewReader(body)).Lint()
	require.NoError(t, err)
	for _, problem := range problems {
		require.False(t, strings.HasPrefix(problem.Metric, "crmsyncd_"), "%s: %s", problem.Metric, problem.Text)
	}
	require.Contains(t, string(body), "crmsyncd_build_info")
}

// TestScrapeDoesNotGrowWithWhatIsSent sends thousands of different values in every field and header that a sender
// chooses. Not one series more is there afterwards.
func TestScrapeDoesNotGrowWithWhatIsSent(t *testing.T) {
	_, url := crmServer(t, 1)
	p := newProcess(t, url, "CRMSYNCD_DELIVERY__HOLD=1h") // what arrives in the CRM is not the matter here
	p.start()
	before := p.scrape()
	const values, each = 5000, 100
	var senders errgroup.Group
	senders.SetLimit(64)
	for i := range values {
		body := eventBody(t, fmt.Sprintf("hostile-%d", i/each), traffic.Contact{Phone: strconv.Itoa(i)}, map[string]any{
			"call_status": fmt.Sprintf("status-%d\"}\n", i), "direction": fmt.Sprintf("direction-%d", i),
			"eventType": fmt.Sprintf("type-%d", i), "userName": fmt.Sprintf("user-%d", i), "hangup_by": fmt.Sprint("h", i),
		})
		senders.Go(func() error {
			if status, answer := p.post(body); status != http.StatusOK {
				return fmt.Errorf("event %d was answered %d: %s", i, status, answer)
			}
			return nil
		})
	}
	require.NoError(t, senders.Wait())
	const others = 50
	for i := range others {
		webhook{body: "{}", path: fmt.Sprintf("/path-%d", i)}.send(t, p.public).requireRefusal(t, 404, "not_found")
		webhook{body: "{}", keys: []string{fmt.Sprint("key-", i)}}.send(t, p.public).requireRefusal(t, 401, "unauthorized")
		webhook{body: "{}", method: fmt.Sprint("METHOD", i)}.send(t, p.public).requireRefusal(t, 405, "method_not_allowed")
		webhook{body: "{}", contentType: fmt.Sprint("type/", i)}.send(t, p.public).requireRefusal(t, 415, "unsupported_type")
		_, _ = p.get(fmt.Sprintf("/api/v1/calls?state=state-%d", i))
	}
	after := p.scrape()
	require.Equal(t, before.names(), after.names())
	require.InDelta(t, values, after.sum("events_total"), 0)
	require.InDelta(t, values, after.sum("events_total", `status="other"`), 0)
	require.InDelta(t, values+4*others, after.sum("webhook_requests_total"), 0)
}
