package salesforce_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crmsyncd/crmsyncd/crm"
	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/crm/salesforce/salesforcetest"
)

// TestAnyCallIsTaken: whatever a call says, its Task is one that the org takes, and shows the same call.
func TestAnyCallIsTaken(t *testing.T) {
	b := newBench(t, salesforcetest.Options{})
	calls := 0
	rapid.Check(t, func(rt *rapid.T) {
		calls++ // each is a call of its own: what an earlier one left would not be cleared
		c := call.Call{
			ID:        fmt.Sprintf("%s-%d", rapid.StringMatching(`[0-9A-Z']{1,40}`).Draw(rt, "id"), calls),
			Direction: rapid.SampledFrom([]call.Direction{call.Inbound, call.Outbound, call.DirectionUnknown}).Draw(rt, "way"),
			State:     rapid.SampledFrom([]call.State{call.Started, call.Answered, call.Ended}).Draw(rt, "state"),
			Result: rapid.SampledFrom([]call.Result{call.ResultNone, call.ResultAnswered, call.ResultMissed}).
				Draw(rt, "result"),
			Customer: call.ParseNumber(rapid.String().Draw(rt, "customer"), "VN"), Agent: rapid.String().Draw(rt, "agent"),
			Hotline: rapid.String().Draw(rt, "hotline"), RecordingURL: rapid.String().Draw(rt, "recording"),
		}
		if rapid.Bool().Draw(rt, "talked") {
			c.Talk = call.KnownSeconds(rapid.Int64Range(0, 100_000).Draw(rt, "talk"))
		}
		if rapid.Bool().Draw(rt, "timed") {
			c.Start = time.Unix(rapid.Int64Range(0, 4e9).Draw(rt, "start"), 0)
		}
		written := b.Write(t.Context(), []crm.Write{{Call: c}})[0]
		require.NoError(rt, written.Err)
		seconds, _ := b.org.Value(written.LogID, "CallDurationInSeconds").(int64)
		if c.State == call.Ended && c.Result == call.ResultAnswered {
			require.Equal(rt, c.Talk.N, seconds)
		} else {
			require.Zero(rt, seconds)
		}
		require.Equal(rt, c.ID, b.org.Value(written.LogID, salesforcetest.CallID))
		_, err := json.Marshal(b.org.Value(written.LogID, "Description"))
		require.NoError(rt, err)
	})
}
