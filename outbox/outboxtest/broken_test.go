package outboxtest_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/outbox/outboxtest"
)

// brokenVariable names, in the environment of a second run of this test binary, the promise that the store there breaks;
// soundStore: none.
const (
	brokenVariable = "OUTBOXTEST_BROKEN"
	soundStore     = "none"
)

// faults returns the broken stores by the subtest of Run that must find them, named for the promise they break; they
// keep the others.
func faults() map[string]func(outbox.Store) outbox.Store {
	return map[string]func(outbox.Store) outbox.Store{
		"an exact repeat is a duplicate in every state": func(s outbox.Store) outbox.Store {
			return &forgetful{Store: s}
		},
		"an Append is all or nothing": func(s outbox.Store) outbox.Store {
			return &piecemeal{s}
		},
		"a message in flight makes the entry pending after every verdict": func(s outbox.Store) outbox.Store {
			return &inattentive{Store: s, claimed: map[string]int{}}
		},
		"Claim gives the oldest due first": func(s outbox.Store) outbox.Store {
			return &newestFirst{s}
		},
		"claimers at once never share a key": func(s outbox.Store) outbox.Store {
			return &generous{Store: s}
		},
		"Settle of a key that is not in flight is refused, the others are settled": func(s outbox.Store) outbox.Store {
			return &hasty{s}
		},
		"a receipt is replaced unless it is nil": func(s outbox.Store) outbox.Store {
			return &receiptless{s}
		},
		"a postponement spends no attempt": func(s outbox.Store) outbox.Store {
			return &strict{s}
		},
		"an unsettled delivery is interrupted after a restart": func(s outbox.Store) outbox.Store {
			return &tidy{s}
		},
		"Changed tells of an append": func(s outbox.Store) outbox.Store {
			return &silent{s}
		},
		"pages are complete and do not repeat": func(s outbox.Store) outbox.Store {
			return &repetitive{s}
		},
		"Purge removes what was delivered before a time, up to a limit": func(s outbox.Store) outbox.Store {
			return &greedy{s}
		},
	}
}

// brokenStore returns the harness for the promise that the environment names, and skips the test without one.
func brokenStore(t *testing.T) outboxtest.Harness {
	t.Helper()
	name := os.Getenv(brokenVariable)
	if name == "" {
		t.Skip("runs in a second process only, see TestRunFindsFaults")
	}
	if name == soundStore {
		return memoryHarness(sound)
	}
	require.Contains(t, faults(), name)
	return memoryHarness(faults()[name])
}

func TestBroken(t *testing.T)       { outboxtest.Run(t, brokenStore(t)) }
func TestBrokenModel(t *testing.T)  { outboxtest.Model(t, brokenStore(t)) }
func TestBrokenStress(t *testing.T) { outboxtest.Stress(t, brokenStore(t)) }

// runBroken runs a test in a second process with a store that breaks the promise.
func runBroken(t *testing.T, promise, pattern string) (string, error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), os.Args[0],
		"-test.run="+pattern, "-test.v", "-rapid.nofailfile", "-rapid.shrinktime=100ms")
	command.Env = append(slices.Clone(os.Environ()), brokenVariable+"="+promise)
	output, err := command.CombinedOutput()
	return string(output), err
}

// TestRunFindsFaults shows that Run is able to fail: for each broken store in the subtest that is named for the broken
// promise, which passes for a sound store.
func TestRunFindsFaults(t *testing.T) {
	for promise := range faults() {
		t.Run(promise, func(t *testing.T) {
			t.Parallel()
			subtest := strings.ReplaceAll(promise, " ", "_")
			pattern := "^TestBroken$/^" + subtest + "$"
			output, err := runBroken(t, promise, pattern)
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit, "the broken store passes:\n%s", output)
			require.Contains(t, output, "--- FAIL: TestBroken/"+subtest)

			output, err = runBroken(t, soundStore, pattern)
			require.NoError(t, err, output)
			require.Contains(t, output, "--- PASS: TestBroken/"+subtest)
		})
	}
}

// TestModelAndStressFindFaults shows the same of Model and Stress, with some of the broken stores.
func TestModelAndStressFindFaults(t *testing.T) {
	tests := []struct{ test, promise string }{
		{"TestBrokenModel", "a message in flight makes the entry pending after every verdict"},
		{"TestBrokenModel", "a receipt is replaced unless it is nil"},
		{"TestBrokenModel", "an Append is all or nothing"},
		{"TestBrokenModel", "a postponement spends no attempt"},
		{"TestBrokenStress", "claimers at once never share a key"},
		{"TestBrokenStress", "an exact repeat is a duplicate in every state"},
	}
	for _, tt := range tests {
		t.Run(tt.test+"/"+tt.promise, func(t *testing.T) {
			t.Parallel()
			output, err := runBroken(t, tt.promise, "^"+tt.test+"$")
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit, "the broken store passes:\n%s", output)
			require.Contains(t, output, "--- FAIL: "+tt.test)
		})
	}
}
