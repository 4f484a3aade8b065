package main

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crmsyncd/crmsyncd/crm"
)

// preparer makes what it is told to, but for what must fail.
type preparer struct {
	plan   []crm.Preparation
	fails  map[string]error
	asked  []string
	onStep func()
}

func (f *preparer) Plan(context.Context) ([]crm.Preparation, error) { return f.plan, nil }

func (f *preparer) Prepare(_ context.Context, p crm.Preparation) error {
	f.asked = append(f.asked, p.Name)
	if f.onStep != nil {
		f.onStep()
	}
	for i := range f.plan {
		if f.plan[i].Name == p.Name && f.fails[p.Name] == nil {
			f.plan[i].Done = true
		}
	}
	return f.fails[p.Name]
}

// open returns what can be made.
func open(plan []crm.Preparation) []crm.Preparation {
	return todo(plan, func(p crm.Preparation) bool { return !p.Done && p.Manual == "" })
}

// TestSetupGoesOnAfterAFailure holds that each step is done once, that one which fails is told and stops no other, that
// the next run does only what is left, and that texts of the CRM stay on their line.
func TestSetupGoesOnAfterAFailure(t *testing.T) {
	f := &preparer{
		plan: []crm.Preparation{
			{Name: "a", Title: "field a", Done: true},
			{Name: "b", Title: "field b"},
			{Name: "c", Title: "field c"},
			{Name: "d", Title: "field d", Manual: "ask\nforged \x1b[2J the admin"},
		},
		fails: map[string]error{"b": errors.New("no right to\nforged: \x1b[31m<script>")},
	}
	var out bytes.Buffer
	p := &program{out: &out}
	err := p.prepare(t.Context(), f, f.plan, open(f.plan))
	require.EqualError(t, err, "could not be made: 1, see above; running it again is harmless")
	require.Equal(t, []string{"b", "c"}, f.asked)
	require.Equal(t, "FAIL  field b: no right to\uFFFDforged: \uFFFD[31m<script>\nmade  field c\n"+
		"left for a person  field d: ask\uFFFDforged \uFFFD[2J the admin\n", out.String())

	f.fails, f.asked = nil, nil
	require.NoError(t, p.prepare(t.Context(), f, f.plan, open(f.plan)))
	require.Equal(t, []string{"b"}, f.asked)
	f.asked = nil
	out.Reset()
	require.NoError(t, p.prepare(t.Context(), f, f.plan, open(f.plan)))
	require.Empty(t, f.asked)
	require.Contains(t, out.String(), "there is nothing to make\n")
	out.Reset()
	require.NoError(t, p.printPlan(f.plan))
	require.Equal(t, "there    field a\nthere    field b\nthere    field c\n"+
		"by hand  field d  ask\uFFFDforged \uFFFD[2J the admin\n", out.String())
}

// TestSetupStopsWhenInterrupted holds that nothing more is made then.
func TestSetupStopsWhenInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f := &preparer{plan: []crm.Preparation{{Name: "a", Title: "a"}, {Name: "b", Title: "b"}}, onStep: cancel}
	err := (&program{out: &bytes.Buffer{}}).prepare(ctx, f, f.plan, open(f.plan))
	require.ErrorContains(t, err, "interrupted")
	require.Equal(t, []string{"a"}, f.asked)
}
