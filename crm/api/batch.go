package api

import (
	"errors"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/crmsyncd/crmsyncd/crm"
)

// Chunks cuts items into parts of at most maxItems items and maxSize in size together, as few as can be without
// changing the order. A bound of 0 is none; size nil: only the count matters. An item that is larger than maxSize stands
// alone.
func Chunks[T any](items []T, maxItems, maxSize int, size func(T) int) [][]T {
	var chunks [][]T
	begin, total := 0, 0
	for i, item := range items {
		weight := 0
		if size != nil && maxSize > 0 {
			weight = size(item)
		}
		full := maxItems > 0 && i-begin >= maxItems || maxSize > 0 && total+weight > maxSize
		if full && i > begin {
			chunks = append(chunks, items[begin:i:i])
			begin, total = i, 0
		}
		total += weight
	}
	if begin < len(items) {
		chunks = append(chunks, items[begin:])
	}
	return chunks
}

// Each calls do for 0 to n-1, at most concurrency (at least one) at a time, and returns their errors in order. After an
// error that concerns the whole CRM (throttled, quota, unauthorized) nothing more is begun: what was not gets the same
// error.
func Each(n, concurrency int, do func(i int) error) []error {
	results := make([]error, n)
	var stop atomic.Pointer[error]
	var group errgroup.Group
	group.SetLimit(max(concurrency, 1))
	for i := range n {
		group.Go(func() error {
			if err := stop.Load(); err != nil {
				results[i] = *err
				return nil
			}
			err := do(i)
			if results[i] = err; stops(err) {
				stop.CompareAndSwap(nil, &err)
			}
			return nil
		})
	}
	_ = group.Wait() // no function returns an error
	return results
}

// Split calls do with all items, for an API that takes all of them or none, and returns one error for each item. Where
// do refuses several as crm.KindInvalid it is called again with either half, until the bad ones stand alone; every
// other error counts for all items of its part. After an error that concerns the whole CRM nothing more is sent.
func Split[T any](items []T, do func([]T) error) []error {
	results := make([]error, 0, len(items))
	var stop error
	var try func(part []T)
	try = func(part []T) {
		err := stop
		if err == nil {
			err = do(part)
		}
		if e, ok := errors.AsType[*crm.Error](err); ok && e.Kind == crm.KindInvalid && len(part) > 1 {
			try(part[:len(part)/2])
			try(part[len(part)/2:])
			return
		}
		if stops(err) {
			stop = err
		}
		for range part {
			results = append(results, err)
		}
	}
	if len(items) > 0 {
		try(items)
	}
	return results
}

// stops reports whether an error concerns the whole CRM, so that nothing more is to be sent.
func stops(err error) bool {
	e, ok := errors.AsType[*crm.Error](err)
	return ok && slices.Contains([]crm.Kind{crm.KindThrottled, crm.KindQuota, crm.KindUnauthorized}, e.Kind)
}
