package rest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMaskHidesNumbersInEveryLayout(t *testing.T) {
	m := newMasker(nil)
	for _, text := range []string{
		"0987654301", "+84 987 654 301", "84987654301", "098\u00a0765\u00a043\u00a001", "098\t765\t4301",
		"098–765–43–01", "098_765_4301", "098,765,4301", "０９８７６５４３０１", "(098) 765-4301", `098\/765\/4301`,
	} {
		require.Regexp(t, `^call [^\p{Nd}]*\p{Nd}{2} failed$`, m.mask("call "+text+" failed"), "%q", text)
	}
	require.Equal(t, "row 123456 of 7 tries", m.mask("row 123456 of 7 tries"))
}

func TestMaskHidesSecretsAndAddresses(t *testing.T) {
	m := newMasker([]string{"s3cret/token+1", "abc"})
	for text, want := range map[string]string{
		"token s3cret/token+1 is not known": "token *** is not known",
		`token s3cret\/token+1`:             "token ***",
		"token s3cret%2Ftoken%2B1":          "token ***",
		"abc is no secret":                  "abc is no secret",
		"see https://crm.example/x?phone=1": "see (address)",
		"two\nlines\x00":                    "two lines",
	} {
		require.Equal(t, want, m.mask(text), "%q", text)
	}
}
