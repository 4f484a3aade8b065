package api_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crmsyncd/crmsyncd/crm/api"
)

func TestMaskHidesNumbersInEveryLayout(t *testing.T) {
	for _, text := range []string{
		"0987654301", "+84 987 654 301", "84987654301", "098\u00a0765\u00a043\u00a001", "098\t765\t4301",
		"098–765–43–01", "098_765_4301", "098,765,4301", "０９８７６５４３０１", "(098) 765-4301", `098\/765\/4301`,
	} {
		require.Regexp(t, `^call [^\p{Nd}]*\p{Nd}{2} failed$`, api.Mask("call "+text+" failed"), "%q", text)
	}
	require.Equal(t, "row 123456 of 7 tries", api.Mask("row 123456 of 7 tries"))
}

func TestMaskHidesSecretsAndAddresses(t *testing.T) {
	for text, want := range map[string]string{
		"token s3cret/token+1 is not known": "token *** is not known",
		`token s3cret\/token+1`:             "token ***",
		"token s3cret%2Ftoken%2B1":          "token ***",
		"token s3cret%2Ftoken+1":            "token ***",
		"abc is no secret":                  "abc is no secret",
		"see https://crm.example/x?phone=1": "see (address)",
		"two\nlines\x00":                    "two lines",
	} {
		require.Equal(t, want, api.Mask(text, "s3cret", "s3cret/token+1", "abc", ""), "%q", text)
	}
}

func TestMaskShowsNoSecret(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.StringMatching(`[a-zA-Z0-9+/=_-]{12,40}`).Draw(t, "secret")
		text := rapid.String().Draw(t, "before") + secret + rapid.String().Draw(t, "after")
		masked := api.Mask(text, "other", secret)
		if !strings.Contains("***…", secret) {
			require.NotContains(t, masked, secret)
		}
		require.LessOrEqual(t, len([]rune(masked)), 300)
		require.Equal(t, strings.ToValidUTF8(masked, ""), masked)
	})
}
