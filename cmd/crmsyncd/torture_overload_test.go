package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestTortureOverload pushes from many more clients than the daemon works for at once.
func TestTortureOverload(t *testing.T) {
	const clients = 128
	p := intake(t, "CRMSYNCD_RECEIVER__MAX_IN_FLIGHT=8")
	p.start()
	memory := p.memory("VmRSS")
	push := newLoad(p, "push", clients)
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	push.run(ctx, clients, 0, math.MaxInt32)
	lasted := time.Since(began)
	push.requireOnly("200", "503")
	require.NotEmpty(t, push.accepted)
	require.Positive(t, push.answers["503"], "it was too much")
	grown := p.memory("VmHWM") - memory

	after := newLoad(p, "after", 1)
	after.run(t.Context(), 1, 0, 100)
	after.requireOnly("200")

	stored := p.callIDs()
	for _, id := range slices.Concat(push.accepted, after.accepted) {
		require.Contains(t, stored, id, "it was acknowledged")
	}
	require.Len(t, stored, len(push.accepted)+len(after.accepted), "nothing else is stored")
	survived(t, "B2", "128 clients push at a limit of 8 requests at once",
		"in %.1f s %d answered 200, p99 %s ms, all stored, %d answered 503 with Retry-After, nothing else; memory grew by %d MiB; "+
			"the next 100, one after the other, all answered 200, p99 %s ms", lasted.Seconds(), len(push.accepted), push.p99(),
		push.answers["503"], grown>>20, after.p99())
	require.Equal(t, exitFine, p.stop())
	p.sound()
}

// callIDs lists all calls in the outbox.
func (p *process) callIDs() map[string]bool {
	p.t.Helper()
	ids := map[string]bool{}
	for next := ""; ; {
		status, body := p.get("/api/v1/calls?limit=200&after=" + url.QueryEscape(next))
		require.Equal(p.t, http.StatusOK, status, "%s", body)
		var page struct {
			Calls []struct {
				ID string `json:"call_id"`
			} `json:"calls"`
			Next string `json:"next"`
		}
		require.NoError(p.t, json.Unmarshal(body, &page))
		for _, call := range page.Calls {
			require.False(p.t, ids[call.ID], "%s is listed twice", call.ID)
			ids[call.ID] = true
		}
		if next = page.Next; next == "" {
			return ids
		}
	}
}

// TestTortureKeyRotation holds that both keys of a change work at the same time, and that it shows which one is used.
func TestTortureKeyRotation(t *testing.T) {
	const oldKey, newKey = "the-key-of-last-year", "the-key-of-this-year"
	p := intake(t, "CRMSYNCD_RECEIVER__AUTHORIZATION_KEYS="+newKey+","+oldKey)
	p.start()
	lastUsed := func(slot int) float64 {
		return p.metric(fmt.Sprintf(`crmsyncd_webhook_key_last_used_timestamp_seconds{slot="%d"}`, slot))
	}
	send := func(key, id string) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+p.public+"/webhooks/alohub", nil)
		require.NoError(t, err)
		req.Body, req.ContentLength = bodyOf(endedCall(id))
		req.Header.Set("Authorization", key)
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return resp.StatusCode
	}
	require.Zero(t, lastUsed(0))
	require.Zero(t, lastUsed(1))
	for i := range 50 {
		require.Equal(t, http.StatusOK, send(oldKey, fmt.Sprintf("old-%d", i)))
	}
	require.Zero(t, lastUsed(0), "nobody uses the new key yet")
	require.Positive(t, lastUsed(1))
	for i := range 100 {
		require.Equal(t, http.StatusOK, send([]string{oldKey, newKey}[i%2], fmt.Sprintf("both-%d", i)))
	}
	oldEnded := lastUsed(1)
	for i := range 50 {
		require.Equal(t, http.StatusOK, send(newKey, fmt.Sprintf("new-%d", i)))
	}
	require.Equal(t, oldEnded, lastUsed(1), "the old key is not used any more") //nolint:testifylint // equal or wrong
	require.Greater(t, lastUsed(0), oldEnded)
	require.Equal(t, http.StatusUnauthorized, send(demoKey, "neither"))
	survived(t, "B9", "a key is changed while events come in",
		"200 events with the old, either and the new key: all answered 200; a metric shows for each key when it was last used")
	require.Equal(t, exitFine, p.stop())
}
