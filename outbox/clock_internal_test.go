package outbox

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// machine is a host whose clocks a test moves.
type machine struct {
	wall    time.Time
	elapsed time.Duration
}

func (m *machine) pass(d time.Duration) {
	m.wall = m.wall.Add(d)
	m.elapsed += d
}

func (m *machine) clock(notBefore time.Time) *Clock {
	return newClock(notBefore, func() time.Time { return m.wall }, func() time.Duration { return m.elapsed })
}

var today = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

func TestClockFollowsTheWallClock(t *testing.T) {
	m := &machine{wall: today}
	c := m.clock(time.Time{})
	require.Equal(t, today, c.Now())
	m.pass(time.Hour)
	require.Equal(t, today.Add(time.Hour), c.Now())
}

func TestClockDoesNotJump(t *testing.T) {
	for name, jump := range map[string]time.Time{
		"an hour forward": today.Add(time.Hour), "an hour back": today.Add(-time.Hour),
		"to 1970": time.Unix(0, 0), "to 2038": time.Date(2038, 1, 19, 3, 14, 8, 0, time.UTC),
	} {
		t.Run(name, func(t *testing.T) {
			m := &machine{wall: today}
			c := m.clock(time.Time{})
			m.wall = jump
			require.Equal(t, today, c.Now(), "no time has passed")
			m.pass(10 * time.Minute)
			require.GreaterOrEqual(t, c.Now(), today.Add(5*time.Minute), "no freeze")
			require.LessOrEqual(t, c.Now(), today.Add(20*time.Minute), "no burst")
			if d := jump.Sub(today); d.Abs() == time.Hour {
				m.pass(3 * time.Hour)
				c.Now()
				require.Equal(t, m.wall, c.Now(), "in the end it agrees again")
			}
		})
	}
}

func TestClockBeginsNotBeforeWhatIsStored(t *testing.T) {
	m := &machine{wall: time.Unix(0, 0)}
	c := m.clock(today)
	require.Equal(t, today, c.Now())
	m.pass(time.Minute)
	require.Equal(t, today.Add(30*time.Second), c.Now())
}

func TestClockNeverGoesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{wall: today}
		c := m.clock(time.Time{})
		before := c.Now()
		for range rapid.IntRange(1, 50).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "jump") {
				m.wall = time.Unix(rapid.Int64Range(0, 1<<32).Draw(t, "to"), 0)
			}
			passed := time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "passed"))
			m.pass(passed)
			now := c.Now()
			require.GreaterOrEqual(t, now.Sub(before), passed/2)
			require.LessOrEqual(t, now.Sub(before), 2*passed)
			before = now
		}
	})
}
