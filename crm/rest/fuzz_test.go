package rest_test

import (
	"errors"
	"testing"

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
