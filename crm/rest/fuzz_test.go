package rest_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm/rest"
)

// FuzzExpressions: no text makes the compiler panic, and every mistake says where it stands.
func FuzzExpressions(f *testing.F) {
	for _, seed := range []string{
		"${call.id}", "a${call.start}b$${x}", "${", "${}", "${'}", "${{}}", "${call.nobody}", "item.a[0]?.b", "1 +",
		"${map(1..3, #)}", "\xff${\xff}", "${let x = 1; x}", "any(body, # contains 'x')", "${call.talk ?? 0}", "a\n${\n.}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		cfg := rest.Default()
		cfg.BaseURL = "http://crm.example.com"
		cfg.Message = text
		cfg.Answers = []rest.Answer{{When: text, Then: "invalid"}}
		cfg.Calls.Upsert = &rest.Operation{Path: "/" + text, Body: []any{text}, Query: map[string]any{"q": text}, ID: text}
		for _, err := range unjoin(cfg.Validate()) {
			mistake, ok := errors.AsType[*rest.ConfigError](err)
			require.True(t, ok)
			require.Contains(t, []string{
				"message", "answers[0].when", "calls.upsert.path", "calls.upsert.body[0]", "calls.upsert.query.q",
				"calls.upsert.id",
			}, mistake.Path)
			require.NotEmpty(t, mistake.Problem)
			require.NotContains(t, mistake.Error(), "\n")
		}
	})
}

func unjoin(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return nil
}

// FuzzRetryAfter: a CRM cannot make us wait for ever, nor a negative time.
func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{
		"7", "0", "-1", "1.5", "1e300", "NaN", "Inf", "0x10", "", " 30 ", "Sun, 01 Mar 2026 02:30:30 GMT", "soon",
		"Sunday, 01-Mar-26 02:30:00 GMT", "Fri, 01 Jan 9999 00:00:00 GMT", "99999999999999999999",
	} {
		f.Add(seed)
	}
	now := time.Date(2026, 3, 1, 2, 30, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		wait := rest.ParseRetryAfter(text, now)
		require.GreaterOrEqual(t, wait, time.Duration(0))
		require.LessOrEqual(t, wait, 24*time.Hour)
	})
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 3, 1, 2, 30, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"7": 7 * time.Second, " 30 ": 30 * time.Second, "1.5": 1500 * time.Millisecond, "0": 0, "-5": 0, "soon": 0, "": 0,
		"NaN": 0, "1e300": 24 * time.Hour, "Sun, 01 Mar 2026 02:30:30 GMT": 30 * time.Second,
		"Sun, 01 Mar 2026 02:29:00 GMT": 0, "Fri, 01 Jan 2027 00:00:00 GMT": 24 * time.Hour,
	} {
		require.Equal(t, want, rest.ParseRetryAfter(text, now), text)
	}
}
