package receiver

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// warnings are the limits of the lines that a sender can cause, one for each kind, so that no kind silences another.
type warnings struct {
	unauthorized, refused, unavailable *warningLimit
}

func newWarnings(now func() time.Time) warnings {
	return warnings{newWarningLimit(now), newWarningLimit(now), newWarningLimit(now)}
}

// warningLimit lets five lines through at once and one more every ten seconds.
type warningLimit struct {
	now     func() time.Time
	limiter *rate.Limiter
	left    atomic.Int64
}

func newWarningLimit(now func() time.Time) *warningLimit {
	return &warningLimit{now: now, limiter: rate.NewLimiter(rate.Every(10*time.Second), 5)}
}

// allow reports whether a line about r may be written, and what to write with it: where r came from, and how many
// lines were left out before this one.
func (w *warningLimit) allow(r *http.Request) (origin slog.Attr, ok bool) {
	if !w.limiter.AllowN(w.now(), 1) {
		w.left.Add(1)
		return slog.Attr{}, false
	}
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	return slog.GroupAttrs("", slog.String("remote", host), slog.Int64("left_out", w.left.Swap(0))), true
}

// typeName returns the name of the type of v.
func typeName(v any) string { return fmt.Sprintf("%T", v) }
