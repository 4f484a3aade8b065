package outboxtest

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/outbox"
)

// Harness says how to open the store under test. All fields are required.
type Harness struct {
	// Open opens the store that lives in dir, an empty or missing directory at first, with the bounds below and no limit
	// on its size. Opened again on the same dir after Close it must give back what was stored. The suite closes what it
	// opens. Open fails the test if it cannot open.
	Open func(tb testing.TB, dir string, clock *Clock) outbox.Store
	// OpenLimited is Open with a limit on used bytes; the suite asks for 4 MiB.
	OpenLimited func(tb testing.TB, dir string, clock *Clock, limitBytes int64) outbox.Store
	// Restore puts what Backup has written into dir, an empty directory, so that Open finds it there.
	Restore func(tb testing.TB, backup []byte, dir string)
	// MaxStarts is how many deliveries of an entry may begin unsettled before Claim parks it; at least 2. Small numbers
	// make Run fast and let Model reach the parking.
	MaxStarts int
	// QuarantineCount and QuarantineBytes are the bounds of the quarantine. The count must be at least 2 and should be
	// small; the bytes must be at least 64 for each body of the count.
	QuarantineCount int
	QuarantineBytes int64
}

func (h Harness) validate(t *testing.T) {
	t.Helper()
	require.NotNil(t, h.Open, "Harness.Open")
	require.NotNil(t, h.OpenLimited, "Harness.OpenLimited")
	require.NotNil(t, h.Restore, "Harness.Restore")
	require.GreaterOrEqual(t, h.MaxStarts, 2, "Harness.MaxStarts")
	require.GreaterOrEqual(t, h.QuarantineCount, 2, "Harness.QuarantineCount")
	require.GreaterOrEqual(t, h.QuarantineBytes, int64(64*h.QuarantineCount), "Harness.QuarantineBytes")
}

// testCase is one promise of the contract and the test that holds a store to it.
type testCase struct {
	name string
	run  func(f *fixture)
}

// Run holds the store to every promise of the contract, each in a parallel subtest that is named for it. After each of
// them the store must be sound: its figures add up and agree with its listings, and Check reports nothing.
func Run(t *testing.T, h Harness) {
	t.Helper()
	h.validate(t)
	cases := slices.Concat(
		appendCases(), boundCases(), claimCases(), changedCases(), settleCases(), receiptCases(), arrivalCases(),
		crashCases(), operatorCases(), purgeCases(), listCases(), pagingCases(), statsCases(), fullCases(),
		quarantineCases(), keeperCases(), closedCases(), cancelCases(), concurrencyCases(),
	)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, h)
			t.Cleanup(f.finish)
			c.run(f)
		})
	}
}
