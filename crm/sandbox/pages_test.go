package sandbox_test

import (
	"bytes"
	"fmt"
	"html"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm/sandbox"
)

const policy = "default-src 'none'; style-src 'self'; img-src 'self' data:; media-src http: https:; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func TestPagesAreLockedDown(t *testing.T) {
	c := start(t, sandbox.Options{APIKey: "s3cret"})
	c.want(t, 201, "POST", contactsPath, `{"name":"Ánh"}`)
	c.key = ""
	for path, status := range map[string]int{
		"/": 200, "/?live=1&q=x&page=9": 200, "/contacts/ct_000001": 200, "/unlinked": 200, "/nothing": 404,
		"/contacts/ct_000002": 404,
	} {
		r := c.want(t, status, "GET", path, "")
		require.Equal(t, policy, r.header.Get("Content-Security-Policy"))
		require.Equal(t, "text/html; charset=utf-8", r.header.Get("Content-Type"))
		require.Equal(t, "nosniff", r.header.Get("X-Content-Type-Options"))
		require.Equal(t, "no-referrer", r.header.Get("Referrer-Policy"))
		require.NotContains(t, r.text, "<script")
		require.NotContains(t, r.text, "style=", "the policy forbids styles of elements")
		require.Contains(t, r.text, `<html lang="en">`)
		require.Equal(t, strings.Contains(path, "live=1"), strings.Contains(r.text, `http-equiv="refresh"`))
	}
	r := c.want(t, 200, "GET", "/style.css", "")
	require.Equal(t, "text/css; charset=utf-8", r.header.Get("Content-Type"))
	require.Contains(t, r.text, "prefers-color-scheme: dark")
}

func TestPagesEscape(t *testing.T) {
	const hostile = `"><script>alert('x')</script><img src=x onerror=alert(1)>`
	c := start(t, sandbox.Options{})
	_, err := c.AddUser(sandbox.User{Name: hostile})
	require.NoError(t, err)
	_, err = c.AddContact(sandbox.Contact{Name: hostile, Phone: hostile, TransactionID: hostile, Owner: "us_000001"})
	require.NoError(t, err)
	for i, address := range []string{
		"javascript:alert(1)", "JaVaScRiPt://example.com/%0aalert(1)", "data:text/html,<script>alert(1)</script>",
		"https://example.com/" + hostile, "//example.com/a.mp3", "http:///a.mp3", " javascript:alert(1)",
	} {
		for j, contact := range []string{`"ct_000001"`, "null"} {
			quote := func(s string) string { return strings.ReplaceAll(s, `"`, `\"`) }
			c.want(t, 201, "POST", callsPath, fmt.Sprintf(`{"call_id":"%d.%d%[3]s","contact_id":%s,"status":"%[3]s",`+
				`"result":"%[3]s","agent":"%[3]s","owner":"us_000001","phone":"%[3]s","hotline":"%[3]s",`+
				`"extension":"%[3]s","hangup_by":"%[3]s","title":"%[3]s","note":"%[3]s","recording_url":"%[5]s",`+
				`"%[3]s":"%[3]s"}`, i, j, quote(hostile), contact, quote(address)))
		}
	}
	for _, path := range []string{"/", "/?q=%22%3E%3Cscript%3E", "/contacts/ct_000001", "/unlinked"} {
		r := c.want(t, 200, "GET", path, "")
		lower := strings.ToLower(r.text)
		for _, harm := range []string{
			"<script", "<img", `href="javascript:`, `src="javascript:`, `href="data:text`, `src="data:`, "zgotmplz",
			`src="//`, `src="http:///`, `href=" `,
		} {
			require.NotContains(t, lower, harm, path)
		}
		require.Contains(t, r.text, html.EscapeString("<script>"))
	}
	page := c.want(t, 200, "GET", "/contacts/ct_000001", "").text
	require.Equal(t, 1, strings.Count(page, "<audio"), "only the web address gets a player")
	require.Equal(t, 6, strings.Count(page, "an address that no browser opens"))
}

func TestContactPage(t *testing.T) {
	clock := newClock()
	c := start(t, sandbox.Options{Now: clock.read})
	_, err := c.AddUser(sandbox.User{Name: "Trần Thị Lan"})
	require.NoError(t, err)
	_, err = c.AddContact(sandbox.Contact{Name: "Nguyễn Ánh", Phone: "0912 345 678", Owner: "us_000001"})
	require.NoError(t, err)
	c.want(t, 201, "POST", callsPath, fullCall)
	c.want(t, 201, "POST", callsPath, `{"call_id":"missed","contact_id":"ct_000001","direction":"outbound",`+
		`"result":"missed","started_at":"2026-11-21T10:00:00Z","ended_at":"2026-11-21T10:00:31Z","total_seconds":31,`+
		`"talk_seconds":0}`)
	c.want(t, 201, "POST", callsPath, `{"call_id":"runs","contact_id":"ct_000001","started_at":"2026-11-22T07:29:00Z"}`)
	c.want(t, 201, "POST", callsPath, `{"call_id":"older","contact_id":"ct_000001","started_at":"2026-11-13T17:30:00Z",`+
		`"answered_at":"2026-11-13T17:30:05Z","ended_at":"2026-11-13T19:31:05Z","total_seconds":7265,"talk_seconds":7260}`)
	text := c.want(t, 200, "GET", "/contacts/ct_000001", "").text
	// The order of what is shown is that of the timeline: the newest first, with the times of Vietnam.
	for _, part := range []string{
		"Nguyễn Ánh", "0912 345 678", "Trần Thị Lan", ">4<", ">2<", ">1<", ">1<", "2 h 3 min",
		"Today", "Ringing", "14:29:00",
		"Inbound call", "Answered", "14:00:00", "2 min<", "8 s", "lan.tran", "ext. 101", "19006868", "customer", "Tết",
		"Gọi lại", `<audio controls preload="none" src="https://example.com/a.mp3"`,
		"Yesterday", "Outbound call", "Missed", "17:00:00", "31 s",
		"Saturday, 14 November 2026", "Call<", "Answered", "00:30:00", "2 h 1 min", "5 s",
	} {
		_, rest, found := strings.Cut(text, part)
		require.True(t, found, "%q is missing or in the wrong place", part)
		text = rest
	}
	require.NotContains(t, text, "<audio")
}

// Times that contradict each other are shown as they are; what they cannot tell is left out.
func TestContradictingTimes(t *testing.T) {
	c := start(t, sandbox.Options{Now: newClock().read})
	c.want(t, 201, "POST", callsPath, `{"call_id":"1","started_at":"2026-11-22T07:00:10Z",`+
		`"answered_at":"2026-11-22T07:00:00Z","ended_at":"2026-11-22T06:00:00Z","result":"answered"}`)
	text := c.want(t, 200, "GET", "/unlinked", "").text
	require.Contains(t, text, "14:00:10")
	require.Contains(t, text, "Answered")
	require.NotContains(t, text, "Ringing")
}

func TestContactList(t *testing.T) {
	clock := newClock()
	c := start(t, sandbox.Options{Now: clock.read})
	for _, contact := range []sandbox.Contact{
		{Name: "Nguyễn Đức Anh", Phone: "+84 912 345 678", TransactionID: "TX-7"},
		{Name: "Trần Bình", Phone: "0987 654 321", TransactionID: "TX-8"},
		{Phone: "101"},
	} {
		_, err := c.AddContact(contact)
		require.NoError(t, err)
	}
	order := func(query string) []string {
		var names []string
		text := c.want(t, 200, "GET", "/"+query, "").text
		for _, part := range strings.Split(text, `<a href="/contacts/`)[1:] {
			id, _, _ := strings.Cut(part, `"`)
			names = append(names, id)
		}
		return names
	}
	for query, want := range map[string][]string{
		"":                  {"ct_000003", "ct_000002", "ct_000001"},
		"?q=nguyen+duc":     {"ct_000001"},
		"?q=NGUYỄN":         {"ct_000001"},
		"?q=đức":            {"ct_000001"},
		"?q=0912":           {"ct_000001"},
		"?q=0912-345":       {"ct_000001"},
		"?q=%2B84912345678": {"ct_000001"},
		"?q=tx-":            {"ct_000002", "ct_000001"},
		"?q=nobody":         nil,
		"?q=%20":            {"ct_000003", "ct_000002", "ct_000001"},
	} {
		require.Equal(t, want, order(query), query)
	}
	call := func(body string) { c.want(t, 201, "POST", callsPath, body) }
	call(`{"call_id":"1","contact_id":"ct_000001","started_at":"2026-11-22T07:00:00Z"}`)
	call(`{"call_id":"2","contact_id":"ct_000002","started_at":"2026-11-21T07:00:00Z"}`)
	call(`{"call_id":"3","contact_id":"ct_000002","started_at":"2026-11-20T07:00:00Z"}`)
	require.Equal(t, []string{"ct_000001", "ct_000002", "ct_000003"}, order(""))
	text := c.want(t, 200, "GET", "/", "").text
	require.Contains(t, text, "30 min ago")
	require.Contains(t, text, "yesterday, 14:00")
	require.Contains(t, text, "no calls yet")

	// A change of the contact leaves its calls as they are.
	c.want(t, 200, "PATCH", contactsPath+"/ct_000001", `{"name":"Nguyễn Đức Ánh"}`)
	require.Equal(t, []string{"ct_000001", "ct_000002", "ct_000003"}, order(""))

	// Moving the newest call elsewhere leaves its contact with the one before.
	c.want(t, 200, "PATCH", callsPath+"/cl_000002", `{"contact_id":"ct_000003"}`)
	c.want(t, 200, "PATCH", callsPath+"/cl_000001", `{"started_at":"2026-11-01T07:00:00Z"}`)
	require.Equal(t, []string{"ct_000003", "ct_000002", "ct_000001"}, order(""))
	require.Contains(t, c.want(t, 200, "GET", "/", "").text, "20 Nov 2026, 14:00")
}

func TestPagesOfContacts(t *testing.T) {
	c := start(t, sandbox.Options{})
	for i := range 101 {
		_, err := c.AddContact(sandbox.Contact{Name: fmt.Sprintf("Person %d", i)})
		require.NoError(t, err)
	}
	for query, want := range map[string]struct{ shown, links string }{
		"":                    {"Page 1 of 3", `<a href="?page=2" rel="next">`},
		"?page=2&q=Person":    {"Page 2 of 3", `<a href="?page=3&amp;q=Person" rel="next">`},
		"?page=3&q=p&live=1":  {"Page 3 of 3", `<a href="?live=1&amp;page=2&amp;q=p" rel="prev">`},
		"?page=99":            {"Page 3 of 3", `<a href="?page=2" rel="prev">`},
		"?page=-1&other=drop": {"Page 1 of 3", `<a href="?page=2" rel="next">`},
	} {
		text := c.want(t, 200, "GET", "/"+query, "").text
		require.Contains(t, text, want.shown, query)
		require.Contains(t, text, want.links, query)
	}
	require.NotContains(t, c.want(t, 200, "GET", "/?q=Person+77", "").text, "Page 1 of")
	long := strings.Repeat("x", 300)
	require.NotContains(t, c.want(t, 200, "GET", "/?q="+long, "").text, long, "what is searched for is bounded")
}

func TestUnlinkedPage(t *testing.T) {
	c := start(t, sandbox.Options{Location: time.UTC, Now: newClock().read})
	require.Contains(t, c.want(t, 200, "GET", "/unlinked", "").text, "All calls are linked")
	c.want(t, 201, "POST", callsPath, `{"call_id":"nobody's","status":"no_answer","started_at":"2026-11-22T07:00:00Z"}`)
	text := c.want(t, 200, "GET", "/unlinked", "").text
	require.Contains(t, text, "nobody&#39;s")
	require.Contains(t, text, "Missed")
	require.Contains(t, text, "07:00:00", "in the time zone that was asked for")
}

// What the log says of a request holds neither the number that was asked for nor the key.
func TestLogHoldsNoSecrets(t *testing.T) {
	var out bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s := sandbox.New(sandbox.Options{APIKey: "s3cret", Logger: logger})
	serve(t.Context(), s, "GET", contactsPath+"?phone=0912345678", "")
	serve(t.Context(), s, "POST", contactsPath, `{"phone":"0912345678"}`)
	require.Equal(t, 2, strings.Count(out.String(), "status=401"))
	require.NotContains(t, out.String(), "0912345678")
	require.NotContains(t, out.String(), "s3cret")
}
