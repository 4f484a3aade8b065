package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Retention removes delivered entries when they are old enough.
type Retention struct {
	Operator Operator
	// Keep is how long a delivered entry is kept: for as long an exact repeat of a message is known as one.
	Keep time.Duration
	// Now is the clock; nil: time.Now.
	Now    func() time.Time
	Logger *slog.Logger
}

const (
	purgeEvery = time.Minute
	// purgeBatch is small: a purge shares the committer with the acknowledgements.
	purgeBatch = 64
)

// Run purges until ctx ends. It returns an error when the store cannot be used any more.
func (r Retention) Run(ctx context.Context) error {
	now := r.Now
	if now == nil {
		now = time.Now
	}
	ticker := time.NewTicker(purgeEvery)
	defer ticker.Stop()
	for {
		for ctx.Err() == nil {
			n, err := r.Operator.Purge(ctx, now().Add(-r.Keep), purgeBatch)
			if errors.Is(err, ErrClosed) || errors.Is(err, ErrFailed) {
				return fmt.Errorf("purge delivered entries: %w", err)
			}
			if err != nil && ctx.Err() == nil {
				r.Logger.Error("cannot purge delivered entries, trying again", slog.Any("err", err))
			}
			if n < purgeBatch || err != nil {
				break
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}
