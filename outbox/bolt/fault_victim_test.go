package bolt_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/crmsyncd/crmsyncd/outbox"
	"github.com/crmsyncd/crmsyncd/outbox/bolt"
)

// The victim is this test binary run again as a process of its own, to be killed, traced, starved and lied to by the
// kernel. It says what it was promised on its standard output, one write(2) a line:
//
//	a N    message N was acknowledged        s KEY  is about to be settled
//	c KEY  the entry was claimed             d KEY  its settlement was acknowledged
//	k KEY  its checkpoint was acknowledged   x ...  a promise was broken
//	v K N  a figure of the scenario          e ...  an error, as an operator would read it

// victimVariable names the environment variable that turns the test binary into a victim and carries its order.
const victimVariable = "OUTBOX_VICTIM"

// The victim's exit codes. Go itself ends a process with 2 after a panic or a fatal fault.
const (
	exitDone    = 0
	exitRefused = 3
	exitFailed  = 4
	exitBroken  = 5
)

// order tells a victim what to do.
type order struct {
	// Mode is load, open, full or examine.
	Mode, Path string
	Limit      int64
	// First and Count are the numbers of the messages, or of the copies to examine. Count 0: until killed.
	First, Count int
	// Ballast is how many bytes lie beside the store until space is freed, Fillers how many messages of 64 KiB are in it,
	// Group how many messages are appended at once (full).
	Ballast int64
	// Scatter gives each message index terms of its own, which stand anywhere in the index.
	Scatter        bool
	Fillers, Group int
	// Kind is how space is freed (full); Kind and Seed choose the damage (examine).
	Seed uint64
	Kind string
}

// victim carries out an order.
type victim struct {
	order
	store *bolt.Store
}

// runVictim is the victim's main function. It returns the exit code.
func runVictim(text string) int {
	v := &victim{}
	if err := json.Unmarshal([]byte(text), &v.order); err != nil {
		v.say("e %v", err)
		return exitBroken
	}
	if v.Mode == "examine" {
		v.examine()
		return exitDone
	}
	var pin sync.Once
	s, err := bolt.Open(bolt.Options{
		Path: v.Path, Limit: v.Limit, LockTimeout: 200 * time.Millisecond,
		// strace counts system calls per thread: the committer stays on one.
		Committed: func(time.Duration, int) { pin.Do(runtime.LockOSThread) },
	})
	if err != nil {
		v.say("e %v", err)
		return exitRefused
	}
	v.store = s
	switch v.Mode {
	case "load":
		v.load()
	case "full":
		v.full()
	}
	code := v.end()
	if err := bolt.Verify(context.Background(), v.Path, func(fault string) { v.say("x %s", fault) }); err != nil {
		v.say("x %v", err)
	}
	return code
}

// say writes one line with one system call.
func (v *victim) say(format string, arguments ...any) {
	_, _ = fmt.Fprintf(os.Stdout, format+"\n", arguments...)
}

// end closes the store and returns the exit code.
func (v *victim) end() int {
	failed := v.failed()
	if failed && !errors.Is(v.store.Err(), outbox.ErrFailed) {
		v.say("x Failed is closed and Err says %v", v.store.Err())
	}
	if err := v.store.Close(); err != nil {
		v.say("e close: %v", err)
	}
	if failed {
		return exitFailed
	}
	return exitDone
}

func (v *victim) failed() bool {
	select {
	case <-v.store.Failed():
		return true
	default:
		return false
	}
}

const victimSenders = 4

// load appends from several goroutines while another one claims and settles.
func (v *victim) load() {
	ctx, cancel := context.WithCancel(context.Background())
	var worker, senders sync.WaitGroup
	worker.Go(func() { v.deliver(ctx) })
	var next atomic.Int64
	for range victimSenders {
		senders.Go(func() {
			refused := 0
			for refused < 5 {
				n := v.First + int(next.Add(1)) - 1
				if v.Count > 0 && n >= v.First+v.Count {
					return
				}
				if !v.append(n) {
					refused++
				}
			}
		})
	}
	senders.Wait()
	cancel()
	worker.Wait()
}

// append appends message n, every fifth twice, and reports whether it was taken.
func (v *victim) append(n int) bool {
	for repeat := range 2 {
		failedBefore := v.failed()
		appended, err := v.store.Append(context.Background(), outbox.Message{Key: keyOf(n), Body: bodyOf(n)})
		switch {
		case err == nil && failedBefore:
			v.say("x message %d was acknowledged after the disk had failed", n)
		case err == nil && appended[0].Duplicate != (repeat == 1):
			v.say("x message %d: duplicate is %t", n, appended[0].Duplicate)
		case err != nil:
			v.say("e append %d: %v", n, err)
			return false
		case repeat == 0:
			v.say("a %d", n)
		}
		if n%5 != 0 {
			break
		}
	}
	return true
}

// deliver claims what is due and settles three of four entries, with a checkpoint on the way.
func (v *victim) deliver(ctx context.Context) {
	for ctx.Err() == nil {
		changed := v.store.Changed()
		entries, _, err := v.store.Claim(ctx, 8)
		if errors.Is(err, outbox.ErrFailed) {
			return
		}
		for _, e := range entries {
			v.say("c %s", e.Key)
			if e.Messages[0].Body[len("message 00000")]%4 == 0 { // the last digit of its number
				continue // stays in flight for good
			}
			if err := v.store.Checkpoint(ctx, outbox.Checkpoint{Key: e.Key, Receipt: []byte("begun")}); err == nil {
				v.say("k %s", e.Key)
			}
			v.say("s %s", e.Key)
			settlement := outbox.Settlement{Key: e.Key, Verdict: outbox.VerdictDelivered, Receipt: []byte("settled " + e.Key)}
			if err := v.store.Settle(ctx, settlement); err == nil {
				v.say("d %s", e.Key)
			}
		}
		if len(entries) == 0 {
			select {
			case <-changed:
			case <-ctx.Done():
			}
		}
	}
}

// keyOf returns the key of message n: two messages make an entry.
func keyOf(n int) string { return fmt.Sprintf("call-%07d", n/2) }

// bodyOf returns the body of message n, of which no byte can be changed unnoticed.
func bodyOf(n int) []byte {
	random := rand.New(rand.NewPCG(uint64(n), 0))
	body := fmt.Appendf(nil, "message %06d ", n)
	for range 50 + random.IntN(700) {
		body = append(body, byte(random.Uint32()))
	}
	return body
}

// numberOf returns the number of a message by its body, or an error when the body is none that was ever sent.
func numberOf(key string, body []byte) (n int, err error) {
	if _, err := fmt.Sscanf(string(body[:min(len(body), 15)]), "message %d ", &n); err != nil {
		return 0, fmt.Errorf("entry %s: a body that nobody sent: %q", key, body)
	}
	if string(body) != string(bodyOf(n)) || keyOf(n) != key {
		return 0, fmt.Errorf("entry %s: its message %d is not what was sent", key, n)
	}
	return n, nil
}
