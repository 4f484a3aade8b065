package alohub

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// validCases are texts at the edges of the grammar; the fuzz test starts from them.
var validCases = []string{
	``, ` `, `{}`, `[]`, ` { } `, `{"a":1}`, `{"a":1,}`,
	`{,}`, `{"a"}`, `{"a":}`, `{"a":1 "b":2}`, `{a:1}`, `{"a":1}}`, `{"a" 1}`,
	`[1,2]`, `[1,]`, `[,1]`, `[1 2]`, `[`, `]`,
	`[[]`, `{"a":[}`, `[{]`, `{"a":{"b":[1,{"c":null}]}}`, `{"`, `{"a`, `{"a":`,
	`"`, `"a`, `"a"`, `"\"`, `"\\"`, `"\u12"`, `"\u12G4"`,
	`"\uD800"`, `"\x"`, `"\`, `"\u`, "\"\x00\"", "\"\x1f\"", "\"\x7f\"", "\"\n\"",
	`0`, `-0`, `00`, `01`, `-`, `-a`, `1.`, `.1`, `1.5`, `1e5`,
	`1E+5`, `1e-`, `1e`, `1.e1`, `+1`, `0x1`, `1a`, `--1`, `1e5.5`, `-1.0e-10`,
	`true`, `false`, `null`, `tru`, `nul`, `True`, `truefalse`,
	`nullx`, `NaN`, "\ufeff{}", "{}\x00", "\v{}", `{} {}`, `{}x`, "\xff",
	strings.Repeat("[", 10000) + strings.Repeat("]", 10000), strings.Repeat("[", 10001) + strings.Repeat("]", 10001),
}

func TestValid(t *testing.T) {
	for _, text := range validCases {
		require.Equal(t, json.Valid([]byte(text)), valid(text), "%.80q", text)
	}
}

// FuzzValid holds that valid and encoding/json agree on what JSON is.
func FuzzValid(f *testing.F) {
	for _, text := range validCases {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		require.Equal(t, json.Valid([]byte(text)), valid(text))
	})
}

// TestCanonicalIsLinear holds that the work for a deeply nested body does not grow with the square of its depth: what
// is copied at each level is bounded.
func TestCanonicalIsLinear(t *testing.T) {
	text := strings.Repeat(`{"b":1,"a":`, 9999) + "1" + strings.Repeat("}", 9999)
	c := canonicalizer{src: text}
	c.value(0)
	require.LessOrEqual(t, len(c.dst), 64)
}
