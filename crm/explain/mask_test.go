package explain_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/explain"
)

// TestMasking draws numbers in any layout and holds that no explanation shows more of them than their end, nor anything
// of a recording.
func TestMasking(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tail := rapid.StringMatching(`[0-9]{7}`).Draw(t, "tail")
		layout := rapid.SampledFrom([]string{
			"0%s%s", "+84%s%s", "84%s%s", "0084 %s %s", "0%s.%s", "(+84) %s-%s",
		}).Draw(t, "layout")
		number := fmt.Sprintf(layout, "91", tail)
		event := ended()
		event.CustomerNumber, event.RecordingURL = number, "https://media.example.vn/r?a=1&b="+tail
		event.Agent, event.TransactionID = "called "+number, "T of "+number
		f := &fake{find: func(l crm.Lookup) crm.Found {
			return crm.Found{Err: crm.Errorf(crm.KindInvalid, "find", "no %s, no %s", l.Phone.Raw, l.TransactionID)}
		}}
		x, err := explain.Explain(t.Context(), entry(t, event), options(f))
		require.NoError(t, err)
		shown, err := json.Marshal(x)
		require.NoError(t, err)
		require.NotContains(t, string(shown), tail)
		require.NotContains(t, string(shown), "media.example")
		if n := call.ParseNumber(number, "VN"); n.E164 != "" {
			require.NotContains(t, string(shown), n.E164)
		}
	})
}
