package receiver

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// Options are the settings of a Server. Where a default is named, 0 or nil means it.
type Options struct {
	// Keys are the values of the Authorization header that are let in, each a whole header value: at least one, two
	// while a key is being changed.
	Keys []string
	// Sink is where events go.
	Sink Sink
	// Sources are the senders, at least one, each with a name of its own.
	Sources []Source
	// BodyLimit is the largest body in bytes. Default 64 KiB.
	BodyLimit int64
	// ReadHeaderTimeout limits the reading of the headers. Default 5 s.
	ReadHeaderTimeout time.Duration
	// ReadTimeout limits the reading of a whole request. Default 10 s.
	ReadTimeout time.Duration
	// StoreTimeout limits the time that the Sink may take for one request. Default 5 s.
	StoreTimeout time.Duration
	// WriteTimeout limits the time from the end of the headers to the end of the answer, so it has to be longer than
	// ReadTimeout and StoreTimeout together. Default 20 s.
	WriteTimeout time.Duration
	// IdleTimeout limits how long a connection without a request is kept. Default 2 min.
	IdleTimeout time.Duration
	// MaxHeaderBytes limits the headers of a request. Default 16 KiB; net/http allows 4 KiB on top.
	MaxHeaderBytes int
	// MaxConnections limits the open connections; more of them wait to be accepted. It must leave room below the
	// process's limit on open files. Default 1024.
	MaxConnections int
	// MaxInFlight limits the authorized requests that are worked on at once; more of them are answered 503. Default
	// 512.
	MaxInFlight int
	// Logger is where the server writes. Default: nowhere.
	Logger *slog.Logger
	// Observer is told what happens. Default: nobody is.
	Observer Observer
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// withDefaults returns the options with each absent one set.
func (o Options) withDefaults() Options {
	setDefault(&o.BodyLimit, 64<<10)
	setDefault(&o.ReadHeaderTimeout, 5*time.Second)
	setDefault(&o.ReadTimeout, 10*time.Second)
	setDefault(&o.StoreTimeout, 5*time.Second)
	setDefault(&o.WriteTimeout, 20*time.Second)
	setDefault(&o.IdleTimeout, 2*time.Minute)
	setDefault(&o.MaxHeaderBytes, 16<<10)
	setDefault(&o.MaxConnections, 1024)
	setDefault(&o.MaxInFlight, 512)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Observer == nil {
		o.Observer = unobserved{}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

func setDefault[T int | int64 | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// check returns all that is wrong with options that have their defaults. It never quotes a key.
func (o Options) check() error {
	var problems []error
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if o.Sink == nil {
		wrong("sink is missing")
	}
	if len(o.Keys) == 0 {
		wrong("keys: at least one is needed, or nobody could send anything")
	}
	for i, key := range o.Keys {
		if !canBeHeader(key) {
			wrong("keys[%d] is empty, or has space around it or control characters in it: no header can have this value", i)
		}
	}
	if len(o.Sources) == 0 {
		wrong("sources: at least one is needed")
	}
	seen := make(map[string]bool)
	for i, source := range o.Sources {
		name := source.Name()
		if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			wrong("sources[%d] is named %q: only lower case letters, digits and hyphens can stand in its path", i, name)
		}
		if seen[name] {
			wrong("sources[%d] is named %q, and another one is too", i, name)
		}
		seen[name] = true
	}
	for name, value := range map[string]int64{
		"body limit": o.BodyLimit, "read header timeout": int64(o.ReadHeaderTimeout), "read timeout": int64(o.ReadTimeout),
		"store timeout": int64(o.StoreTimeout), "write timeout": int64(o.WriteTimeout), "idle timeout": int64(o.IdleTimeout),
		"max header bytes": int64(o.MaxHeaderBytes), "max connections": int64(o.MaxConnections),
		"max in flight": int64(o.MaxInFlight),
	} {
		if value < 0 {
			wrong("%s is negative", name)
		}
	}
	return errors.Join(problems...)
}

// canBeHeader reports whether a request can carry key as the value of a header.
func canBeHeader(key string) bool {
	return key != "" && strings.TrimSpace(key) == key &&
		!strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r == 0x7f })
}
