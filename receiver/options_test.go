package receiver_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm/call"
	"github.com/crmsyncd/crmsyncd/receiver"
)

func TestNewRefuses(t *testing.T) {
	cases := map[string]struct {
		change func(*receiver.Options)
		want   string
	}{
		"no sink":       {func(o *receiver.Options) { o.Sink = nil }, "sink is missing"},
		"no key":        {func(o *receiver.Options) { o.Keys = nil }, "at least one is needed"},
		"empty key":     {func(o *receiver.Options) { o.Keys = []string{key, ""} }, "keys[1]"},
		"key with line": {func(o *receiver.Options) { o.Keys = []string{"k3y\nx"} }, "keys[0]"},
		"key with edge": {func(o *receiver.Options) { o.Keys = []string{"k3y "} }, "keys[0]"},
		"no source":     {func(o *receiver.Options) { o.Sources = nil }, "sources"},
		"same source":   {func(o *receiver.Options) { o.Sources = append(o.Sources, o.Sources[0]) }, "another one"},
		"bad source":    {func(o *receiver.Options) { o.Sources = []receiver.Source{named("a/:b")} }, `"a/:b"`},
		"negative":      {func(o *receiver.Options) { o.MaxInFlight = -1 }, "max in flight is negative"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			o := receiver.Options{Keys: []string{key}, Sink: &sink{}, Sources: []receiver.Source{decoder(t)}}
			_, err := receiver.New(o)
			require.NoError(t, err)
			c.change(&o)
			_, err = receiver.New(o)
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "k3y")
		})
	}
}

// named is a source that has nothing but a name.
type named string

func (n named) Name() string                    { return string(n) }
func (named) Decode([]byte) (call.Event, error) { return call.Event{}, nil }
func (named) Identity([]byte) []byte            { return nil }
