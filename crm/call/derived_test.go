package call_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm/call"
)

func TestBegan(t *testing.T) {
	start := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	answer, end := start.Add(10*time.Second), start.Add(100*time.Second)
	require.Equal(t, start, call.Call{Start: start, Answer: answer, End: end}.Began())
	require.Equal(t, answer, call.Call{Answer: answer, End: end}.Began())
	require.Equal(t, end, call.Call{End: end}.Began())
	require.Zero(t, call.Call{}.Began())
}

func TestTalked(t *testing.T) {
	start := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	answered := call.Call{State: call.Ended, Result: call.ResultAnswered}
	for name, tt := range map[string]struct {
		change func(*call.Call)
		want   call.Seconds
	}{
		"told":              {func(c *call.Call) { c.Talk, c.Total = call.KnownSeconds(90), call.KnownSeconds(100) }, call.KnownSeconds(90)},
		"nothing was said":  {func(c *call.Call) { c.Talk = call.KnownSeconds(0) }, call.KnownSeconds(0)},
		"answer not told":   {func(c *call.Call) { c.Total = call.KnownSeconds(100) }, call.KnownSeconds(100)},
		"only its times":    {func(c *call.Call) { c.Start, c.End = start, start.Add(time.Minute) }, call.KnownSeconds(60)},
		"times in disorder": {func(c *call.Call) { c.Start, c.End = start, start.Add(-time.Minute) }, call.Seconds{}},
		"negative":          {func(c *call.Call) { c.Total = call.KnownSeconds(-5) }, call.KnownSeconds(0)},
		"nothing known":     {func(*call.Call) {}, call.Seconds{}},
		"runs":              {func(c *call.Call) { c.State, c.Total = call.Answered, call.KnownSeconds(20) }, call.Seconds{}},
		"no result":         {func(c *call.Call) { c.Result, c.Total = call.ResultNone, call.KnownSeconds(20) }, call.Seconds{}},
		"missed":            {func(c *call.Call) { c.Result, c.Total = call.ResultMissed, call.KnownSeconds(20) }, call.KnownSeconds(0)},
	} {
		c := answered
		tt.change(&c)
		require.Equal(t, tt.want, c.Talked(), name)
	}
}
