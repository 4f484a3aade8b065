package outboxtest

import (
	"context"
	"encoding/gob"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/crmsyncd/crmsyncd/outbox"
)

// MemoryOptions set up a Memory. The zero value is of use.
type MemoryOptions struct {
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
	// Limit is how many bytes keys, bodies and receipts may take together before Append answers ErrFull. 0: no limit.
	Limit int64
	// MaxStarts is how many deliveries of an entry may begin without being settled before Claim parks it. 0: 3.
	MaxStarts int
	// QuarantineCount is how many refused bodies are kept, QuarantineBytes how large they may be together. 0: 1000 and
	// 16 MiB.
	QuarantineCount int
	QuarantineBytes int64
}

// Memory is an outbox.Store without a file: it keeps every promise of one but to survive the process. It looks at all
// entries for each Claim, List and Stats, which is fast enough for thousands of them. It starts no goroutine. Safe for
// concurrent use.
type Memory struct {
	options MemoryOptions

	mu      sync.Mutex
	stored  memoryState
	claims  map[string]uint64 // keys in flight with the Seq of the last message that was handed out
	changed chan struct{}
	closed  bool
}

var _ outbox.Store = (*Memory)(nil)

// memoryState is what a file would hold. Its fields are exported for gob.
type memoryState struct {
	Entries      map[string]*memoryEntry
	Made         uint64 // entries made so far
	LastAge      uint64
	Messages     uint64
	Duplicates   uint64
	Discarded    uint64
	Purged       uint64
	Rejected     []outbox.Rejected
	LastRejected uint64
	Evicted      uint64
}

// NewMemory returns an empty store.
func NewMemory(options MemoryOptions) *Memory {
	return openMemory(options, memoryState{Entries: map[string]*memoryEntry{}})
}

// RestoreMemory returns a store with the content of a backup of another Memory.
func RestoreMemory(backup io.Reader, options MemoryOptions) (*Memory, error) {
	stored := memoryState{Entries: map[string]*memoryEntry{}}
	if err := gob.NewDecoder(backup).Decode(&stored); err != nil {
		return nil, fmt.Errorf("read the backup of a memory store: %w", err)
	}
	return openMemory(options, stored), nil
}

// Reopen closes the store and returns another one with its content, as a process finds it that starts after the first
// was killed: what was in flight is pending and Interrupted.
func (m *Memory) Reopen(options MemoryOptions) *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	stored := m.stored
	stored.Entries = make(map[string]*memoryEntry, len(m.stored.Entries))
	for key, e := range m.stored.Entries {
		stored.Entries[key] = e.clone()
	}
	stored.Rejected = slices.Clone(m.stored.Rejected)
	return openMemory(options, stored)
}

func openMemory(options MemoryOptions, stored memoryState) *Memory {
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.MaxStarts == 0 {
		options.MaxStarts = 3
	}
	if options.QuarantineCount == 0 {
		options.QuarantineCount = 1000
	}
	if options.QuarantineBytes == 0 {
		options.QuarantineBytes = 16 << 20
	}
	return &Memory{
		options: options,
		stored:  stored,
		claims:  map[string]uint64{},
		changed: make(chan struct{}),
	}
}

// Close makes every later call answer ErrClosed. What is in flight stays unsettled.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}

// usable says whether an operation may begin. The caller holds mu.
func (m *Memory) usable(ctx context.Context) error {
	if m.closed {
		return outbox.ErrClosed
	}
	return ctx.Err()
}

func (m *Memory) now() time.Time {
	return m.options.Now().UTC().Round(0) // without the monotonic reading, which no file could keep
}

// announce wakes whoever waits on Changed. The caller holds mu.
func (m *Memory) announce() {
	close(m.changed)
	m.changed = make(chan struct{})
}

// sorted returns the entries that choose accepts in the order of less, ties by age. The caller holds mu.
func (m *Memory) sorted(choose func(*memoryEntry) bool, at func(*memoryEntry) time.Time) []*memoryEntry {
	var chosen []*memoryEntry
	for e := range maps.Values(m.stored.Entries) {
		if choose(e) {
			chosen = append(chosen, e)
		}
	}
	slices.SortFunc(chosen, func(a, b *memoryEntry) int {
		if order := at(a).Compare(at(b)); order != 0 {
			return order
		}
		if a.Age < b.Age {
			return -1
		}
		return 1
	})
	return chosen
}

// waiting tells whether an entry is pending and not in flight. The caller holds mu.
func (m *Memory) waiting(e *memoryEntry) bool {
	_, claimed := m.claims[e.Key]
	return e.State == outbox.Pending && !claimed
}
