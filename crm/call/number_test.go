package call_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm/call"
)

func TestParseNumber(t *testing.T) {
	for name, test := range map[string]struct{ raw, e164, national string }{
		"mobile":                        {"0912345678", "+84912345678", "0912345678"},
		"mobile with spaces":            {" 0912 345 678 ", "+84912345678", "0912345678"},
		"mobile with dots":              {"0912.345.678", "+84912345678", "0912345678"},
		"mobile with hyphens":           {"0912-345-678", "+84912345678", "0912345678"},
		"mobile with +84":               {"+84912345678", "+84912345678", "0912345678"},
		"mobile with 84":                {"84912345678", "+84912345678", "0912345678"},
		"mobile with 0084":              {"0084912345678", "+84912345678", "0912345678"},
		"mobile with (+84)":             {"(+84) 912 345 678", "+84912345678", "0912345678"},
		"mobile with +84 and 0":         {"+84 0912345678", "+84912345678", "0912345678"},
		"mobile of a list's gap (086)":  {"0868123456", "+84868123456", "0868123456"},
		"landline of Ho Chi Minh City":  {"02838123456", "+842838123456", "02838123456"},
		"landline with spaces":          {"028 3812 3456", "+842838123456", "02838123456"},
		"landline with 84":              {"842838123456", "+842838123456", "02838123456"},
		"landline of a province":        {"02363822222", "+842363822222", "02363822222"},
		"mobile with an extension":      {"0912345678 ext 12", "+84912345678", "0912345678"},
		"foreign with +":                {"+1 650 253 0000", "+16502530000", "6502530000"},
		"foreign with 00":               {"0016502530000", "+16502530000", "6502530000"},
		"foreign without a mark":        {"16502530000", "", ""},
		"extension":                     {"888", "", ""},
		"extension of four":             {"6688", "", ""},
		"emergency":                     {"113", "", ""},
		"toll-free":                     {"18001234", "", ""},
		"premium":                       {"1900123456", "", ""},
		"premium with spaces":           {"1900 1234", "", ""},
		"hidden":                        {"anonymous", "", ""},
		"masked":                        {"03899xxx", "", ""},
		"too short":                     {"091234567", "", ""},
		"too long":                      {"09123456789", "", ""},
		"endless":                       {"091234567809123456780912345678091234567809", "", ""},
		"none":                          {"", "", ""},
		"blank":                         {"  ", "", ""},
		"old mobile":                    {"01201234567", "+84701234567", "0701234567"},
		"old mobile with spaces":        {"0120 123 4567", "+84701234567", "0701234567"},
		"old mobile with +84":           {"+841691234567", "+84391234567", "0391234567"},
		"old mobile with 84":            {"841881234567", "+84581234567", "0581234567"},
		"old mobile with 0084":          {"00841991234567", "+84591234567", "0591234567"},
		"old mobile with +84 and 0":     {"+84 (0)123 1234567", "+84831234567", "0831234567"},
		"prefix that never was (0130)":  {"01301234567", "", ""},
		"prefix that never was (0180)":  {"01801234567", "", ""},
		"old mobile, a digit too short": {"0120123456", "", ""},
		"old mobile, a digit too long":  {"012012345678", "", ""},
		"old mobile without its 0":      {"1201234567", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			n := call.ParseNumber(test.raw, "VN")
			require.Equal(t, test.e164, n.E164)
			require.Equal(t, test.national, n.National)
		})
	}
}

func TestParseNumberKeepsWhatItGot(t *testing.T) {
	require.Equal(t, "0912 345 678", call.ParseNumber(" 0912 345 678 ", "VN").Raw)
	require.Equal(t, "888", call.ParseNumber("888", "VN").String())
	require.Equal(t, "+84912345678", call.ParseNumber("0912345678", "VN").String())
	require.True(t, call.ParseNumber(" ", "VN").IsZero())
	require.False(t, call.ParseNumber("888", "VN").IsZero())
}

func TestParseNumberOfAnotherRegion(t *testing.T) {
	require.Equal(t, "+16502530000", call.ParseNumber("(650) 253-0000", "US").E164)
	require.Empty(t, call.ParseNumber("01201234567", "US").E164, "the renumbering is Vietnam's alone")
	require.Empty(t, call.ParseNumber("0912345678", "").E164, "without a region only +… is a number")
	require.Equal(t, "+84912345678", call.ParseNumber("+84912345678", "").E164)
}

// Every prefix of the renumbering of 2018, by the public tables of the three carriers.
func TestVietnameseRenumbering(t *testing.T) {
	for old, now := range map[string]string{
		"0120": "070", "0121": "079", "0122": "077", "0126": "076", "0128": "078",
		"0123": "083", "0124": "084", "0125": "085", "0127": "081", "0129": "082",
		"0162": "032", "0163": "033", "0164": "034", "0165": "035",
		"0166": "036", "0167": "037", "0168": "038", "0169": "039",
		"0186": "056", "0188": "058", "0199": "059",
	} {
		former, today := old+"7654321", now+"7654321"
		require.Equal(t, today, call.ParseNumber(former, "VN").National, former)
		require.True(t, call.ParseNumber(former, "VN").Same(call.ParseNumber(today, "VN")), former)
		spellings := call.ParseNumber(today, "VN").Spellings()
		require.Equal(t, former, spellings[len(spellings)-1], "the old form comes last")
	}
}

func TestSpellings(t *testing.T) {
	for raw, want := range map[string][]string{
		"0912345678":      {"+84912345678", "0912345678", "84912345678"},
		"+84912345678":    {"+84912345678", "0912345678", "84912345678"},
		"0912 345 678":    {"+84912345678", "0912345678", "84912345678", "0912 345 678"},
		"0701234567":      {"+84701234567", "0701234567", "84701234567", "01201234567"},
		"01201234567":     {"+84701234567", "0701234567", "84701234567", "01201234567"},
		"0120 123 4567":   {"+84701234567", "0701234567", "84701234567", "0120 123 4567", "01201234567"},
		"028 3812 3456":   {"+842838123456", "02838123456", "842838123456", "028 3812 3456"},
		"+1 650 253 0000": {"+16502530000", "6502530000", "16502530000", "+1 650 253 0000"},
		"888":             {"888"},
		"1900 1234":       {"1900 1234"},
		"":                nil,
	} {
		require.Equal(t, want, call.ParseNumber(raw, "VN").Spellings(), raw)
	}
}

func TestSame(t *testing.T) {
	for name, test := range map[string]struct {
		a, b string
		same bool
	}{
		"two spellings":            {"0912345678", "+84 912 345 678", true},
		"old and new form":         {"01201234567", "0701234567", true},
		"two subscribers":          {"0912345678", "0912345679", false},
		"two countries":            {"+16502530000", "0912345678", false},
		"equal extensions":         {"888", "888", true},
		"two extensions":           {"888", "889", false},
		"extension and its number": {"888", "0912345888", false},
		"none and none":            {"", "", false},
		"none and one":             {"", "0912345678", false},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := call.ParseNumber(test.a, "VN"), call.ParseNumber(test.b, "VN")
			require.Equal(t, test.same, a.Same(b))
			require.Equal(t, test.same, b.Same(a))
		})
	}
}

func TestMasked(t *testing.T) {
	for raw, want := range map[string]string{
		"0912345678": "********78", "+84 912 345 678": "*************78", "888": "*88", "11": "**", "1": "*", "": "",
		"số ẩn": "***ẩn",
	} {
		require.Equal(t, want, call.ParseNumber(raw, "VN").Masked())
	}
}

func TestSearchDigits(t *testing.T) {
	for _, raw := range []string{"0912345678", "+84 912 345 678", "84912345678", "0084.912.345.678", "912345678"} {
		require.Equal(t, "912345678", call.SearchDigits(raw), raw)
	}
	require.Equal(t, "888", call.SearchDigits("888"))
	require.Empty(t, call.SearchDigits("anonymous"))
}
