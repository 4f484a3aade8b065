package rest

import "time"

// ParseRetryAfter is for the tests.
func ParseRetryAfter(text string, now time.Time) time.Duration { return parseRetryAfter(text, now) }
