package outboxtest

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/crmsyncd/crmsyncd/outbox"
)

func quarantineCases() []testCase {
	return []testCase{
		{"a refused body is kept as it came", testQuarantineKeeps},
		{"equal refused bodies are kept once and counted", testQuarantineCounts},
		{"refused bodies are listed in the order of their arrival", testQuarantineList},
		{"too many refused bodies push out the oldest", testQuarantineCountBound},
		{"too large refused bodies push out the oldest", testQuarantineBytesBound},
		{"a refused body larger than the quarantine does not break its bounds", testQuarantineHugeBody},
	}
}

func (f *fixture) reject(body string) {
	f.t.Helper()
	f.NoError(f.store.Quarantine(f.t.Context(), outbox.Rejected{Reason: "not_json", Body: []byte(body)}))
}

func (f *fixture) rejected(after uint64, limit int) []outbox.Rejected {
	f.t.Helper()
	list, err := f.store.Quarantined(f.t.Context(), after, limit)
	f.NoError(err)
	return list
}

func rejectedBodies(list []outbox.Rejected) []string {
	bodies := make([]string, 0, len(list))
	for _, r := range list {
		bodies = append(bodies, string(r.Body))
	}
	return bodies
}

func testQuarantineKeeps(f *fixture) {
	f.Empty(f.rejected(0, 10))
	body := []byte("\x00\xff<html>")
	r := outbox.Rejected{
		Reason: "not_json", Error: "not JSON at byte 0", ContentType: "text/html", Body: body, Truncated: true,
	}
	f.NoError(f.store.Quarantine(f.t.Context(), r))
	body[0] = 'X'
	arrived := f.now()
	long := outbox.Rejected{Reason: "no_call_id", ContentType: strings.Repeat("c", 1000), Body: []byte("{}")}
	f.NoError(f.store.Quarantine(f.t.Context(), long))
	check := func() {
		f.t.Helper()
		list := f.rejected(0, 10)
		f.Len(list, 2)
		got := list[0]
		f.NotZero(got.ID)
		got.ID = 0
		f.Equal(outbox.Rejected{
			At: arrived, LastAt: arrived, Count: 1, Reason: "not_json", Error: "not JSON at byte 0",
			ContentType: "text/html", Body: []byte("\x00\xff<html>"), Truncated: true,
		}, got)
		f.Equal(strings.Repeat("c", 128), list[1].ContentType, "a content type is cut to 128 bytes")
		f.False(list[1].Truncated)
	}
	check()
	f.reopen()
	check()
	f.Empty(f.listed(outbox.Filter{}), "a refused body is no entry")
}

func testQuarantineCounts(f *fixture) {
	f.reject("a")
	first := f.now()
	f.clock.Advance(time.Minute)
	f.reject("b")
	f.reject("a")
	f.reopen()
	f.clock.Advance(time.Minute)
	f.reject("a")
	list := f.rejected(0, 10)
	f.Equal([]string{"a", "b"}, rejectedBodies(list))
	f.Equal(3, list[0].Count)
	f.Equal(first, list[0].At, "when it first came")
	f.Equal(f.now(), list[0].LastAt, "when it last came")
	f.Equal(1, list[1].Count)
	stats := f.store.Stats()
	f.Equal([]int64{2, 2}, []int64{stats.Rejected, stats.RejectedBytes})
	f.Zero(stats.Evicted)
}

func testQuarantineList(f *fixture) {
	n := f.h.QuarantineCount
	var bodies []string
	for i := range n {
		bodies = append(bodies, fmt.Sprint("body ", n-i))
		f.reject(bodies[i])
	}
	list := f.rejected(0, n+10)
	f.Equal(bodies, rejectedBodies(list))
	for i := range n - 1 {
		f.Less(list[i].ID, list[i+1].ID)
	}
	f.Equal(bodies[:1], rejectedBodies(f.rejected(0, 1)))
	f.Equal(bodies[1:2], rejectedBodies(f.rejected(list[0].ID, 1)), "an ID above after")
	f.Empty(f.rejected(list[n-1].ID, 10))
}

func testQuarantineCountBound(f *fixture) {
	n := f.h.QuarantineCount
	for i := range n + 3 {
		f.reject(fmt.Sprint("body ", i))
	}
	check := func() {
		f.t.Helper()
		list := f.rejected(0, n+10)
		f.Len(list, n)
		f.Equal("body 3", string(list[0].Body), "the oldest give way")
		f.Equal(fmt.Sprint("body ", n+2), string(list[n-1].Body))
		stats := f.store.Stats()
		f.Equal(int64(n), stats.Rejected)
		f.Equal(uint64(3), stats.Evicted)
	}
	check()
	f.reopen()
	check()
	f.reject("body 0")
	list := f.rejected(0, n+10)
	f.Equal("body 0", string(list[n-1].Body), "a body that was pushed out comes as a new one")
	f.Equal(1, list[n-1].Count)
}

func testQuarantineBytesBound(f *fixture) {
	half := int(f.h.QuarantineBytes/2) + 1
	body := func(c string) string { return strings.Repeat(c, half) }
	f.reject("small")
	f.reject(body("a"))
	f.reject(body("b"))
	f.Equal([]string{body("b")}, rejectedBodies(f.rejected(0, 10)))
	f.reject("tiny")
	f.Equal([]string{body("b"), "tiny"}, rejectedBodies(f.rejected(0, 10)), "what fits does not push out")
	stats := f.store.Stats()
	f.Equal(int64(half+4), stats.RejectedBytes)
	f.Equal(uint64(2), stats.Evicted)
	f.reopen()
	f.Equal(int64(half+4), f.store.Stats().RejectedBytes)
}

func testQuarantineHugeBody(f *fixture) {
	huge := bytes.Repeat([]byte("h"), int(f.h.QuarantineBytes)+1)
	f.reject("small")
	err := f.store.Quarantine(f.t.Context(), outbox.Rejected{Reason: "not_json", Body: huge})
	list := f.rejected(0, 10)
	f.LessOrEqual(f.store.Stats().RejectedBytes, f.h.QuarantineBytes)
	if err != nil {
		f.Equal([]string{"small"}, rejectedBodies(list), "what is refused pushes nothing out")
		return
	}
	for _, r := range list {
		if r.Body[0] == 'h' {
			f.True(r.Truncated, "a body that was cut says so")
			f.True(bytes.HasPrefix(huge, r.Body), "the first part is kept")
		}
	}
	f.reject("after")
	list = f.rejected(0, 10)
	f.Equal("after", string(list[len(list)-1].Body), "it does not block those that follow")
}
