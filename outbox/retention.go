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
	Now func() time.Time
	// Logger is told when it cannot purge; nil: nobody is.
	Logger *slog.Logger
}

const (
	purgeEvery = time.Minute
	// purgeBatch is how many entries go in one transaction, purgeRest how many times as long as that took the committer
	// then belongs to others alone: a purge shares it with the acknowledgements.
	purgeBatch = 64
	purgeRest  = 4
)

// Run purges until ctx ends. It returns an error when the store cannot be used any more.
func (r Retention) Run(ctx context.Context) error {
	if r.Now == nil {
		r.Now = time.Now
	}
	if r.Logger == nil {
		r.Logger = slog.New(slog.DiscardHandler)
	}
	for ctx.Err() == nil {
		began := time.Now()
		n, err := r.Operator.Purge(ctx, r.Now().Add(-r.Keep), purgeBatch)
		if errors.Is(err, ErrClosed) || errors.Is(err, ErrFailed) {
			return fmt.Errorf("purge delivered entries: %w", err)
		}
		if err != nil && ctx.Err() == nil {
			r.Logger.Error("cannot purge delivered entries, trying again", slog.Any("err", err))
		}
		rest := purgeRest * time.Since(began)
		if n < purgeBatch || err != nil {
			rest = purgeEvery
		}
		timer := time.NewTimer(rest)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}
